"""Where the files of a study lie, relative to the project; with `report_paths.py` the one home of these paths.

A name may be a wildcard of a rule: `paths.backbone("{backbone}")` is the pattern of all backbones.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePath

from clipn.features.stored import NETWORKS, WORD_FEATURES
from clipn.scores import IMPORTED, PLAIN_CLIP
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.names import RunName, Scoring, family
from clipn.study.report_paths import RESULTS, ReportPaths
from clipn.study.runs import run_names, stored_views
from clipn.study.scorings import OWN_FEATURES
from clipn.study.weights import is_weight_file, weight_record
from clipn.training.settings import Variant

MIRROR = "archives/mirror"
"""Folder, in that of a study, that the generated archives of the demo lie in."""


def study_folder(study: str) -> str:
    """Folder of a study's files."""
    return f"{RESULTS}/studies/{study}"


def log_folder(study: str) -> str:
    """Folder of the logs of a study's jobs."""
    return f"logs/{study}"


def study_of(path: str) -> tuple[str, str] | None:
    """Name of the study whose folder a path lies in, and the path within it; None for a path elsewhere."""
    parts = PurePath(path).parts
    if parts[:2] != (RESULTS, "studies") or len(parts) < 4:
        return None
    return parts[2], "/".join(parts[3:])


class StudyPaths(ReportPaths):
    """Paths of a study's files.

    Attributes:
        study: the study.
        data: which data it uses.
        folder: of its own files.
        shared: folder of data, backbones and features, which are those of the study that it extends, if it does.
        logs: folder of the logs of the jobs that make its own files.
        shared_logs: folder of those of the jobs that make the others.
        work: folder for the state of what was interrupted.
    """

    def __init__(self, study: Study, data: StudyData) -> None:
        self.study = study
        self.data = data
        owner = study.extends or study.study
        super().__init__(study_folder(study.study))
        self.shared = study_folder(owner)
        self.logs, self.shared_logs = log_folder(study.study), log_folder(owner)
        self.work = f"work/{owner}"
        self._shared_runs = {*run_names(run for run in study.runs if run.shared)}

    # Data

    @property
    def mirror(self) -> str:
        """Folder that the generated archives of the demo lie in."""
        return f"{self.shared}/{MIRROR}"

    @property
    def mirrored(self) -> list[str]:
        """The generated archives of the demo."""
        # Training images are in the archive of the test images.
        files = dict.fromkeys(file for files in self.data.generated.values() for file in files)
        return [f"{self.mirror}/{file}" for file in files]

    @property
    def generated_registry(self) -> str:
        """Registry of what the demo generates."""
        return f"{self.mirror}/datasets.yaml"

    def registries(self, *names: str) -> list[str]:
        """Registries of some datasets or caption sources, the generated one first."""
        is_needed = self.study.registry is not None and not all(map(self.data.is_generated, names))
        written = [str(self.study.registry)] if is_needed else []
        return [*self.generated_registries(*names), *written]

    def generated_registries(self, *names: str) -> list[str]:
        """The generated one among them: an input like any other, while of a written one only the used records count."""
        return [self.generated_registry] if any(map(self.data.is_generated, names)) else []

    def mirrored_archive(self, name: str, file: str) -> list[str]:
        """What an archive is copied from, if the demo generates it."""
        return [f"{self.mirror}/{file}"] if self.data.is_generated(name) else []

    def archives_folder(self, name: str = "") -> str:
        """Folder of the archives of a dataset or caption source; without a name, of all of them."""
        return f"{self.shared}/archives/{name}".rstrip("/")

    def archive(self, name: str, file: str) -> str:
        """One archive of a dataset or caption source."""
        return f"{self.archives_folder(name)}/{file}"

    def archives(self, *names: str, cleaning: bool = False) -> list[str]:
        """Archives of datasets or caption sources; with `cleaning`, their switched-on lists, too."""
        return [self.archive(name, file) for name in names for file in self.data.files(name, cleaning)]

    @property
    def datasets_folder(self) -> str:
        """Folder of what was found of datasets and caption sources."""
        return f"{self.shared}/datasets"

    def manifest(self, dataset: str) -> str:
        """Images of a dataset."""
        return f"{self.datasets_folder}/{dataset}/manifest.parquet"

    def description(self, name: str) -> str:
        """What was found of a dataset or caption source."""
        return f"{self.datasets_folder}/{name}/dataset.json"

    @property
    def captions(self) -> str:
        """Prepared captions."""
        return f"{self.shared}/captions/captions.parquet"

    @property
    def caption_statistics(self) -> str:
        """What was repaired, counted and dropped among the captions."""
        return f"{self.shared}/captions/statistics.json"

    def crawl_report(self, source: str) -> str:
        """Outcome of the crawl of a caption source."""
        return f"{self.shared}/captions/crawl_{source}.json"

    @property
    def crawl_reports(self) -> list[str]:
        """Outcomes of the crawls of all caption sources whose images are fetched one by one."""
        return [self.crawl_report(name) for name in self.data.crawled]

    @property
    def shards(self) -> list[str]:
        """Captioned images."""
        return [f"{self.shared}/shards/{number:05d}.tar" for number in range(self.study.captions.shards)]

    @property
    def shard_index(self) -> str:
        """Where every sample lies in the shards."""
        return f"{self.shared}/shards/index.parquet"

    @property
    def shard_statistics(self) -> str:
        """What went into the shards."""
        return f"{self.shared}/shards/statistics.json"

    # Models

    def weights(self, source: str) -> str:
        """A local weight file itself, or where that of a record is fetched to."""
        return source if is_weight_file(source) else self.fetched_weights(weight_record(source).archive.file)

    def fetched_weights(self, file: str) -> str:
        """A fetched weight file."""
        return f"{self.shared}/weights/{file}"

    def generated_network(self, name: str) -> str:
        """Weights of a network that is fitted on training images of the demo."""
        return f"{self.mirror}/{name}.safetensors"

    def network(self, name: str) -> str:
        """Weights of a network."""
        source = self.study.networks[name].weights
        return self.weights(source) if source else self.generated_network(name)

    def backbone(self, name: str, ending: str = "safetensors") -> str:
        """A backbone; its training history with the ending `csv`."""
        return f"{self.shared}/backbones/{name}.{ending}"

    def image_tower(self, backbone: str) -> str:
        """The image tower that a backbone starts from, the same for all its seeds."""
        return f"{self.shared}/backbones/towers/{family(backbone)}.safetensors"

    @property
    def backbone_histories(self) -> list[str]:
        """Training histories of the backbones that are trained here."""
        return [self.backbone(name, "csv") for name, backbone in self.study.backbones.items() if backbone.training]

    def caption_features(self, backbone: str) -> str:
        """What the frozen "yes" tower says of the captions."""
        return f"{self.shared}/caption_features/{backbone}/captions.safetensors"

    def caption_tower_features(self, backbone: str) -> str:
        """What the locked image tower of a backbone says of the captions' images."""
        return f"{self.shared}/caption_features/{family(backbone)}/tower.safetensors"

    def caption_images(self, backbone: str, views: int | str) -> str:
        """Features of the captions' images, of so many views."""
        return f"{self.shared}/caption_features/{backbone}/views{views}.safetensors"

    def run(self, run: RunName, ending: str = "safetensors") -> str:
        """Checkpoint of a run; its training history with the ending `csv`."""
        return f"{self.shared if run in self._shared_runs else self.folder}/runs/{run}.{ending}"

    @staticmethod
    def run_pattern(ending: str = "safetensors") -> str:
        """Pattern of all runs, with the study that they are of."""
        return f"{study_folder('{study}')}/runs/{RunName('{backbone}', '{variant}', '{seed}')}.{ending}"

    def backbone_files(self, backbone: str) -> dict[str, str | list[str]]:
        """What a backbone is trained on."""
        settings = self.study.backbones[backbone]
        assert settings.training is not None
        files: dict[str, str | list[str]] = {"index": self.shard_index}
        if settings.image_tower:
            files["image_tower"] = self.image_tower(backbone)
        if settings.training.false_negatives != "keep":
            files["captions"] = self.captions
        if settings.locked:
            return files | {"tower_features": self.caption_tower_features(backbone)}
        return files | {"shards": self.shards}

    def training_files(self, backbone: str, variant: str) -> dict[str, str | list[str]]:
        """What a run is trained on; a run of no epochs needs the backbone and the number of captions only."""
        settings = self.study.variants[variant]
        assert isinstance(settings, Variant)
        files: dict[str, str | list[str]] = {"backbone": self.backbone(backbone), "index": self.shard_index}
        if settings.epochs == 0:
            return files
        if settings.no_texts == "learnable":
            files["captions"] = self.caption_features(backbone)
        views = stored_views(settings)
        return files | ({"shards": self.shards} if views is None else {"images": self.caption_images(backbone, views)})

    # Features, scores and metrics

    @property
    def all_features_folder(self) -> str:
        """Folder of the features of all backbones."""
        return f"{self.shared}/features"

    def features_folder(self, backbone: str) -> str:
        """Folder of the features of a backbone."""
        return f"{self.all_features_folder}/{backbone}"

    def features(self, backbone: str, dataset: str) -> str:
        """Image features of a dataset."""
        return f"{self.features_folder(backbone)}/{dataset}.safetensors"

    def tower_features_folder(self, backbone: str) -> str:
        """Folder of what the locked image tower of a backbone says of the datasets' images."""
        return f"{self.features_folder(family(backbone))}/tower"

    def tower_features(self, backbone: str, dataset: str) -> str:
        """What the locked image tower of a backbone says of the images of a dataset."""
        return f"{self.tower_features_folder(backbone)}/{dataset}.safetensors"

    def word_features(self, method: str, backbone: str, id_dataset: str) -> str:
        """The words that a method sets against the classes of an ID dataset, encoded."""
        return f"{self.features_folder(backbone)}/{WORD_FEATURES[method].folder}/{id_dataset}.safetensors"

    def prompt_features(self, backbone: str, id_dataset: str) -> str:
        """What every prompt of the first pool says of the classes of an ID dataset."""
        return f"{self.features_folder(backbone)}/prompts/{id_dataset}.safetensors"

    def perturbed_features(self, backbone: str, id_dataset: str) -> str:
        """Features of perturbed images, of an ID dataset and its OOD datasets."""
        return f"{self.features_folder(backbone)}/perturbed/{id_dataset}.safetensors"

    def local_features(self, backbone: str, id_dataset: str) -> str:
        """What patches of images say, of an ID dataset and its OOD datasets."""
        return f"{self.features_folder(backbone)}/local/{id_dataset}.safetensors"

    def own_features(self, backbone: str, needs: Iterable[str]) -> dict[str, list[str]]:
        """Features of all ID datasets that single methods need, by what they need."""
        path_of: dict[str, Callable[[str, str], str]]
        path_of = {"local": self.local_features, "perturbed": self.perturbed_features}
        path_of |= {words.negatives: partial(self.word_features, method) for method, words in WORD_FEATURES.items()}
        return {
            need: [path_of[need](backbone, id_dataset) for id_dataset in self.study.pairs]
            for need in sorted(OWN_FEATURES & {*needs})
        }

    def discriminant(self, backbone: str, id_dataset: str, seed: int | str) -> str:
        """Classifier of an ID dataset that is fitted on the training images that a seed chooses."""
        return f"{self.features_folder(backbone)}/discriminants/{id_dataset}/seed{seed}.safetensors"

    def probe(self, backbone: str, id_dataset: str, seed: int | str) -> str:
        """Linear probe of an ID dataset, fitted on the training images that a seed chooses, or imported."""
        return f"{self.features_folder(backbone)}/probes/{id_dataset}/seed{seed}.safetensors"

    def network_logits(self, network: str, dataset: str) -> str:
        """What a network says of the images of a dataset."""
        return f"{self.features_folder(NETWORKS)}/{network}/{dataset}.safetensors"

    @property
    def classifiers_folder(self) -> str:
        """Folder of the classifiers of all backbones."""
        return f"{self.folder}/classifiers"

    def classifiers(self, backbone: str) -> str:
        """What the text towers of a backbone and its runs say of the ID classes."""
        return f"{self.classifiers_folder}/{backbone}.safetensors"

    def runs_of(self, backbone: str) -> list[RunName]:
        """The runs on a backbone."""
        return [name for name in run_names(self.study.runs) if name.backbone == backbone]

    @property
    def scores_folder(self) -> str:
        """Folder of the scores."""
        return f"{self.folder}/scores"

    def scores(self, scoring: Scoring) -> str:
        """Scores of all images."""
        return f"{self.scores_folder}/{scoring}.parquet"

    @property
    def imported_scores(self) -> str:
        """Scores that others computed on a backbone, which is a wildcard."""
        return self.scores(Scoring("{backbone}", PLAIN_CLIP, IMPORTED, 0))

    @property
    def metrics_folder(self) -> str:
        """Folder of metrics and replicates."""
        return f"{self.folder}/metrics"

    def metrics(self, scoring: Scoring) -> str:
        """Metrics of all pairs."""
        return f"{self.metrics_folder}/{scoring}.json"

    def replicates(self, scoring: Scoring) -> str:
        """Metrics of every resample."""
        return f"{self.metrics_folder}/{scoring}.parquet"

    @property
    def streams_folder(self) -> str:
        """Metrics of the methods that adapt on the test stream."""
        return f"{self.metrics_folder}/streams"

    def streams(self, backbone: str) -> str:
        """Those of a backbone."""
        return f"{self.streams_folder}/{backbone}.json"
