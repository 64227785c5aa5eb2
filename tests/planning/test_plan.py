"""What a study takes before it runs: jobs as Snakemake counts them, downloads, and a readable page."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from clipn.cli import main as cli
from clipn.errors import ClipnError
from clipn.planning.disk import DiskUsage
from clipn.planning.flops import measure
from clipn.planning.jobs import count_jobs
from clipn.planning.plan import Download, Plan, downloads
from clipn.planning.sizes import StudySizes
from clipn.planning.tables import as_mapping, tables
from clipn.planning.work import Work, work
from clipn.study.config import Study
from clipn.study.loading import load_study
from clipn.study.names import family
from tests.helpers.project import ROOT, Project

STUDIES = sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml"))
SNAKEFILE = """
rule all:
    input:
        expand("{number}.tar", number=range(12))

rule fetch_archive:
    output:
        "{number}.tar"
    shell:
        "exit 1"

if config.get("study") != "mine":
    raise SystemExit("error: another study")
"""


class TestJobs:
    @pytest.fixture(autouse=True)
    def snakefile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A project with a workflow of its own."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "workflow").mkdir()
        snakefile = tmp_path / "workflow/Snakefile"
        snakefile.write_text(SNAKEFILE)
        return snakefile

    def test_are_counted_by_rule_in_the_order_of_snakemake(self) -> None:
        assert list(count_jobs("mine").items()) == [("fetch_archive", 12), ("all", 1)]

    def test_are_asked_for_as_if_nothing_were_there(self) -> None:
        for number in range(12):
            Path(f"{number}.tar").touch()
        assert count_jobs("mine") == {"fetch_archive": 12, "all": 1}

    def test_a_workflow_that_makes_nothing_has_its_target_alone(self, snakefile: Path) -> None:
        snakefile.write_text("rule all:\n    input: []\n")
        assert count_jobs("mine") == {"all": 1}

    def test_a_refusal_is_one_line_with_what_the_workflow_said(self, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(ClipnError, match=r"^snakemake: another study$"):
            count_jobs("other")
        assert capfd.readouterr() == ("", "")

    def test_an_error_of_snakemake_itself_is_one_line(self, snakefile: Path, capfd: pytest.CaptureFixture[str]) -> None:
        snakefile.write_text("rule all:\n    input: 'a.txt'\n")
        with pytest.raises(ClipnError, match=r"^snakemake: Missing input files for rule all: .*a\.txt$"):
            count_jobs("mine")
        assert capfd.readouterr() == ("", "")


class TestDownloads:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def study(self, mirror: Path | None, *archives: dict[str, Any]) -> Study:
        sun = {"title": "SUN", "reader": "flat", "archives": archives}
        imagenet = {"title": "I", "reader": "folders", "folder": "mine"}
        Path("registry.yaml").write_text(yaml.safe_dump({"datasets": {"sun": sun, "imagenet": imagenet}}))
        weights = {"file": "b.safetensors", "addresses": ["https://example.org/b"], "bytes": 9}
        record = {"title": "B", "architecture": "ViT-B-32", "tag": "t", "archive": weights}
        Path("config").mkdir()
        Path("config/weights.yaml").write_text(yaml.safe_dump({"backbones": {"ViT-B-32/t": record}}))
        config = {
            "study": "s",
            "registry": "registry.yaml",
            "mirror": mirror and str(mirror),
            "backbones": {
                "b": {"architecture": "ViT-B-32", "pretrained": "t"},
                "mine": {"architecture": "ViT-B-32", "pretrained": "mine.safetensors"},
            },
            "variants": {"released": {"checkpoints": {1: "x.pt"}}},
            "runs": [{"backbone": "b", "variant": "released", "seeds": [1]}],
            "pairs": {"imagenet": ["sun"]},
        }
        return Study.model_validate(config)

    def test_by_the_way_they_come(self, here: Path) -> None:
        stored = f"downloads/sha256/{'0' * 64}"
        for folder in ("mirror/sun", stored):
            (here / folder).mkdir(parents=True)
        for file in ("mirror/sun/mirrored.tar", "local.tar", "downloads/got.tar", f"{stored}/stored.tar"):
            (here / file).touch()
        study = self.study(
            here / "mirror",
            {"file": "web.tar", "addresses": ["gone.tar", "https://example.org/web.tar"], "bytes": 5},
            {"file": "local.tar", "addresses": ["local.tar"]},
            {"file": "mirrored.tar", "addresses": ["https://example.org/mirrored.tar"]},
            {"file": "stored.tar", "addresses": ["https://example.org/stored.tar"], "sha256": "0" * 64},
            {"file": "got.tar", "manual": "register"},
            {"file": "asked.tar", "manual": "register"},
            {"file": "gone.tar", "addresses": ["gone.tar"]},
        )
        assert list(downloads(study)) == [
            Download("sun", "web.tar", 5, "fetched"),
            Download("sun", "local.tar", None, "copied"),
            Download("sun", "mirrored.tar", None, "linked"),
            Download("sun", "stored.tar", None, "linked"),
            Download("sun", "got.tar", None, "linked", "register"),
            Download("sun", "asked.tar", None, "by hand", "register"),
            Download("sun", "gone.tar", None, "nowhere"),
            Download("ViT-B-32/t", "b.safetensors", 9, "fetched"),
        ]


def plan(arithmetic: str = "portable", **more: Any) -> Plan:
    config = {
        "study": "mine",
        "demo": {},
        "device": "cuda",
        "arithmetic": arithmetic,
        "captions": {"sources": ["cc3m"]},
        "backbones": {"b": {"architecture": "B", "training": {}}},
        "variants": {"learnable": {}},
        "runs": [{"backbone": "b", "variant": "learnable", "seeds": [1]}],
        "pairs": {"imagenet": ["sun"]},
    }
    parts: dict[str, Any] = {
        "study": Study.model_validate(config),
        "jobs": {"fetch_archive": 1200, "all": 1},
        "downloads": [
            Download("sun", "sun.tar", 2_500_000_000, "fetched"),
            Download("places", "places.tar", None, "fetched"),
            Download("imagenet", "val.tar", 6_000_000, "by hand", "register at [image-net.org]"),
            Download("isun", "isun.tar", None, "nowhere"),
        ],
        "crawled": {"cc3m": 3_318_333},
        "disk": [DiskUsage("archives", 2_506_000_000, is_estimate=False), DiskUsage("shards", 10**9)],
        "work": [
            Work("training", "b/learnable, 1 seed", 124.8e12 * 1800, 1_000, "fp16"),
            Work("class texts", "b", 7.8e12 * 0.1),
        ],
        "unknown": ["lsun_crop"],
    }
    return Plan(**parts | more)


def lines(made: Plan) -> list[str]:
    """The page with one blank between words."""
    console = Console(width=300, markup=False)
    with console.capture() as captured:
        console.print(tables(made))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


class TestPage:
    def test_all_of_a_study(self) -> None:
        text = lines(plan())
        assert text[0] == "study mine, device cuda"
        for line in (
            "fetch_archive 1,200",
            "in all 1,201",
            "from the web 2 2.50 GB + 1 unknown sun, places",
            "by hand 1 6.00 MB val.tar: register at [image-net.org]",
            "cannot be fetched 1 1 unknown isun.tar of isun: nothing is at its address; put it into downloads/",
            "crawled 3,318,333 see disk images of cc3m",
            "archives 2.51 GB published",
            "shards 1.00 GB estimate",
            "in all 3.51 GB estimate",
            "work of precision images decoded TFLOP 8 cores A100",
            "training b/learnable, 1 seed fp16 1,000 224,640 10 d 30 min",
            "class texts b fp32 0.78 3 s 0 s",
            "in all 1,000 224,641 10 d 30 min",
            "lsun_crop: the registry does not say how many images, classes, captions or words; these count for nothing",
        ):
            assert line in text

    @pytest.mark.parametrize(
        ("seconds", "text"), [(59, "59 s"), (119 * 60, "119 min"), (47 * 3600, "47 h"), (49 * 3600, "2 d")]
    )
    def test_durations_have_the_unit_that_people_would_use(self, seconds: int, text: str) -> None:
        training = Work("training", "b", 8 * 33e9 * seconds)
        assert any(line.startswith("training") and f" {text} " in line for line in lines(plan(work=[training])))

    def test_what_the_cpu_computes_in_any_case_has_no_hours_of_a_gpu(self) -> None:
        text = lines(plan(work=[Work("test streams", "b", 8 * 33e9 * 59, precision="fp64")]))
        assert "test streams b fp64 15.6 59 s" in text
        assert "What is computed from features, in fp64, is computed on the CPU whatever the device." in text
        assert not any("in fp64" in line for line in lines(plan()))

    def test_the_fastest_kernels_take_less_time(self) -> None:
        found = as_mapping(plan(arithmetic="fast"))
        assert found["work"][0]["cpu_hours"] * 8 * 70e9 * 3600 == pytest.approx(found["work"][0]["operations"])

    def test_a_study_that_fetches_nothing(self) -> None:
        assert "downloads" not in lines(plan(downloads=[], crawled={}))

    def test_as_json(self) -> None:
        found = json.loads(json.dumps(as_mapping(plan())))
        assert found["jobs"] == {"total": 1201, "rules": {"fetch_archive": 1200, "all": 1}}
        assert found["downloads"][2]["manual"] == "register at [image-net.org]"
        assert found["disk"][1] == {"what": "shards", "bytes": 10**9, "is_estimate": True}
        assert found["work"][0]["gpu_hours"] == pytest.approx(0.5)
        assert found["work"][0]["cpu_hours"] * found["assumed"]["cores"] * found["assumed"]["core"] == pytest.approx(
            found["work"][0]["operations"] / 3600
        )
        assert found["assumed"]["peak"]["fp16"] * found["assumed"]["sustained"] == pytest.approx(124.8e12)


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_of_the_project_have_work_of_every_kind_that_they_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = load_study(name)
    costs = {key: measure(backbone.architecture, 20) for key, backbone in study.backbones.items()}
    parts = work(study, StudySizes(study), costs)
    trained = [run for run in study.trained_runs if study.variants[run.variant].model_dump()["epochs"]]
    assert sum(part.kind == "training" for part in parts) == len(trained)
    assert sum(part.kind == "image features" for part in parts) == len(set(map(family, study.backbones)))
    assert StudySizes(study).unknown == []


def test_configuration_is_read_as_snakemake_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project.create(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    Path("config/config.yaml").write_text("study: demo\nthreads: 7\nworkers: 3\n")
    Path("config/studies/mine.yaml").write_text(f"{Path('config/studies/real.yaml').read_text()}\nworkers: 5\n")
    study = load_study("mine")
    assert (study.study, study.threads, study.workers) == ("mine", 7, 5)


def test_a_study_that_is_no_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config/studies").mkdir(parents=True)
    Path("config/studies/mine.yaml").write_text("a: [")
    with pytest.raises(ClipnError, match=r"^config/studies/mine.yaml: not valid YAML"):
        load_study("mine")


def test_a_study_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["clipn", "study", "plan", "mine"])
    with pytest.raises(SystemExit, match="1"):
        cli.main()
    assert capsys.readouterr().err.startswith("error: config/studies/mine.yaml: no such study")


@pytest.mark.workflow
def test_the_command_asks_the_workflow(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    found = json.loads(project.clipn("study", "plan", "released", "--json").text)
    jobs = found["jobs"]["rules"]
    assert (jobs["import_checkpoint"], jobs["all"]) == (3, 1)
    assert found["jobs"]["total"] == sum(jobs.values())
    assert {file["file"] for file in found["downloads"] if file["way"] == "by hand"} >= {"ILSVRC2012_img_val.tar"}
    assert {part["kind"] for part in found["work"]} == {"image features", "class texts"}
    assert not (project.folder / "results").exists()
