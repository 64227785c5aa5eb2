"""The way back from a table: every file, its job, its hash now, and what no longer agrees."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from clipn.cli import main as cli
from clipn.errors import ClipnError
from clipn.provenance.records import read_records, write_record
from clipn.provenance.state import hash_cache
from clipn.provenance.trace import trace
from clipn.provenance.trace_tree import nested, summary, tree
from tests.helpers.records import TABLE as COPY
from tests.helpers.records import Made, files_of, home, sha256

TABLE = "results/tables/imagenet_ood.csv"
OWN_TABLE = "study/tables/imagenet_ood.csv"
ADDRESS = "https://example.org/sun.tar"
FEATURES = "study/features/sun.safetensors"


def metrics(seed: int) -> str:
    return f"study/metrics/seed{seed}.json"


def scores(seed: int) -> str:
    return f"study/scores/seed{seed}.parquet"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A table of three runs on one dataset."""
    made = Made(tmp_path)
    sun = {"title": "SUN", "reader": "flat", "archives": [{"file": "sun.tar", "addresses": [ADDRESS]}]}
    made.write("config/datasets.yaml", yaml.safe_dump({"datasets": {"sun": sun}}))
    shell, params = "clipn data fetch sun --registry config/datasets.yaml", ["'00000000deadbeef'"]
    archive = made.make("study/archives/sun.tar", "fetch_archive", shellcmd=shell, params=params)
    describe(made, archive, sha256(archive))
    features = made.make(FEATURES, "cache_image_features", archive)
    made.write("own_weights.pt", "weights")
    backbone = made.make("study/backbone.safetensors", "import_backbone", "own_weights.pt")
    for seed in (1, 2, 3):
        made.make(scores(seed), "score_run", backbone, features)
        made.make(metrics(seed), "evaluate_run", scores(seed))
    made.make(OWN_TABLE, "ood_table", *map(metrics, (1, 2, 3)), "study/datasets/sun/dataset.json")
    made.make(TABLE, "publish", OWN_TABLE, content=OWN_TABLE, shellcmd=f"cp {OWN_TABLE} {TABLE}")
    return made


def describe(made: Made, archive: str, digest: str) -> None:
    found = {"title": "SUN", "classes": [], "archives": {"sun.tar": digest}, "proof": {"sun.tar": "unverified"}}
    text = json.dumps({**found, "names": "verified", "images": 40})
    made.make("study/datasets/sun/dataset.json", "verify_dataset", archive, content=text)


def note_hashes(made: Made) -> None:
    """Note the hashes of all files, as a check does."""
    for path, record in read_records(made.root).items():
        write_record(made.root, path, replace(record, sha256=sha256((made.root / path).read_text())))


def lines(made: Made, everything: bool = False) -> list[str]:
    """The tree as text, without its lines."""
    console = Console(width=500)
    files = trace(Path(TABLE), made.root)
    with console.capture() as captured:
        console.print(tree(files, TABLE, everything))
    return [line.lstrip("│├└─ ") for line in captured.get().splitlines()]


def short(content: str) -> str:
    return sha256(content)[:12]


def test_the_way_of_a_table(made: Made) -> None:
    assert lines(made) == [
        f"{TABLE}  publish  {short(OWN_TABLE)}",
        f"{OWN_TABLE}  ood_table  {short(OWN_TABLE)}",
        f"{metrics(1)}  evaluate_run  {short(metrics(1))}",
        f"{scores(1)}  score_run  {short(scores(1))}",
        f"study/backbone.safetensors  import_backbone  {short('study/backbone.safetensors')}",
        f"own_weights.pt  not made by a rule  {short('weights')}",
        f"{FEATURES}  cache_image_features  {short(FEATURES)}",
        f"study/archives/sun.tar  fetch_archive  {short('study/archives/sun.tar')}  unverified  from {ADDRESS}",
        "and 2 more by evaluate_run: seed2.json, seed3.json",
        "study/datasets/sun/dataset.json  verify_dataset  "
        + sha256((made.root / "study/datasets/sun/dataset.json").read_text())[:12],
        "study/archives/sun.tar  see above",
    ]
    assert summary(trace(Path(TABLE), made.root)) == "13 files; archives: 1 unverified; no faults"


def test_all_files_each_written_out_once(made: Made) -> None:
    written = [line.split("  ")[0] for line in lines(made, everything=True) if "see above" not in line]
    assert sorted(written) == sorted(trace(Path(TABLE), made.root))
    assert lines(made, everything=True).count(f"{FEATURES}  see above") == 2


def test_inputs_of_one_rule_made_from_other_kinds_of_files_are_kept_apart(made: Made) -> None:
    made.make(scores(3), "score_run", FEATURES)
    made.make(metrics(3), "evaluate_run", scores(3))
    made.make(OWN_TABLE, "ood_table", *map(metrics, (1, 2, 3)))
    text = lines(made)
    assert "and 1 more by evaluate_run: seed2.json" in text
    assert any(line.startswith(metrics(3)) for line in text)


def test_more_files_than_are_named(made: Made) -> None:
    for seed in range(4, 8):
        made.make(scores(seed), "score_run", "study/backbone.safetensors", FEATURES)
        made.make(metrics(seed), "evaluate_run", scores(seed))
    made.make(OWN_TABLE, "ood_table", *map(metrics, range(1, 8)))
    assert "and 6 more by evaluate_run: seed2.json, seed3.json, seed4.json, ..." in lines(made)


def test_a_file_that_changed_since_it_was_read_is_shown_though_others_are_like_it(made: Made) -> None:
    made.write(scores(3), "edited")
    then = f"was {short(scores(3))} when evaluate_run read it"
    text = lines(made)
    assert f"{scores(3)}  score_run  {short('edited')}  {then}" in text
    assert "and 1 more by evaluate_run: seed2.json" in text
    assert summary(trace(Path(TABLE), made.root)).endswith("; 1 fault")


def test_a_rebuilt_file_is_said_to_differ_where_the_old_one_was_read(made: Made) -> None:
    made.make(FEATURES, "cache_image_features", "study/archives/sun.tar", content="new")
    made.make(scores(1), "score_run", "study/backbone.safetensors", FEATURES)
    made.make(metrics(1), "evaluate_run", scores(1))
    then = f"was {short(FEATURES)} when score_run read it"
    text = lines(made)
    assert f"{FEATURES}  cache_image_features  {short('new')}" in text
    assert f"{FEATURES}  see above  {then}" in text


def test_a_file_that_was_never_hashed_and_that_is_gone_is_missing(made: Made) -> None:
    (made.root / scores(2)).unlink()
    files = trace(Path(TABLE), made.root)
    assert (files[scores(2)].faults, files[scores(2)].sha256) == (["missing"], None)
    assert any(line.startswith(scores(2)) and "  missing  " in line for line in lines(made))
    assert summary(files) == "13 files; archives: 1 unverified; 1 fault"


def test_a_source_that_is_gone_is_missing(made: Made) -> None:
    (made.root / "own_weights.pt").unlink()
    assert trace(Path(TABLE), made.root)["own_weights.pt"].faults == ["missing"]


def test_a_file_that_is_gone_and_whose_hash_is_recorded_is_no_fault(made: Made) -> None:
    note_hashes(made)
    (made.root / FEATURES).unlink()
    files = trace(Path(TABLE), made.root)
    assert files[FEATURES].sha256 == sha256(FEATURES)
    assert f"{FEATURES}  cache_image_features  {short(FEATURES)}  not here" in lines(made)
    assert summary(files) == "13 files, 1 of them not here; archives: 1 unverified; no faults"


def test_a_file_that_is_gone_and_was_rebuilt_before_differs_where_the_old_one_was_read(made: Made) -> None:
    made.make(FEATURES, "cache_image_features", "study/archives/sun.tar", content="new")
    note_hashes(made)
    (made.root / FEATURES).unlink()
    assert trace(Path(TABLE), made.root)[scores(1)].changed == {FEATURES: sha256(FEATURES)}


def test_an_edited_file(made: Made) -> None:
    note_hashes(made)
    made.write(FEATURES, "edited")
    assert trace(Path(TABLE), made.root)[FEATURES].faults == [f"is not as it was made, {short(FEATURES)}"]


def test_an_edited_table(made: Made) -> None:
    note_hashes(made)
    made.write(TABLE, "prettier figures")
    assert lines(made)[0] == f"{TABLE}  publish  {short('prettier figures')}  is not as it was made, {short(OWN_TABLE)}"


def test_what_was_accepted_is_shown(made: Made) -> None:
    made.make(scores(1), "score_run", FEATURES, accepted=["module clipn/scores.py", "setting seed: 1 -> 2"])
    accepted = "accepted: module clipn/scores.py  accepted: setting seed: 1 -> 2"
    assert f"{scores(1)}  score_run  {short(scores(1))}  {accepted}" in lines(made)


def test_an_accepted_file_is_shown_though_others_are_like_it_and_is_counted(made: Made) -> None:
    made.make(scores(3), "score_run", "study/backbone.safetensors", FEATURES, accepted=["module clipn/scores.py"])
    text = lines(made)
    assert f"{scores(3)}  score_run  {short(scores(3))}  accepted: module clipn/scores.py" in text
    assert "and 1 more by evaluate_run: seed2.json" in text
    assert summary(trace(Path(TABLE), made.root)) == "13 files, 1 accepted; archives: 1 unverified; no faults"


def test_a_job_that_has_not_ended(made: Made) -> None:
    made.begin(FEATURES)
    assert trace(Path(TABLE), made.root)[FEATURES].faults == ["its job has not ended"]


def test_an_archive_that_is_not_the_proven_one(made: Made) -> None:
    describe(made, "study/archives/sun.tar", "f" * 64)
    archive = trace(Path(TABLE), made.root)["study/archives/sun.tar"]
    assert archive.faults == ["is not the archive that was proven, ffffffffffff"]


def test_a_damaged_description_proves_nothing(made: Made) -> None:
    made.write("study/datasets/sun/dataset.json", "{")
    assert trace(Path(TABLE), made.root)["study/archives/sun.tar"].verification is None


def test_weights_come_from_their_registry(made: Made) -> None:
    archive = {"file": "b.safetensors", "manual": "ask the authors"}
    record = {"title": "B", "architecture": "ViT-B-32", "tag": "t", "archive": archive}
    made.write("config/weights.yaml", yaml.safe_dump({"backbones": {"ViT-B-32/t": record}}))
    shell = "clipn weights fetch ViT-B-32/t --registry config/weights.yaml"
    weights = made.make("study/weights/b.safetensors", "fetch_weights", shellcmd=shell)
    assert trace(Path(weights), made.root)[weights].origin == "ask the authors"


@pytest.mark.parametrize("registry", ["gone.yaml", "config/datasets.yaml"])
def test_no_origin_without_a_record_in_the_registry(made: Made, registry: str) -> None:
    file = made.make("other.tar", "fetch_archive", shellcmd=f"clipn data fetch other --registry {registry}")
    assert trace(Path(file), made.root)[file].origin is None


# Results that travelled


@pytest.fixture
def travelled(tmp_path: Path) -> Made:
    """A study on a machine that it travelled to, where nothing was made."""
    made = Made.demo(tmp_path / "here")
    made.check()
    return made.copied_to(tmp_path / "elsewhere")


def test_records_that_travelled_are_enough(travelled: Made, tmp_path: Path) -> None:
    here, there = (nested(trace(Path(COPY), root), COPY) for root in (tmp_path / "here", travelled.root))
    assert there == here
    assert summary(trace(Path(COPY), travelled.root)) == "6 files; archives: none proven; no faults"


def test_a_table_can_be_traced_without_all_that_it_was_made_from(travelled: Made) -> None:
    archive, names, images, _, table, _ = files_of("demo")
    for path in (archive, names, images, table):
        (travelled.root / path).unlink()
    files = trace(Path(COPY), travelled.root)
    assert [files[path].sha256 for path in (archive, names)] == [sha256(archive), sha256(names)]
    assert summary(files) == "6 files, 4 of them not here; archives: none proven; no faults"


def test_a_damaged_file_of_records(travelled: Made) -> None:
    file = travelled.root / home("demo") / "provenance/report.jsonl"
    file.write_text("{")
    with pytest.raises(ClipnError, match=r"report\.jsonl: is no file of records; get it back with `dvc checkout"):
        trace(Path(COPY), travelled.root)


def test_files_that_a_check_has_hashed_are_not_read_again(travelled: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    travelled.check()
    travelled.check()
    monkeypatch.setattr(hash_cache, "file_hash", lambda path: pytest.fail(f"{path} was read"))
    assert len(trace(Path(COPY), travelled.root)) == 6


def test_the_same_as_json(made: Made) -> None:
    made.write(scores(3), "edited")
    root = nested(trace(Path(TABLE), made.root), TABLE)
    own = root["inputs"][0]
    evaluation = own["inputs"][2]
    assert {key: root[key] for key in ("path", "rule", "sha256", "recorded", "code")} == {
        "path": TABLE,
        "rule": "publish",
        "sha256": sha256(OWN_TABLE),
        "recorded": None,
        "code": None,
    }
    assert [file["path"] for file in own["inputs"]] == [*map(metrics, (1, 2, 3)), "study/datasets/sun/dataset.json"]
    assert evaluation["inputs"][0] | {"inputs": []} == {
        "path": scores(3),
        "sha256": sha256("edited"),
        "recorded": sha256(scores(3)),
        "above": False,
        "here": True,
        "faults": [],
        "rule": "score_run",
        "shell": "clipn score_run",
        "code": None,
        "made_with": None,
        "accepted": [],
        "inputs": [],
    }
    archive = own["inputs"][0]["inputs"][0]["inputs"][1]["inputs"][0]
    assert (archive["origin"], archive["proof"], archive["code"]) == (ADDRESS, "unverified", "00000000deadbeef")
    again = own["inputs"][3]["inputs"][0]
    assert again == {"path": archive["path"], "sha256": archive["sha256"], "recorded": archive["sha256"], "above": True}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("../x.csv", r"\.\./x\.csv: is outside this folder; run `clipn trace` in the project that made it"),
        ("results/tables/imagenet.csv", "make it with `snakemake results/tables/imagenet.csv`, or .*" + TABLE),
    ],
)
def test_files_without_a_record(made: Made, target: str, message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        trace(Path(target), made.root)


def test_a_folder_in_which_nothing_was_made(tmp_path: Path) -> None:
    with pytest.raises(
        ClipnError, match=r"metadata: no record of any job; go to the project's folder, or run `snakemake x.csv`"
    ):
        trace(Path("x.csv"), tmp_path)


@pytest.mark.parametrize("way", ["relative", "absolute", "roundabout"])
def test_the_command(made: Made, way: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    target = {"relative": TABLE, "absolute": made.root / TABLE, "roundabout": f"study/../{TABLE}"}[way]
    monkeypatch.chdir(made.root)
    monkeypatch.setattr("sys.argv", ["clipn", "trace", str(target)])
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    text = capsys.readouterr().out.splitlines()
    assert text[0] == f"{TABLE}  publish  {short(OWN_TABLE)}"
    assert text[-1] == "13 files; archives: 1 unverified; no faults"
