"""The rules, as far as they can be seen through without running them."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.helpers.project import ROOT, Project, succeeded
from tests.helpers.tiny_dataset import write_files

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create(tmp_path_factory.mktemp("plans") / "project")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.create_reduced(tmp_path_factory.mktemp("plans") / "project")


def test_lint_finds_nothing(project: Project) -> None:
    outcome = succeeded(project.run("snakemake", "--lint"))
    assert "Congratulations, your workflow is in a good condition!" in outcome.text


PLANNED = {
    # Four backbones, three ID datasets, 46 runs; those of a backbone are scored, evaluated and drawn in one job each.
    "paper": {
        "import_backbone": 4,
        "cache_image_features": 4 * 10,
        "negative_labels": 4,
        "perturbed_features": 4 * 3,
        "train_clipn": 46,
        "encode_classes": 4,
        "score_runs": 4,
        "evaluate_runs": 4,
        "id_figures": 3 * 4,
        "backbones_figure": 3,
        "ablations_figure": 3,
        "published_figure": 1,
        "publish_ood_table": 3,
        "publish_tables": 1,
        "publish_figures_of_taught": 2,
        "publish_figures_of_plain": 2,
        "publish_figures": 1,
        "publish_page": 1,
    },
    # Two backbones, two ID datasets and four runs.
    "cifar": {
        "import_backbone": 2,
        "cache_image_features": 2 * 5,
        "train_clipn": 4,
        "encode_classes": 2,
        "score_runs": 2,
        "evaluate_runs": 2,
        "id_figures": 2 * 2,
        "backbones_figure": 2,
    },
    # Three trainings on one locked tower, which encodes all images, and a run of three variants on each; figures are
    # drawn of the first.
    "real": {
        "import_image_tower": 1,
        "cache_tower_features": 1,
        "train_backbone": 3,
        "project_image_features": 3,
        "project_caption_images": 3,
        "cache_small_image_features": 0,
        "cache_image_features": 0,
        "train_clipn": 9,
        "score_runs": 3,
        "evaluate_runs": 3,
        "id_figures": 2,
        "backbones_figure": 0,
    },
    # Two backbones, an ID dataset and five OOD sets of a protocol of its own, three lists among the archives.
    "openood": {
        "fetch_archive": 10,
        "verify_dataset": 6,
        "import_backbone": 2,
        "cache_image_features": 2 * 6,
        "negative_labels": 2,
        "score_runs": 2,
        "evaluate_runs": 2,
        "id_figures": 2,
        "own_ood_table": 1,
        "published_figure": 1,
    },
    # A world of its own, with the features of every method, a soup and two fits of either kind, and a network.
    "comparators": {
        "generate_demo": 1,
        "verify_dataset": 9,
        "train_backbone": 1,
        "cache_small_image_features": 1,
        "cache_caption_images": 1,
        "negative_labels": 1,
        "perturbed_features": 2,
        "local_features": 2,
        "prompt_features": 1,
        "generate_network": 1,
        "cache_network_logits": 3,
        "fit_discriminant": 2,
        "fit_probe": 2,
        "train_clipn": 2,
        "average_runs": 1,
        "average_greedily": 1,
        "evaluate_streams": 1,
        "id_figures": 2,
    },
    # The demo's data, backbone and features, its two runs that are shared, and eight of its own.
    "ablations": {
        "generate_demo": 1,
        "train_backbone": 1,
        "cache_small_image_features": 1,
        "train_clipn": 2 + 8,
        "encode_classes": 1,
        "ablations_figure": 3,
    },
}


@pytest.mark.parametrize("study", sorted(path.stem for path in (ROOT / "config/studies").glob("*.yaml")))
def test_every_study_of_the_config_can_be_planned(original: Project, study: str) -> None:
    plan = original.plan(study=study)
    assert (plan["score_runs"], plan["ood_table"]) == (plan["encode_classes"], 3)
    expected = PLANNED.get(study, {})
    assert {rule: plan[rule] for rule in expected} == expected


@pytest.mark.parametrize(("rules", "shown"), [(["ctw"], False), (["ctw", "atd"], True)])
def test_mistakes_are_shown_of_a_rule_that_was_asked_for(project: Project, rules: list[str], shown: bool) -> None:
    with project.planned(rules=rules) as plan:
        assert ("results/studies/demo/figures/cifar10_mistakes_tiny.png" in plan.outputs) is shown
        assert "results/studies/demo/figures/cifar10_similarity_tiny.png" in plan.outputs


def test_publishing_the_page_removes_what_the_study_has_no_longer(project: Project, tmp_path: Path) -> None:
    home = tmp_path / "results/studies/demo"
    names = ["training", "cifar10_roc_tiny", "cifar10_roc_tiny.old", "cifar10_roc_tin", "roc_tiny"]
    copies = [tmp_path / "results/figures" / f"{name}.{ending}" for name in names for ending in ("png", "pdf")]
    # A backbone that was dropped leaves its figures in the folder of the study.
    averages = [home / f"summary/{name}.json" for name in ("imagenet", "cifar10", "cifar100")]
    files = [*(home / "figures" / path.name for path in copies), home / "report.html", *averages]
    of_another = tmp_path / "results/summary/pets.json"
    with project.planned() as plan:
        job = plan._by_output["results/report.html"]
    for path in [*copies, *files, of_another, *(tmp_path / log for log in job.log)]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(["bash", "-euo", "pipefail", "-c", str(job.shellcmd)], cwd=tmp_path, check=True)
    assert {*(tmp_path / "results/figures").iterdir()} == {*copies[:4]}
    assert {*(tmp_path / "results/summary").iterdir()} == {of_another.with_name(path.name) for path in averages}
    assert (tmp_path / "results/report.html").exists()


def test_features_of_single_methods_are_made_for_these_methods(project: Project) -> None:
    own = ("perturbed_features", "negative_labels", "local_features", "score_runs", "id_figures")
    tiny = {"tiny": {"architecture": "ViT-B-32", "training": {"epochs": 1}}}
    for baselines, expected in (
        (["mcm", "odin_perturbed"], (3, 0, 0, 1, 3)),
        (["mcm", "neglabel"], (0, 1, 0, 1, 3)),
        (["csp", "eoe", "neglabel"], (0, 1, 0, 1, 3)),
        (["gl_mcm", "l_mcm"], (0, 0, 3, 1, 3)),
        ([], (0, 0, 0, 1, 3)),
    ):
        planned = project.plan(baselines=baselines, backbones=tiny, test_time=None)
        assert tuple(planned[rule] for rule in own) == expected


def test_streams_are_measured_in_studies_that_name_them(project: Project) -> None:
    rules = ("negative_labels", "prompt_features", "evaluate_streams", "streams_table")
    stream, pools = {"seeds": [1, 2]}, ["clipn128_clean"]
    words, weighed = ({"methods": [name], "stream": stream} for name in ("adaneg", "zpe"))
    for named, expected in ((words, (1, 0, 1, 1)), (weighed, (0, 1, 1, 1)), (None, (0, 0, 0, 1))):
        planned = project.plan(baselines=["mcm"], test_time=named, prompts=pools)
        assert tuple(planned[rule] for rule in rules) == expected


def test_classifiers_are_fitted_for_every_seed_on_features_that_are_cached_like_all_others(project: Project) -> None:
    train = {
        "imagenet": {"dataset": "cifar100", "shots": 16, "seeds": [1, 2]},
        "cifar10": {"dataset": "pets", "shots": "all"},
    }
    pets = {"title": "Pets", "reader": "folders", "folder": "pets", "classes": ["cat"], "images": 1}
    (project.folder / "own.yaml").write_text(yaml.safe_dump({"datasets": {"pets": pets}}))
    write_files(project.folder / "pets/cat", {"1.png": b""})
    before = project.plan()
    with project.planned(train=train, registry="own.yaml") as plan:
        added = Counter(plan.counts) - before
        features = "results/studies/demo/features/tiny"
        assert f"{features}/pets.safetensors" in plan.outputs
        (job,) = (job for job in plan.jobs if job.outputs == [f"{features}/discriminants/cifar10/seed1.safetensors"])
        read = ("manifest.parquet", "dataset.json")
        folders = [f"results/studies/demo/datasets/{name}" for name in ("cifar10", "pets")]
        assert job.inputs == sorted(
            [f"{features}/pets.safetensors", *(f"{at}/{file}" for at in folders for file in read)]
        )
        (scored,) = (job for job in plan.jobs if job.rule == "score_runs")
        assert f"{features}/discriminants/imagenet/seed2.safetensors" in scored.inputs
    assert added == Counter({"fit_discriminant": 3, "cache_image_features": 1, "verify_dataset": 1})


def test_probes_are_fitted_or_imported_and_networks_asked_once_for_all_backbones(project: Project) -> None:
    for name in ("network.pth", "probe.pt"):
        (project.folder / name).write_bytes(b"")
    network = {"model": "torchvision/resnet18", "weights": "network.pth"}
    train = {
        "imagenet": {"kind": "cooked", "network": "one", "dataset": "cifar100", "shots": 16, "seeds": [1, 2]},
        "cifar10": {"kind": "cooked", "network": "two", "probes": {"tiny": "probe.pt"}},
    }
    changes = {"networks": {"one": network, "two": network}, "train": train}
    before = project.plan()
    with project.planned(**changes) as plan:
        added = Counter(plan.counts) - before
        folder = "results/studies/demo"
        jobs = {output: job for job in plan.jobs for output in job.outputs}
        (scored,) = (job for job in plan.jobs if job.rule == "score_runs")
    probes = [f"{folder}/features/tiny/probes/{name}.safetensors" for name in ("imagenet/seed2", "cifar10/seed1")]
    logits = f"{folder}/features/networks/two/cifar100.safetensors"
    assert {*probes, logits} < {*scored.inputs}
    assert jobs[probes[1]].inputs == [
        "probe.pt", f"{folder}/datasets/cifar10/dataset.json", f"{folder}/features/tiny/cifar10.safetensors"
    ]  # fmt: skip
    assert {"network.pth", f"{folder}/datasets/cifar10/dataset.json"} < {*jobs[logits].inputs}
    sets = [name for pair in study_pairs(project).items() if pair[0] in train for name in (pair[0], *pair[1])]
    assert added == Counter({"fit_probe": 2, "import_probe": 1, "cache_network_logits": len(sets)})


def study_pairs(project: Project) -> dict[str, list[str]]:
    pairs: dict[str, list[str]] = yaml.safe_load((project.folder / "config/studies/demo.yaml").read_text())["pairs"]
    return pairs


def test_words_of_several_methods_are_encoded_in_one_job(project: Project) -> None:
    with project.planned(baselines=["csp", "eoe"], test_time=None) as plan:
        found = {path for path in plan.outputs if re.search(r"/features/tiny/(csp|eoe|negative_labels)/", path)}
    folder = "results/studies/demo/features/tiny"
    id_datasets = ("imagenet", "cifar10", "cifar100")
    assert found == {f"{folder}/{method}/{name}.safetensors" for method in ("csp", "eoe") for name in id_datasets}


def test_a_word_list_of_the_registry_is_fetched(project: Project) -> None:
    archive = {"file": "outliers.txt", "addresses": ["words.txt"], "sha256": "0" * 64}
    record = {"title": "Outliers", "source": "a test", "archive": archive}
    (project.folder / "words.yaml").write_text(yaml.safe_dump({"words": {"outliers": record}}))
    envisioned = dict.fromkeys(("imagenet", "cifar10", "cifar100"), "outliers")
    settings = {"registry": "words.yaml", "baselines": ["csp", "eoe"], "negative_words": "outliers"}
    before = project.plan(baselines=["csp", "eoe"])
    with project.planned(envisioned_words=envisioned, **settings) as plan:
        assert "results/studies/demo/archives/outliers/outliers.txt" in plan.outputs
    planned = project.plan(envisioned_words=envisioned, **settings)
    assert planned["fetch_archive"] == before["fetch_archive"] + 1


def test_a_soup_is_averaged_and_scored_and_never_trained(project: Project) -> None:
    soup = "results/studies/demo/runs/tiny/soup/seed1.safetensors"
    runs = [
        {"backbone": "tiny", "variant": name, "seeds": seeds} for name, seeds in (("learnable", [1, 2]), ("soup", [1]))
    ]
    with project.planned(variants={"soup": {"soup_of": "learnable"}}, runs=runs, ablations=[]) as plan:
        assert {rule: plan.counts[rule] for rule in ("train_clipn", "average_runs")} == {
            "train_clipn": 2,
            "average_runs": 1,
        }
        assert soup in plan.outputs
        assert soup.replace(".safetensors", ".csv") not in plan.outputs
        assert any(output.endswith("scores/tiny/soup/single/seed1.parquet") for output in plan.outputs)


def test_a_greedy_soup_waits_for_the_features_that_it_is_chosen_on(project: Project) -> None:
    runs = [{"backbone": "tiny", "variant": name, "seeds": [1]} for name in ("learnable", "soup")]
    variants = {"soup": {"soup_of": "learnable", "kind": "greedy"}}
    changes = {"variants": variants, "runs": runs, "ablations": [], "development": {"cifar10": ["lsun_resize"]}}
    pairs = {"cifar10": ["cifar100", "imagenet_resize"], "cifar100": ["cifar10"]}
    planned = project.plan("results/studies/demo/runs/tiny/soup/seed1.safetensors", pairs=pairs, **changes)
    assert (planned["average_greedily"], planned["average_runs"], planned["train_clipn"]) == (1, 0, 1)
    assert (planned["cache_small_image_features"], planned["score_runs"]) == (1, 0)


def test_every_rule_says_what_it_needs() -> None:
    """Each rule with a command has log, benchmark and resources, and says its threads if they are more than one."""
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *(?=(?:use )?rule[ :])", path.read_text(), flags=re.MULTILINE)[1:]:
            if "shell:" in rule:
                assert [word for word in ("log:", "benchmark:", "resources:") if word not in rule] == []
                found = re.search(
                    r"\*\*job_resources\(\s*(?:mem_mb=)?(?:\d+|lambda wildcards: [^,]+)"
                    r"(?:,\s*(?:threads=)?(?!cpu_percent)([\w.]+))?",
                    rule,
                )
                assert found
                assert ("threads:" in rule) == (found[1] is not None), rule


@pytest.mark.parametrize(
    ("overlay", "complaint"),
    [
        ("demoo: 1", "config/studies/demo.yaml: demoo: unknown key; remove it or correct its spelling"),
        ("captions: {shards: many}", "config/studies/demo.yaml: captions.shards: Input should be a valid integer"),
        (
            "baselines: [gl_mcm]",
            "config/studies/demo.yaml: backbones.tiny: config/architectures/tiny.json: its image tower is a ResNet,",
        ),
        ("pairs: {imagenet: [sunn]}", "config/studies/demo.yaml: pairs: 'sunn' is not in the registry"),
        ("prompts: [clip]", "config/studies/demo.yaml: prompts: no pool 'clip'; choose one of clipn128, "),
        ("prompts: [mine.txt]", "config/studies/demo.yaml: prompts: mine.txt: no such file; "),
        ("negative_words: mine.txt", "config/studies/demo.yaml: negative_words: no file mine.txt; correct it, or "),
        ("study: nosuch", "config/studies/nosuch.yaml: no such study; set `study` in config/config.yaml to one of"),
    ],
)
def test_a_wrong_configuration_is_one_line(project: Project, overlay: str, complaint: str) -> None:
    (project.folder / "wrong.yaml").write_text(overlay)
    outcome = project.clipn("why", "all", "--configfile", "wrong.yaml")
    assert (outcome.status, len(outcome.text.splitlines())) == (1, 1)
    assert outcome.text.startswith(f"error: {complaint}")


def test_a_run_with_a_wrong_configuration_ends_in_one_line(project: Project) -> None:
    (project.folder / "wrong.yaml").write_text("demoo: 1")
    outcome = project.run("snakemake", "all", "--configfile", "wrong.yaml")
    assert outcome.status == 1
    assert len(outcome.errors) == 1
    assert "Traceback" not in outcome.text
