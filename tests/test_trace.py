"""The way back from a table: every file, its job, its hash now, and what no longer agrees."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from clipn import cli
from clipn import trace as module
from clipn.errors import ClipnError
from clipn.trace import trace
from clipn.trace_tree import nested, summary, tree
from tests.records import Made, record_file, sha256

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
    fetch = {"shellcmd": "clipn data fetch sun --registry config/datasets.yaml", "params": ["'00000000deadbeef'"]}
    archive = made.make("study/archives/sun.tar", "fetch_archive", **fetch)
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


def test_a_file_made_anew_is_said_to_differ_where_the_old_one_was_read(made: Made) -> None:
    made.make(FEATURES, "cache_image_features", "study/archives/sun.tar", content="new")
    made.make(scores(1), "score_run", "study/backbone.safetensors", FEATURES)
    made.make(metrics(1), "evaluate_run", scores(1))
    then = f"was {short(FEATURES)} when score_run read it"
    text = lines(made)
    assert f"{FEATURES}  cache_image_features  {short('new')}" in text
    assert f"{FEATURES}  see above  {then}" in text


def test_a_missing_file(made: Made) -> None:
    (made.root / scores(2)).unlink()
    assert f"{scores(2)}  score_run  missing  was {short(scores(2))} when evaluate_run read it" in lines(made)


def test_a_job_that_has_not_ended(made: Made) -> None:
    marker = record_file(made.root / ".snakemake/incomplete", FEATURES)
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert trace(Path(TABLE), made.root)[FEATURES].faults == ["its job has not ended"]


def test_an_edited_copy(made: Made) -> None:
    made.write(TABLE, "prettier figures")
    assert lines(made)[0] == f"{TABLE}  publish  {short('prettier figures')}  is not the copy that was made"


def test_an_archive_that_is_not_the_proven_one(made: Made) -> None:
    describe(made, "study/archives/sun.tar", "f" * 64)
    archive = trace(Path(TABLE), made.root)["study/archives/sun.tar"]
    assert archive.faults == ["is not the archive that was proven, ffffffffffff"]


def test_a_damaged_description_proves_nothing(made: Made) -> None:
    made.write("study/datasets/sun/dataset.json", "{")
    assert trace(Path(TABLE), made.root)["study/archives/sun.tar"].proof is None


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


class TestLargeFiles:
    """They are not read where their date vouches for a recorded hash."""

    @pytest.fixture(autouse=True)
    def every_file_is_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "READ_ALWAYS", 0)

    def alter(self, made: Made, *, dated: float) -> str | None:
        made.write(FEATURES, "altered")
        os.utime(made.root / FEATURES, (dated, dated))
        return trace(Path(TABLE), made.root)[FEATURES].sha256

    def date(self, made: Made) -> float:
        return (made.root / FEATURES).stat().st_mtime

    def test_untouched(self, made: Made) -> None:
        assert self.alter(made, dated=self.date(made)) == sha256(FEATURES)

    @pytest.mark.parametrize("seconds", [-1, 1])
    def test_touched(self, made: Made, seconds: int) -> None:
        assert self.alter(made, dated=self.date(made) + seconds) == sha256("altered")

    def test_a_hash_recorded_before_the_file_was_made_anew_is_not_taken(self, made: Made) -> None:
        made.make(FEATURES, "cache_image_features", "study/archives/sun.tar", content="new")
        assert trace(Path(TABLE), made.root)[FEATURES].sha256 == sha256("new")

    def test_a_link_to_a_file_that_changed(self, made: Made) -> None:
        date = self.date(made)
        made.write("elsewhere", "altered")
        (made.root / FEATURES).unlink()
        (made.root / FEATURES).symlink_to(made.root / "elsewhere")
        os.utime(made.root / FEATURES, (date, date), follow_symlinks=False)
        assert trace(Path(TABLE), made.root)[FEATURES].sha256 == sha256("altered")


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
        "faults": [],
        "rule": "score_run",
        "shell": "clipn score_run",
        "code": None,
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
