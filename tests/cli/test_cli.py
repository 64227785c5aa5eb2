"""The command line as a person meets it: a mistake is one line and status 1, and nothing is half-written."""

import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from typer.testing import CliRunner

from benchmarks.demo import used
from clipn.cli import main as cli
from clipn.files import write_json
from tests.helpers.report_runs import BASELINE


@pytest.fixture
def clipn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command in an empty folder; returns its status and its lines on standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[object, list[str]]:
        monkeypatch.setattr("sys.argv", ["clipn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err.splitlines()

    return run


def registry(folder: Path, **archive: object) -> Path:
    image = {"file": "i.tar.gz", "addresses": ["source.tar.gz"], **archive}
    captions = {"title": "C", "reader": "cc3m", "captions": {"file": "c.tsv"}, "images": [image]}
    records = {
        "datasets": {"sun": {"title": "SUN", "reader": "flat", "archives": [image]}},
        "captions": {"cc3m": captions},
    }
    path = folder / "registry.yaml"
    path.write_text(yaml.safe_dump(records))
    return path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()} - {"registry.yaml", "source.tar.gz", "job.log"}


def test_a_missing_archive(clipn: Any, tmp_path: Path) -> None:
    path = registry(tmp_path)
    status, lines = clipn("data", "fetch", "sun", "--file", "i.tar.gz", "--registry", path, "--archives", tmp_path)
    assert status == 1
    assert lines == [
        "error: i.tar.gz: source.tar.gz: no such file; put it at downloads/i.tar.gz or correct the registry"
    ]
    assert left(tmp_path) == set()


def test_an_error_is_one_line_whatever_is_in_it(clipn: Any) -> None:
    expected = "error: a [31m b: no such file or folder, nor does the pattern fit any; check the path"
    assert clipn("detect", "--classes", "cat,dog", "--model", "m", "a\x1b[31m\nb") == (1, [expected])


def test_a_wrong_checksum(clipn: Any, tmp_path: Path) -> None:
    (tmp_path / "source.tar.gz").write_bytes(b"abc")
    path = registry(tmp_path, sha256="0" * 64)
    status, lines = clipn("data", "fetch", "sun", "--file", "i.tar.gz", "--registry", path, "--archives", tmp_path)
    assert status == 1
    assert len(lines) == 1
    assert "wrong checksum: sha256 is ba7816bf" in lines[0]
    assert left(tmp_path) == set()


def test_an_empty_caption_file(clipn: Any, tmp_path: Path) -> None:
    (tmp_path / "archives" / "cc3m").mkdir(parents=True)
    (tmp_path / "archives" / "cc3m" / "c.tsv").touch()
    files = ("--output", tmp_path / "c.parquet", "--statistics", tmp_path / "s.json")
    status, lines = clipn(
        "captions", "cc3m", "--registry", registry(tmp_path), "--archives", tmp_path / "archives", *files
    )
    assert status == 1
    assert lines == [f"error: {tmp_path}/archives/cc3m/c.tsv: holds no caption; fetch it again"]
    assert left(tmp_path) == {"c.tsv"}


def test_an_unknown_dataset_and_an_unknown_backbone(clipn: Any, tmp_path: Path) -> None:
    path = registry(tmp_path)
    assert clipn("data", "fetch", "moon", "--registry", path, "--archives", tmp_path) == (
        1,
        [f"error: {path}: no dataset or caption source 'moon'; it has sun, cc3m"],
    )
    status, lines = clipn(
        "backbone", "import", "w.pt", "--name", "b", "--architecture", "ViT-B-99", "--output", tmp_path / "b"
    )
    assert status == 1
    assert lines == [
        "error: architecture: open_clip has no 'ViT-B-99'; name one of open_clip.list_models() or a .json file"
    ]
    assert left(tmp_path) == set()


def weights(folder: Path, **archive: object) -> Path:
    record = {"title": "W", "architecture": "ViT-B-16", "archive": {"file": "w.pt", **archive}}
    path = folder / "registry.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": {"run1": record}}))
    return path


def test_weights_are_fetched_and_proven(clipn: Any, tmp_path: Path) -> None:
    (tmp_path / "source.tar.gz").write_bytes(b"abc")
    path = weights(tmp_path, addresses=["source.tar.gz"], bytes=3)
    fetch = ("weights", "fetch", "run1", "--registry", path, "--output", tmp_path / "w.pt")
    assert clipn(*fetch) == (0, [])
    assert (tmp_path / "w.pt").read_bytes() == b"abc"
    weights(tmp_path, addresses=["source.tar.gz"], bytes=4)
    status, lines = clipn(*fetch)
    assert status == 1
    assert lines == [
        "error: w.pt: source.tar.gz: has 3 bytes, expected 4; put it at downloads/w.pt or correct the registry"
    ]


def test_weights_that_come_by_hand_and_unknown_ones(clipn: Any, tmp_path: Path) -> None:
    path = weights(tmp_path, manual="open the folder")
    assert clipn("weights", "fetch", "run1", "--registry", path, "--output", tmp_path / "w.pt") == (
        1,
        ["error: w.pt: may not be fetched by a program; put it at downloads/w.pt: open the folder"],
    )
    assert clipn("weights", "fetch", "run9", "--registry", path, "--output", tmp_path / "w.pt") == (
        1,
        [f"error: {path}: no weights 'run9'; it has run1"],
    )
    assert left(tmp_path) == set()


def test_imports_of_files_that_are_not_what_they_should_be(clipn: Any, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"rubbish")
    rest = ("--output", tmp_path / "o.safetensors")
    complaint = f"error: {tmp_path}/w.pt: not a whole weight file (IndexError); get it again"
    assert clipn("checkpoint", "import", tmp_path / "w.pt", "--backbone", "ViT-B-16", *rest) == (1, [complaint])
    status, lines = clipn("checkpoint", "import", tmp_path / "absent.pt", "--backbone", "ViT-B-16", *rest)
    assert status == 1
    assert lines[0].startswith(f"error: {tmp_path}/absent.pt: no such file; ")
    assert left(tmp_path) == {"w.pt"}


def test_a_bad_value_names_its_option(clipn: Any, tmp_path: Path) -> None:
    status, lines = clipn("demo-data", tmp_path, "--captions", "0")
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith("error: --captions: ")


def summary(folder: Path) -> tuple[object, ...]:
    return ("report", "summary", folder / "m.json", "--id", "pets", "--output", folder / "summary")


@pytest.fixture
def usage(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process took 1.75 CPU seconds and 2 MiB, its children 2 and 4."""
    own = SimpleNamespace(ru_utime=1.5, ru_stime=0.25, ru_maxrss=2048)
    of_children = SimpleNamespace(ru_utime=1.5, ru_stime=0.5, ru_maxrss=4096)
    of = {resource.RUSAGE_SELF: own, resource.RUSAGE_CHILDREN: of_children}
    monkeypatch.setattr(resource, "getrusage", of.__getitem__)


def test_a_log_alone_holds_command_and_error(clipn: Any, tmp_path: Path) -> None:
    assert clipn("--log", tmp_path / "job.log", *summary(tmp_path)) == (1, [])
    first, *_, error = (tmp_path / "job.log").read_text().splitlines()
    assert first.startswith("clipn --log ")
    assert error.startswith(f"error: {tmp_path}/m.json: no such file; ")


@pytest.mark.usefixtures("usage")
def test_what_jobs_used_is_found_again_in_their_logs(clipn: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", BASELINE)
    for log in ("summary.log", "train/1.log", "train/2.log"):
        assert clipn("--log", tmp_path / "logs" / log, *summary(tmp_path)) == (0, [])
        assert (tmp_path / "logs" / log).read_text().splitlines()[-1] == "used: 3.75 CPU seconds, 4 MiB of memory"
    (tmp_path / "logs/other.log").write_text("clipn\nused: nothing to speak of\n")
    jobs = used(tmp_path / "logs")
    assert jobs == {"summary": [(3.75, 4)], "train": [(3.75, 4), (3.75, 4)]}


@pytest.mark.parametrize(
    ("ending", "status", "last"), [(KeyboardInterrupt, 130, "interrupted"), (ValueError("odd"), 1, "ValueError: odd")]
)
def test_a_log_alone_holds_how_a_command_ended(
    ending: Any, status: int, last: str, clipn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipn.report.tables.build.write_summary", Mock(side_effect=ending))
    assert clipn("--log", tmp_path / "job.log", *summary(tmp_path)) == (status, [])
    assert (tmp_path / "job.log").read_text().splitlines()[-1] == last


def test_a_command_that_succeeds_says_nothing_but_writes(clipn: Any, tmp_path: Path) -> None:
    write_json(tmp_path / "m.json", BASELINE)
    assert clipn(*summary(tmp_path)) == (0, [])
    assert (tmp_path / "summary/pets.json").read_text() == "{}\n"


def test_a_folder_in_place_of_a_file_is_no_traceback(clipn: Any, tmp_path: Path) -> None:
    (tmp_path / "summary/pets.json").mkdir(parents=True)
    write_json(tmp_path / "m.json", BASELINE)
    status, lines = clipn(*summary(tmp_path))
    assert status == 1
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["data", "list"], "config/datasets.yaml: no such file"),
        (["data", "verify"], "config/datasets.yaml: no such file"),
        (["study", "plan", "paper"], "config/studies/paper.yaml: no such study, nor any other"),
        (["study", "plan", "config/studies/paper.yaml"], "config/studies/paper.yaml: no such study, nor any other"),
        (["why", "all"], "workflow/Snakefile: no such file"),
        (["accept", "all"], "workflow/Snakefile: no such file"),
    ],
)
def test_outside_a_project_they_say_where_to_go(clipn: Any, arguments: list[str], file: str) -> None:
    status, lines = clipn(*arguments)
    assert status == 1
    assert lines[-1].startswith(f"error: {file}; go to the project's folder")


GDA = "tiny/gda-4shot-alpha1.0"


@pytest.mark.parametrize(
    ("scoring", "fits"),
    [
        (f"{GDA}/single/seed1", ()),
        (f"{GDA}/single/seed1", ("--fit", f"{GDA}/seed2:cifar10")),
        (f"{GDA}/single/seed1", ("--fit", f"{GDA}/seed1:imagenet")),
        ("tiny/none/single/seed0", ("--fit", "tiny/none/seed0:cifar10")),
    ],
)
def test_what_is_fitted_is_told_with_its_id_datasets_and_nothing_else_is(
    clipn: Any, tmp_path: Path, scoring: str, fits: tuple[str, ...]
) -> None:
    folders = [word for name in ("datasets", "features", "classifiers", "output") for word in (f"--{name}", tmp_path)]
    status, lines = clipn("score", f"{scoring}:msp", "--pair", "cifar10:sun", *fits, *folders)
    text = f"error: SCORINGS {scoring!r}: gda-... and cooked-... and no other need --fit, with ID datasets of --pair"
    assert (status, lines) == (1, [text])


@pytest.mark.parametrize("shots", ["1", "0", "-4", "few", "1.5"])
def test_shots_are_a_whole_number_or_all(clipn: Any, tmp_path: Path, shots: str) -> None:
    options = ("--train", "t", "--datasets", tmp_path, "--features", tmp_path, "--output", tmp_path / "fit")
    text = f"error: --shots {shots!r}: give a whole number of 2 or more, or `all`"
    assert clipn("fit", "cifar10", *options, "--shots", shots) == (1, [text])


def test_a_probe_is_content_with_one_image_of_a_class(clipn: Any, tmp_path: Path) -> None:
    options = ("--train", "t", "--datasets", tmp_path, "--features", tmp_path, "--output", tmp_path / "fit")
    text = "error: --shots '0': give a whole number of 1 or more, or `all`"
    assert clipn("fit-probe", "cifar10", *options, "--shots", "0") == (1, [text])


@pytest.mark.parametrize("alpha", ["0.0", "-1.0", "nan", "1e+308"])
def test_the_weight_of_a_fit_is_one_that_a_study_may_have(clipn: Any, tmp_path: Path, alpha: str) -> None:
    options = ("--train", "t", "--datasets", tmp_path, "--features", tmp_path, "--output", tmp_path / "fit")
    text = f"error: --alpha {alpha}: give a positive number up to 1,000,000"
    assert clipn("fit", "cifar10", *options, "--alpha", alpha) == (1, [text])


def test_shells_complete_the_commands_of_a_group() -> None:
    typed = {"_CLIPN_COMPLETE": "complete_bash", "COMP_WORDS": "clipn data ", "COMP_CWORD": "2"}
    completed = CliRunner().invoke(cli.app, env=typed, prog_name="clipn").output
    assert {"list", "fetch", "verify"} <= {*completed.split()}
