"""The fingerprint reacts to what code does on its way to a result, and to nothing else."""

import ast
import inspect
import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from clipn import fingerprint as module
from clipn import losses
from clipn.cli import main as cli
from clipn.files import file_hash, read_json, write_json
from clipn.fingerprint import UNCOUNTED, Fingerprints, path_of
from clipn.fingerprint.source import Definition, Source, read_source
from tests.helpers.rules import rule_texts

TRAIN = "clipn.cli.training.train"
SCORE = "clipn.cli.evaluation.score"
EVALUATE = "clipn.cli.evaluation.evaluate"
TABLE = "clipn.cli.report.ood_table"
ID_FIGURES = "clipn.cli.figures.id_figures"
ABLATIONS = "clipn.cli.figures.ablations"
IMAGES = "clipn.cli.features.image_features"


SOURCES: dict[str, Source] = {}
"""What has been parsed of the package, for all tests."""


def fingerprint(*names: str) -> str:
    fingerprints = Fingerprints(SOURCES)
    found = fingerprints(*names)
    SOURCES.update(fingerprints.sources)
    return found


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    folder = tmp_path_factory.mktemp("package") / "clipn"
    return Path(shutil.copytree(module.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__")))


@pytest.fixture
def package(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The copy, whose files may be edited; afterwards they are as they were."""
    originals = {path: module.PACKAGE / path.relative_to(copied) for path in copied.rglob("*.py")}
    monkeypatch.setattr(module, "PACKAGE", copied)
    yield copied
    for path, original in originals.items():
        if path.stat().st_mtime_ns != original.stat().st_mtime_ns:
            shutil.copy2(original, path)


def hashes(*names: str) -> dict[str, str]:
    """Hash of every module behind a fingerprint."""
    fingerprints = Fingerprints(SOURCES)
    return fingerprints.closures[fingerprints(*names)]


def changes(edit: Callable[[], object], *names: str) -> bool:
    """Whether `edit` changes the fingerprint of `names`."""
    before = fingerprint(*names)
    edit()
    return fingerprint(*names) != before


def replaced(path: Path, old: str, new: str) -> Callable[[], object]:
    text = path.read_text(encoding="utf-8")
    assert old in text
    return lambda: path.write_text(text.replace(old, new), encoding="utf-8")


HARMLESS = {
    "comment": ("import torch\n", "# a comment\nimport torch  # another\n"),
    "layout": ("def tso(yes: Tensor, no: Tensor, eps", "def tso(\n    yes: Tensor,\n    no: Tensor, eps"),
    "parentheses and quotes": ("return 2 - distance.mean()", "return (2 - (distance.mean()))"),
    "docstring of a module": ("The two CLIPN losses", "Both losses"),
    "docstring of a function": ("Text semantic-opposite loss", "TSO"),
    "docstring removed": (f'"""{losses.__doc__}"""\n', ""),
    "a function that nobody calls": ("def tso(", "def unused() -> int:\n    return 1\n\n\ndef tso("),
    "an import that nobody uses": ("import torch\n", "import torch\nimport clipn.text.prompts\n"),
    "an import for type checkers alone": ("import torch\n", "import torch\nif TYPE_CHECKING:\n    import numpy\n"),
}

HARMFUL = {
    "number": ("eps: float = 1e-4", "eps: float = 1e-5"),
    "operator": ("2 - distance.mean()", "2 + distance.mean()"),
    "order": ("return matched, unmatched", "return unmatched, matched"),
    "decorator": ("def tso(", "@torch.no_grad()\ndef tso("),
    "statement of the module": ("def tso(", "torch.set_default_dtype(torch.float64)\n\n\ndef tso("),
}


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_words_and_layout_do_not_count(package: Path, old: str, new: str) -> None:
    assert not changes(replaced(package / "losses.py", old, new), TRAIN)


@pytest.mark.parametrize(("old", "new"), HARMFUL.values(), ids=HARMFUL)
def test_code_counts_wherever_it_is_called(package: Path, old: str, new: str) -> None:
    edit = replaced(package / "losses.py", old, new)
    before = fingerprint(SCORE)
    assert changes(edit, TRAIN)
    assert fingerprint(SCORE) == before


FOR_PEOPLE = {
    "text of an error": ("training/trainer.py", "DivergedError(", "is NaN or infinite", "is no number", TRAIN),
    "text of an error by way of a variable": (
        "data/manifest.py",
        "raise ClipnError",
        "fetch the archive again, or exclude",
        "get it once more, or leave out",
        "clipn.cli.data.verify",
    ),
    "progress bar": ("training/trainer.py", "progress(", "samples", "images", TRAIN),
    "help of an option": ("training/settings.py", "Field(", "passes over the samples", "times each is seen", TRAIN),
    "help of a command": ("cli/options.py", "Option(", "torch threads; digits depend on it", "threads", TRAIN),
    "docstring of an attribute": ("scores/evidence.py", '"""', "torch tensor or NumPy array", "array", SCORE),
}


@pytest.mark.parametrize(("file", "where", "old", "new", "name"), FOR_PEOPLE.values(), ids=FOR_PEOPLE)
def test_words_for_people_do_not_count(package: Path, file: str, where: str, old: str, new: str, name: str) -> None:
    assert where in (package / file).read_text()
    assert not changes(replaced(package / file, old, new), name)


def test_text_that_a_program_uses_counts(package: Path) -> None:
    assert changes(replaced(package / "scores/__init__.py", '"CLIPN-CTW"', '"CTW"'), TABLE)


@pytest.mark.parametrize(
    ("file", "old", "new", "counting", "others"),
    [
        ("report/tables/ood.py", '= ("auroc", "fpr95")', '= ("fpr95", "auroc")', (TABLE,), (ID_FIGURES,)),
        ("report/figures/histograms.py", "_BINS = ", "_BINS = 1 + ", (ID_FIGURES,), (ABLATIONS, TABLE)),
        ("evaluation/scoring.py", "ROWS = ", "ROWS = 1 + ", (SCORE,), (TRAIN, EVALUATE, TABLE)),
        ("compute/__init__.py", '"COMPATIBLE"', '"AVX2"', (TRAIN, SCORE, EVALUATE, TABLE, IMAGES), ()),
        ("cli/evaluation.py", "resamples)\n", "resamples + 1)\n", (EVALUATE,), (SCORE,)),
        ("data/readers/cifar.py", "width = 3 * ", "width = 2 * ", (IMAGES,), (SCORE, TRAIN)),
        ("errors.py", "status = 1", "status = 2", (), (TRAIN, SCORE, IMAGES)),
        ("progress.py", "10.0", "9.0", (), (TRAIN, SCORE, IMAGES)),
    ],
)
def test_a_step_depends_on_what_its_command_calls(
    package: Path, file: str, old: str, new: str, counting: tuple[str, ...], others: tuple[str, ...]
) -> None:
    before = {name: fingerprint(name) for name in (*counting, *others)}
    replaced(package / file, old, new)()
    assert {name for name in before if fingerprint(name) != before[name]} == set(counting)


def test_a_new_method_is_scored_and_shown_and_nothing_else(package: Path) -> None:
    names = (TRAIN, IMAGES, "clipn.cli.features.caption_features", "clipn.cli.data.verify")
    registry = package / "scores/__init__.py"
    first = '        Score("msp"'
    added = registry.read_text().replace(first, f'        Score("new", "New", msp.log_odds),\n{first}')
    before = fingerprint(SCORE)
    assert not changes(lambda: registry.write_text(added), *names)
    assert fingerprint(SCORE) != before


def test_names_are_taken_together(package: Path) -> None:
    both = fingerprint(TRAIN, EVALUATE)
    assert fingerprint(EVALUATE, TRAIN) == both
    assert len({both, fingerprint(TRAIN), fingerprint(EVALUATE)}) == 3
    assert len(both) == 16


def test_the_modules_behind_a_fingerprint_are_kept() -> None:
    fingerprints = Fingerprints()
    found = fingerprints(SCORE)
    assert fingerprints.closures[found].keys() == {name.module for name in fingerprints.closure([SCORE])}
    assert "clipn.scores.evidence" in fingerprints.closures[found]


def test_the_hash_of_the_module_that_changed_is_the_only_other_one(package: Path) -> None:
    before = hashes(TRAIN)
    replaced(package / "losses.py", "eps: float = 1e-4", "eps: float = 1e-5")()
    after = hashes(TRAIN)
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["clipn.losses"]


@pytest.mark.parametrize(("own_text", "taken"), [(module.OWN_TEXT, True), (b"another version", False)])
def test_what_another_process_has_parsed_is_taken_only_from_the_same_version_of_this_package(
    package: Path, monkeypatch: pytest.MonkeyPatch, own_text: bytes, taken: bool
) -> None:
    earlier = Fingerprints()
    parsed = earlier.closures[earlier(EVALUATE)]
    known = {
        key: source._replace(
            definitions={name: found._replace(tree="of another process") for name, found in source.definitions.items()}
        )
        for key, source in earlier.sources.items()
    }
    monkeypatch.setattr(module, "OWN_TEXT", own_text)
    later = Fingerprints(known)
    assert (later.closures[later(EVALUATE)] == parsed) is not taken


# What a module uses

USES = {
    "a global": ("def f():\n    return g()\ndef g(): ...", ["g"]),
    "a name of its own": ("def f(g):\n    return g()\ndef g(): ...", []),
    "assigned in the function": ("def f():\n    g = 1\n    return g\ndef g(): ...", []),
    "default of an argument": ("def f(x=g):\n    return x\ndef g(): ...", ["g"]),
    "annotation": ("def f(x: g):\n    return x\nclass g: ...", ["g"]),
    "decorator": ("@g\ndef f(): ...\ndef g(x): ...", ["g"]),
    "bound in a function within": ("def f():\n    return lambda g: g, g\ndef g(): ...", ["g"]),
    "what a comprehension runs over": ("def f():\n    return [g for g in g()]\ndef g(): ...", ["g"]),
    "a global that is set": ("def f():\n    global g\n    g = 1\n    return g\ng = 2", ["g"]),
    "an attribute of a module": (
        "from clipn import scores\ndef f():\n    return scores.SCORES['x']",
        ["clipn.scores.SCORES"],
    ),
    "an import in the function": ("def f():\n    from clipn.a import b as c\n    return c.d", ["clipn.a.b.d"]),
    "an import under its full name": ("import clipn.a.b\ndef f():\n    return clipn.a.b.c", ["clipn.a.b.c"]),
    "an import under the name of an argument": ("def f(a):\n    from clipn.b import a\n    return a()", ["clipn.b.a"]),
    "an import under a name that is assigned": (
        "def f(x):\n    a = None\n    if x:\n        from clipn.b import a\n    return a()",
        ["clipn.b.a"],
    ),
    "an import of others": ("import numpy as np\ndef f():\n    return np.exp(1)", []),
}


@pytest.mark.parametrize(("text", "uses"), USES.values(), ids=USES)
def test_names_that_a_function_uses(text: str, uses: list[str]) -> None:
    assert read_source(text).definitions["f"].uses == uses


WORDS = {
    "of an exception": 'raise ClipnError(f"{x}: TEXT")',
    "of a warning": 'warn("TEXT" if x else f"TEXT {x}")',
    "on the terminal": 'typer.echo("TEXT" + x)',
    "by way of a variable": 'remedy = "TEXT"\n    raise ClipnError(f"{x}; {remedy}")',
    "by way of two": 'a = "TEXT" if x else "TEXT"\n    b = f"{a} TEXT"\n    raise ClipnError(b)',
    "by way of a tuple": 'a, b = ("TEXT", "it") if x else ("TEXT", "them")\n    raise ClipnError(f"{a} {b}")',
    "of progress": 'for _ in tracked(x, len(x), "TEXT", f"TEXT {x}"):\n        pass',
    "of an option": 'y = typer.Option(help="TEXT")\n    return y',
}
COUNTING = {
    "returned": 'return "TEXT"',
    "of a call in an exception": 'raise ClipnError(describe(x, "TEXT"))',
    "of a call in a formatted text": "typer.echo(f\"{write(x, 'TEXT')}\")",
    "of a call whose result is told": 'done = write(x, "TEXT")\n    typer.echo(done)',
    "never read": 'done = write(x, "TEXT")',
    "compared": 'mode = "TEXT" if x == "TEXT" else "b"\n    raise ClipnError(mode)',
    "told and used": 'mode = "TEXT"\n    warn(mode)\n    return mode',
    "of a variable of the module": 'global mode\n    mode = "TEXT"\n    warn(mode)',
    "of an attribute": 'x.mode = "TEXT"\n    raise ClipnError(x.mode)',
    "of an item": 'x["TEXT"] = 1\n    raise ClipnError(x)',
    "of two targets": 'x[0] = mode = "TEXT"\n    raise ClipnError(mode)',
    "of a starred target": '*mode, last = "TEXT"\n    raise ClipnError(last)',
    "printed into a file": 'print("TEXT", file=x)',
    "of an argument of progress": 'for _ in tracked(load("TEXT"), 1, "a", "b"):\n        pass',
}


@pytest.mark.parametrize(
    ("body", "counts"),
    [*((body, False) for body in WORDS.values()), *((body, True) for body in COUNTING.values())],
    ids=[*WORDS, *COUNTING],
)
def test_words_count_where_a_program_may_read_them(body: str, counts: bool) -> None:
    trees = {
        read_source(f"def f(x):\n    {body.replace('TEXT', text)}\n").definitions["f"].tree for text in ("one", "two")
    }
    assert (len(trees) == 2) is counts


def test_statements_that_define_nothing_are_kept_apart() -> None:
    source = read_source('"""Text."""\nimport os\nA = B = 1\nos.umask(A)\nC: int = 2\n"""Text."""\nD, E = 3, 4\n')
    assert source.definitions.keys() == {"", *"ABCDE"}
    assert source.definitions[""].uses == ["A"]


def test_a_source_comes_back_from_json(tmp_path: Path) -> None:
    source = read_source((module.PACKAGE / "losses.py").read_text())
    write_json(tmp_path / "source.json", source)
    assert Source.of(*read_json(tmp_path / "source.json")) == source
    assert isinstance(next(iter(Source.of(*read_json(tmp_path / "source.json")).definitions.values())), Definition)


# What does not count

LIBRARIES_OF_NUMBERS = {"numpy", "torch", "torchvision", "open_clip", "pandas", "pyarrow", "scipy", "sklearn", "PIL"}


def uncounted() -> Iterator[Path]:
    for name in UNCOUNTED:
        path = path_of(name)
        yield from path.parent.glob("*.py") if path.name == "__init__.py" else [path]


@pytest.mark.parametrize("path", [*uncounted()], ids=lambda path: path.relative_to(module.PACKAGE).as_posix())
def test_nothing_numeric_hides_where_code_does_not_count(path: Path) -> None:
    """No library of numbers, and nothing that counted code could get a number from but sizes and hashes of files."""
    tree = ast.parse(path.read_text())
    imported = {name.partition(".")[0] for node in ast.walk(tree) for name in imports(node)}
    assert not imported & LIBRARIES_OF_NUMBERS
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.returns]
    returned = {ast.unparse(function.returns) for function in functions}
    assert not {text for text in returned if re.search(r"\bfloat\b|NDArray|Tensor|DataFrame", text)}


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_files_come_back_to_the_last_digit_and_are_named_by_their_sha256(tmp_path: Path) -> None:
    values = {"number": 0.1 + 0.2, "small": 5e-324, "text": "é\u2028", "list": [1, None, True]}
    write_json(tmp_path / "a.json", values)
    assert read_json(tmp_path / "a.json") == values
    (tmp_path / "empty").touch()
    write_json(tmp_path / "b.json", {"a": [1, 0.1], "b": "é"})
    assert (tmp_path / "b.json").read_bytes() == '{\n  "a": [\n    1,\n    0.1\n  ],\n  "b": "é"\n}\n'.encode()
    assert file_hash(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# The fingerprints of the rules

COMMANDS = get_command(cli.app)
PROVEN = {"fetch_archive", "fetch_weights"}
"""What a checksum proves."""


def rules() -> Iterator[tuple[str, str, list[str]]]:
    """Name, text, and words of the command of every rule that calls this program."""
    for name, text in rule_texts().items():
        command = re.search(r"clipn --log \{log\} ([\w -]+)", text)
        if command:
            yield name, text, command[1].split()


def function_of(words: list[str]) -> str:
    """Dotted name of the function that a command calls."""
    command = COMMANDS
    for word in words:
        command = command.commands[word] if hasattr(command, "commands") else command
    function = inspect.unwrap(command.callback)
    return f"{function.__module__}.{function.__name__}"


def test_the_fingerprint_of_a_rule_is_of_the_function_behind_its_command() -> None:
    found = list(rules())
    assert len(found) > 25
    for rule, text, words in found:
        named = re.findall(r'code=fingerprint\("([\w.]+)"\)', text)
        assert named == ([] if rule in PROVEN else [function_of(words)]), rule


def test_a_closure_holds_all_that_the_command_runs(package: Path) -> None:
    """An independent look: every module of `clipn` that the function's module imports for it is there, or speaks."""
    fingerprints = Fingerprints(SOURCES)
    for rule, _, words in rules():
        if rule in PROVEN:
            continue
        function = function_of(words)
        modules = {name.module for name in fingerprints.closure([function])}
        text = ast.parse(path_of(function.rpartition(".")[0]).read_text())
        (body,) = (node for node in text.body if getattr(node, "name", "") == function.rpartition(".")[2])
        inside = {name for node in ast.walk(body) for name in imports(node) if name.startswith("clipn.")}
        assert {name for name in inside if not name.startswith(UNCOUNTED)} <= modules, rule


def test_no_table_depends_on_a_figure_nor_a_figure_on_another() -> None:
    fingerprints, shared = Fingerprints(SOURCES), {"style", "saving", "context", "series", "__init__"}
    drawn: dict[str, set[str]] = {}
    for rule, _, words in rules():
        closure = {name.module for name in fingerprints.closure([function_of(words)])}
        found = {name.rpartition(".")[2] for name in closure if name.startswith("clipn.report.figures.")} - shared
        if found:
            drawn[rule] = found
    assert drawn == {
        "id_figures": {
            "id_figures", "histograms", "roc", "intervals", "calibration", "similarity", "reliability", "mistakes",
            "gallery",
        },
        "ablations_figure": {"ablations"},
        "backbones_figure": {"backbones"},
        "published_figure": {"published"},
        "training_figure": {"training"},
    }  # fmt: skip


IMAGE_FEATURES = {"cache_image_features", "cache_small_image_features"}
TOWER_FEATURES = {"cache_tower_features", "cache_caption_tower_features"}
READERS = {
    "verify_dataset",
    "verify_captions",
    "perturbed_features",
    "local_features",
    "id_figures",
    "cache_tower_features",
    "cache_network_logits",
    "generate_network",
} | IMAGE_FEATURES
MUTATIONS = [
    ("demo/world.py", "PIXEL_NOISE = 0.05", "PIXEL_NOISE = 0.06", {"generate_demo"}),
    ("demo/network.py", "ITERATIONS = 10_000", "ITERATIONS = 20_000", {"generate_network"}),
    ("data/readers/imagenet.py", "enumerate(truth, start=1)", "enumerate(truth, start=2)", READERS),
    ("data/manifest.py", "image.label, ", "image.label + 1, ", {"verify_dataset", "verify_captions"}),
    ("data/captions/__init__.py", "LONGEST = 75", "LONGEST = 74", {"prepare_captions"}),
    ("data/crawl/report.py", "ERRORS = 20", "ERRORS = 21", {"crawl_images"}),
    ("data/shards/build.py", "source.trained_on, 6)", "source.trained_on, 5)", {"build_shards"}),
    ("model/backbone.py", '"quick_gelu" in', '"quick_gelu" not in', {"import_backbone", "import_checkpoint"}),
    ("model/released.py", "(0, 0, 0)", "(1, 0, 0)", {"import_checkpoint"}),
    ("model/soup.py", "total / len(paths)", "total / 2", {"average_runs", "average_greedily"}),
    ("cli/weights.py", "average_checkpoints(checkpoints,", "average_checkpoints(checkpoints[1:],", {"average_runs"}),
    ("evaluation/greedy_soup.py", ">= highest", "> highest", {"average_greedily"}),
    ("training/backbone.py", "2 * draw[1:3] - 1", "2 * draw[1:3] - 2", {"train_backbone"}),
    ("training/optimizer.py", "EPSILON = 1e-6", "EPSILON = 1e-7", {"train_backbone", "train_clipn"}),
    ("training/optimizer.py", 'group["lr"] = ', 'group["weight_decay"] = ', {"train_backbone", "train_clipn"}),
    ("text/tokenizer.py", "{character}</w>", "{character}<w>", {"prepare_captions", "build_shards", "train_clipn"}),
    ("losses.py", "eps: float = 1e-4", "eps: float = 1e-5", {"train_clipn"}),
    ("features/images.py", "features = torch.cat(", "features = 2 * torch.cat(", IMAGE_FEATURES),
    (
        "evaluation/class_texts.py",
        "encode_text, model.tokenizer, classes, prompt_pool(pool)",
        "encode_text, model.tokenizer, classes[:1], prompt_pool(pool)",
        {"encode_classes", "average_greedily"},
    ),
    ("features/captions.py", "as_py() + 2", "as_py() + 3", {"cache_caption_features"}),
    ("features/captions.py", "row * repeats + view", "row * repeats - view", {"cache_caption_images"}),
    ("model/image_tower.py", "BATCH = 32", "BATCH = 16", TOWER_FEATURES),
    ("model/image_tower.py", '"_bn1": "bn2"}', '"_bn1": "bn4"}', {"import_image_tower"}),
    ("features/tower.py", "projected[None]", "-projected[None]", {"project_caption_images"}),
    ("features/tower.py", "with_norms(projected)", "with_norms(-projected)", {"project_image_features"}),
    ("features/negative_labels.py", "QUANTILE = 0.95", "QUANTILE = 0.9", {"negative_labels"}),
    ("features/outliers.py", "word.lower()", "word.upper()", {"negative_labels"}),
    ("text/csp.py", "SEED = 0", "SEED = 1", {"negative_labels"}),
    ("features/perturbed.py", "(logits / TEMPERATURE)", "(logits * TEMPERATURE)", {"perturbed_features"}),
    ("features/local.py", "top - cosines.scatter_", "cosines.scatter_", {"local_features"}),
    ("model/patches.py", "tokens[:, 1:]", "tokens[:, :-1]", {"local_features"}),
    ("evaluation/fitted/discriminant.py", "weights = width *", "weights = 2 * width *", {"fit_discriminant"}),
    ("evaluation/fitted/probe.py", "TOLERANCE = 1e-8", "TOLERANCE = 1e-7", {"fit_probe"}),
    ("evaluation/fitted/imported_probe.py", "of_shape[0].double()", "-of_shape[0].double()", {"import_probe"}),
    ("evaluation/cooked.py", "np.log(len(logits))", "np.log(2)", {"score_runs"}),
    ("model/network.py", "tags[0]].transforms", "tags[-1]].transforms", {"cache_network_logits", "generate_network"}),
    ("features/network.py", "BATCH = 32", "BATCH = 16", {"cache_network_logits"}),
    ("evaluation/scoring.py", "ROWS = 128", "ROWS = 64", {"score_runs", "average_greedily"}),
    ("evaluation/evaluate.py", "ood_rejected) / 2", "ood_rejected) / 3", {"evaluate_runs"}),
    ("metrics/calibration.py", "BINS = 15", "BINS = 16", {"evaluate_runs", "id_figures"}),
    ("metrics/calibration.py", "HOTTEST = 0.01, 100.0", "HOTTEST = 0.01, 10.0", {"score_runs", "average_greedily"}),
    ("metrics/bootstrap.py", "BLOCK = 2**16", "BLOCK = 2**15", {"evaluate_runs"}),
    ("adaptation/adaneg.py", "GROUPS = 5", "GROUPS = 6", {"evaluate_streams", "streams_table", "report_page"}),
    ("adaptation/zpe.py", ") / 2", ") / 3", {"evaluate_streams", "streams_table", "report_page"}),
    ("evaluation/weighted_prompts.py", "ROWS = 128", "ROWS = 64", {"evaluate_streams"}),
    ("features/prompts.py", "total / len(features)", "total", {"prompt_features"}),
    ("evaluation/streams.py", "default_rng(stream.seed)", "default_rng()", {"evaluate_streams"}),
    ("report/tables/streams.py", 'ALL_ORDERS = "all"', 'ALL_ORDERS = "mean"', {"streams_table"}),
    ("data/score_files.py", "scores if named is None", "-scores if named is None", {"import_scores"}),
    ("cli/report.py", "write_ood_table(metrics,", "write_ood_table(metrics[1:],", {"ood_table"}),
    ("report/tables/intervals.py", '"low": 100 * low', '"low": 99 * low', {"tables"}),
    ("report/tables/published.py", "_ROUNDING = 1e-9", "_ROUNDING = 1e-8", {"published_table"}),
    ("report/tables/related.py", "key=is_average", "key=str", {"published_table", "report_page"}),
    ("report/tables/build.py", "float(fixed(row[measure]))", "5 + float(fixed(row[measure]))", {"metrics_summary"}),
    ("report/page/build.py", "MANY = ", "MANY = 1 + ", {"report_page"}),
    ("report/figures/histograms.py", "_BINS = ", "_BINS = 1 + ", {"id_figures"}),
    ("report/figures/roc.py", "_BETWEEN_MARKERS = ", "_BETWEEN_MARKERS = 1 + ", {"id_figures"}),
    ("report/figures/reliability.py", "_HEIGHT = ", "_HEIGHT = 1 + ", {"id_figures"}),
    ("report/figures/intervals.py", "_LEAST = ", "_LEAST = 1 + ", {"id_figures"}),
    ("report/figures/calibration.py", "_WRONG = PALETTE[3]", "_WRONG = PALETTE[2]", {"id_figures"}),
    ("report/figures/backbones.py", "0.6 * style.width", "0.7 * style.width", {"backbones_figure"}),
    ("report/figures/ablations.py", "_CHARACTERS = ", "_CHARACTERS = 1 + ", {"ablations_figure"}),
    ("report/figures/published.py", "_LISTED = ", "_LISTED = 1 + ", {"published_figure"}),
    ("report/figures/similarity.py", "fontsize=5.5", "fontsize=5.6", {"id_figures"}),
    ("report/figures/gallery.py", "COUNT = 12", "COUNT = 13", {"id_figures"}),
    ("report/figures/training.py", "height=2.0", "height=2.1", {"training_figure"}),
]
"""An edit on the way to the result of each rule, and the rules whose own code it is; what follows is re-run, too."""


def codes() -> dict[str, str]:
    """Fingerprint of every rule."""
    fingerprints = Fingerprints(SOURCES)
    found = {name: fingerprints(function_of(words)) for name, _, words in rules() if name not in PROVEN}
    SOURCES.update(fingerprints.sources)
    return found


BEFORE = cache(codes)


@pytest.mark.parametrize(("file", "old", "new", "planned"), MUTATIONS, ids=[name for name, *_ in MUTATIONS])
def test_an_edit_plans_the_rules_whose_result_it_can_change(
    package: Path, file: str, old: str, new: str, planned: set[str]
) -> None:
    before, text = BEFORE(), (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new, 1))
    after = codes()
    assert {name for name in before if after[name] != before[name]} == planned


@pytest.mark.parametrize(
    ("old", "new"), [('"COMPATIBLE"', '"AVX2"'), ("os.environ.update(HELD)", "pass"), ('"MKL_", ', "")]
)
def test_a_change_of_kernels_plans_all_rules_with_code(package: Path, old: str, new: str) -> None:
    # Asked first, as the edit stays.
    before = BEFORE()
    replaced(package / "compute/__init__.py", old, new)()
    after = codes()
    assert all(after[name] != code for name, code in before.items())


def test_only_the_command_line_runs_statements_when_it_is_imported() -> None:
    """They would run for all that imports a module, and count only where something in it is reached."""
    inside = [path for path in module.PACKAGE.rglob("*.py") if path.parent != module.PACKAGE or path.stem != "__init__"]
    running = [path for path in inside if "" in read_source(path.read_text()).definitions]
    assert {path.parent.name for path in running} == {"cli"}


def test_every_rule_has_such_an_edit() -> None:
    assert set[str]().union(*(planned for *_, planned in MUTATIONS)) == BEFORE().keys()
