"""Options of the commands that rules run, as the settings of a study say, each recorded by the key of its setting."""

import hashlib
from collections.abc import Sequence
from typing import Any

import yaml

from clipn.data.settings import CaptionPreparation
from clipn.scores import PLAIN_CLIP
from clipn.study.config import ID_DATASETS, Study
from clipn.study.data import StudyData
from clipn.study.figures import figure_kinds
from clipn.study.fits import fit_remarks, fits, fitted_variants
from clipn.study.loading import ablations
from clipn.study.names import SEED, RunName, family
from clipn.study.parameters import Settings, flattened, repeated, settings_of
from clipn.study.paths import StudyPaths, log_folder
from clipn.study.prompt_weights import prompt_remarks
from clipn.study.runs import soup_members
from clipn.study.scorings import id_and_ood, main_pool, methods, prompt_pools, scorings, word_methods
from clipn.study.variants import ReleasedVariant, Soup
from clipn.study.weights import backbone_source, image_towers, is_weight_file, tower_record, tower_remarks
from clipn.study.word_lists import envisioned_words, word_list
from clipn.training.settings import Variant


class RuleOptions:
    """Settings that the rules of a study depend on.

    Args:
        paths: of the study.
    """

    def __init__(self, paths: StudyPaths) -> None:
        self._paths = paths
        self._study: Study = paths.study
        self._data: StudyData = paths.data

    @property
    def study(self) -> Settings:
        """Name of the study, and its arithmetic, which all that shows numbers says."""
        return settings_of({"study": self._study.study}) + self._recorded_arithmetic

    @property
    def arithmetic(self) -> str:
        """Which kernels compute; a GPU has its own."""
        return "cuda" if self._study.device == "cuda" else self._study.arithmetic

    @property
    def _recorded_arithmetic(self) -> Settings:
        # Without an option: commands are told by the environment, as kernels are held before anything is imported.
        return Settings({"arithmetic": self.arithmetic})

    # Data

    @property
    def demo(self) -> Settings:
        """The generated world."""
        assert self._study.demo is not None
        return settings_of(self._study.demo, "demo") + self._recorded_arithmetic

    def registry(self, *names: str) -> Settings:
        """The registries of some datasets or caption sources; one that is generated is no setting."""
        files = self._paths.registries(*names)
        written = next((file for file in files if file == self._study.registry), None)
        return Settings({"registry": written}, repeated("--registry", files))

    @property
    def mirror(self) -> Settings:
        """Shared folder of archives; no setting, as it says where they come from and not what they are."""
        return Settings({}, settings_of({"mirror": self._study.mirror}).words)

    def archives(self, name: str) -> Settings:
        """The registry of one dataset or caption source, and the folder of its archives."""
        return self.registry(name) + Settings({}, ["--archives", self._paths.archives_folder(name)])

    def archives_of_all(self, names: Sequence[str]) -> Settings:
        """The registries of several, and the folder that those of their archives lie in."""
        return self.registry(*names) + Settings({}, ["--archives", self._paths.archives_folder()])

    def images(self, dataset: str) -> Settings:
        """Where the images of a dataset lie: in its archives, or in an unpacked copy in the mirror."""
        folder = self._data.unpacked(dataset)
        copy = {f"unpacked copy of {dataset}": str(folder)} if folder else {}
        return self.archives(dataset) + Settings(copy, repeated("--unpacked", copy.values()))

    def images_of_all(self, datasets: Sequence[str]) -> Settings:
        """The same of several datasets, for commands that take DATASET:FOLDER."""
        folders = {name: str(folder) for name in datasets if (folder := self._data.unpacked(name))}
        copies = {f"unpacked copy of {name}": folder for name, folder in folders.items()}
        texts = (f"{name}:{folder}" for name, folder in folders.items())
        return self.archives_of_all(datasets) + Settings(copies, repeated("--unpacked", texts))

    def small_datasets(self, datasets: Sequence[str]) -> Settings:
        """Datasets that are encoded in one job, as arguments."""
        return Settings({"datasets of one job": [*datasets]}, datasets) + self.images_of_all(datasets)

    def datasets_of(self, id_dataset: str) -> Settings:
        """An ID dataset and its OOD datasets, as arguments."""
        names = id_and_ood(self._study, id_dataset)
        return Settings({f"pairs.{id_dataset}": names[1:]}, names)

    @property
    def datasets(self) -> Settings:
        """Folder of the verified datasets."""
        return Settings({}, ["--datasets", self._paths.datasets_folder])

    def verification(self, name: str) -> Settings:
        """Where a dataset or caption source lies, its switched-on cleaning lists, and the folder for what is found."""
        cleaning = settings_of({"cleaning": self._data.cleaning(name)})
        return self.images(name) + cleaning + Settings({}, ["--output", self._paths.datasets_folder])

    @property
    def captions(self) -> Settings:
        """Caption sources, where they lie, and what becomes of captions."""
        names = self._study.captions.sources
        preparation = self._study.captions.model_dump(include=set(CaptionPreparation.model_fields))
        # In the order of the study, which is that of the rows.
        sources = Settings({"captions.sources": names}, names)
        return sources + self.archives_of_all(names) + settings_of(preparation, "captions")

    @property
    def shards(self) -> Settings:
        """Sources of the shards and where they lie; the number of shards is that of the outputs."""
        captions = self._study.captions
        sources = settings_of({"sources": captions.sources}, "captions", {"sources": "source"})
        archives = self.archives_of_all(captions.sources)
        return sources + Settings({"captions.shards": captions.shards}) + archives + self.crawl_folder

    @property
    def crawl(self) -> Settings:
        """How images are fetched from the web, and where they are kept."""
        registry = self.registry(*self._study.captions.sources)
        return registry + settings_of(self._study.captions.crawl, "captions.crawl") + self.crawl_folder

    @property
    def crawl_folder(self) -> Settings:
        """Folder of the crawls."""
        return Settings({}, ["--crawl", f"{self._paths.work}/crawl"])

    # Models and features

    @property
    def device(self) -> Settings:
        """Where models run, with which kernels."""
        return settings_of({"device": self._study.device}) + self._recorded_arithmetic

    @property
    def model(self) -> Settings:
        """Device and threads of encoding."""
        return self.device + settings_of({"threads": self._study.threads})

    def architecture(self, backbone: str) -> Settings:
        """Architecture of a backbone."""
        return settings_of({"architecture": self._study.backbones[backbone].architecture}, f"backbones.{backbone}")

    def weights(self, backbone: str) -> Settings:
        """Where the weights of a backbone come from; a local file has no open_clip tag."""
        tag = self._study.backbones[backbone].pretrained
        assert tag is not None
        return Settings({f"backbones.{backbone}.pretrained": tag}, [] if is_weight_file(tag) else ["--tag", tag])

    def backbone_training(self, backbone: str) -> Settings:
        """How a backbone is trained."""
        training = self._study.backbones[backbone].training
        assert training is not None
        return settings_of(training, f"backbones.{backbone}.training")

    def class_sources(self, backbone: str) -> Settings:
        """Caption sources whose folders are classes, where training is to tell false negatives."""
        training = self._study.backbones[backbone].training
        assert training is not None
        if training.false_negatives == "keep":
            return Settings({})
        names = [name for name in self._study.captions.sources if self._data.has_class_folders(name)]
        return Settings({"caption sources of class folders": names}, repeated("--class-source", names))

    def image_tower(self, backbones: str) -> Settings:
        """Architecture and image tower of the trainings of a backbone; a local file holds timm's own names."""
        name = next(name for name in self._study.backbones if family(name) == backbones)
        tower = image_towers(self._study)[backbones]
        names = "timm" if is_weight_file(tower) else tower_record(tower).tensor_names
        keys = {f"backbones.{backbones}.image_tower": tower}
        return self.architecture(name) + Settings(keys, ["--tensor-names", names])

    def released(self, variant: str, number: int) -> Settings:
        """Which checkpoint a released run is."""
        # No option, as the checkpoint is an input; its key makes a change of it known by name.
        released = self._study.variants[variant]
        assert isinstance(released, ReleasedVariant)
        return Settings({f"variants.{variant}.checkpoints.{number}": released.checkpoints[number]})

    def soup(self, backbone: str, variant: str) -> Settings:
        """Which runs are averaged, and what the result is called."""
        soup = self._study.variants[variant]
        assert isinstance(soup, Soup)
        # The checkpoints are inputs; the keys make a change of them known by name.
        members = [*map(str, soup_members(self._study, backbone, variant))]
        keys = {f"variants.{variant}.{key}": value for key, value in soup.model_dump().items()}
        keys |= {f"runs that {variant} averages": members}
        return Settings(keys, ["--name", f"{backbone}/{variant}"])

    def greedy_soup(self, backbone: str, variant: str) -> Settings:
        """The same, and the images that decide which of the runs are."""
        pairs = self._study.development
        texts = (f"{id_dataset}:{','.join(ood_datasets)}" for id_dataset, ood_datasets in pairs.items())
        held_out = Settings({f"development.{name}": names for name, names in pairs.items()}, repeated("--pair", texts))
        features = Settings({}, ["--features", self._paths.features_folder(backbone)])
        return self.soup(backbone, variant) + held_out + self.datasets + features + self.prompts() + self.model

    def training(self, variant: str) -> Settings:
        """How a variant is trained."""
        return settings_of(self._study.variants[variant], f"variants.{variant}")

    def training_folders(self, study: str, run: RunName) -> Settings:
        """Where a training of a study keeps its state and its curves for TensorBoard; both are no result."""
        return Settings(
            {}, ["--work", f"{self._paths.work}/train", "--curves", f"{log_folder(study)}/tensorboard/{run}"]
        )

    def launcher(self, variant: str) -> Settings:
        """What starts a training in several processes; nothing for one."""
        settings = self._study.variants[variant]
        assert isinstance(settings, Variant)
        command = ["torchrun", "--standalone", "--nproc-per-node", str(settings.processes), "--no-python"]
        return Settings(
            {f"variants.{variant}.processes": settings.processes}, command if settings.processes > 1 else []
        )

    @property
    def words(self) -> Settings:
        """Methods that set words against the ID classes, and their lists; no setting names one that is generated."""
        study, source = self._study, word_list(self._paths, self._study.negative_words)
        methods = word_methods(study)
        files = (f"{name}:{file}" for name, file in envisioned_words(self._paths).items())
        keys = {"negative_words": study.negative_words, "envisioned_words": study.envisioned_words}
        words = [*repeated("--method", methods), *repeated("--words", [source] if source else [])]
        return Settings(keys | {"methods with words": methods}, [*words, *repeated("--envisioned", files)])

    @property
    def perturbation(self) -> Settings:
        """How ODIN perturbs images."""
        return settings_of({"perturbation": self._study.perturbation}, options={"perturbation": "epsilon"})

    # Scores, metrics and what shows them

    def prompts(self, pool: str | None = None) -> Settings:
        """A prompt pool, by default the main one, and the logit scale."""
        name = prompt_pools(self._study)[pool or main_pool(self._study)]
        return settings_of({"prompts": name, "logit_scale": self._study.logit_scale})

    @property
    def pairs(self) -> Settings:
        """ID datasets with their OOD datasets."""
        pairs = self._study.pairs
        texts = (f"{id_dataset}:{','.join(ood_datasets)}" for id_dataset, ood_datasets in pairs.items())
        # Scores lie in this order, which the keys do not keep.
        keys = {f"pairs.{name}": names for name, names in pairs.items()} | {"order of ID datasets": [*pairs]}
        return Settings(keys, repeated("--pair", texts))

    @property
    def features(self) -> Settings:
        """Folder of the features of all backbones."""
        return Settings({}, ["--features", self._paths.all_features_folder])

    @property
    def classifiers(self) -> Settings:
        """Folder of the classifiers of all backbones."""
        return Settings({}, ["--classifiers", self._paths.classifiers_folder])

    @property
    def id_datasets(self) -> Settings:
        """ID datasets, as arguments."""
        return Settings({"order of ID datasets": [*self._study.pairs]}, [*self._study.pairs])

    @property
    def prompt_pool(self) -> Settings:
        """The main prompt pool, where no logit scale counts."""
        return settings_of({"prompts": prompt_pools(self._study)[main_pool(self._study)]})

    @property
    def pools(self) -> Settings:
        """All prompt pools."""
        return settings_of({"prompts": self._study.prompts})

    def runs_of(self, backbone: str) -> Settings:
        """Checkpoints of the runs on a backbone."""
        names = self._paths.runs_of(backbone)
        texts = (f"{name.variant}/{SEED}{name.seed}:{self._paths.run(name)}" for name in names)
        return Settings({}, repeated("--checkpoint", texts))

    @property
    def scorings(self) -> Settings:
        """Runs and methods of every scoring; the methods of a "no" tower are no setting."""
        study, found = self._study, scorings(self._study)
        texts = (f"{name}:{','.join(methods(study, name.variant, name.prompts))}" for name in found)
        keys = {"baselines": study.baselines, "what is scored": list(map(str, found))}
        scale = {"rules": study.rules, "logit_scale": study.logit_scale}
        of_runs = settings_of(scale, options={"rules": "rule"})
        return Settings(keys, [*texts]) + of_runs + self._fits + self._recorded_arithmetic

    @property
    def _fits(self) -> Settings:
        """ID datasets of the classifiers that are fitted on training images."""
        found = {str(fit): names for fit, names in fits(self._study).items()}
        texts = (f"{fit}:{','.join(names)}" for fit, names in found.items())
        return Settings({"ID datasets of fits": found} if found else {}, repeated("--fit", texts))

    def training_images(self, id_dataset: str) -> Settings:
        """What a classifier of an ID dataset is fitted on; the seed is that of the output."""
        images = self._study.train[id_dataset].model_dump(exclude={"seeds"})
        options = settings_of(images, f"train.{id_dataset}", {"dataset": "train"})
        return options + self.datasets + self._recorded_arithmetic

    @property
    def streams(self) -> Settings:
        """Methods that adapt on the test stream, on all backbones, and the streams."""
        test_time = self._study.test_time
        assert test_time is not None
        methods = settings_of({"methods": test_time.methods}, "test_time", {"methods": "method"})
        stream = settings_of(test_time.stream, "test_time.stream", {"seeds": "order-seed"})
        return Settings({}, [*self._study.backbones]) + self.study + methods + stream + self.logit_scale

    def imported(self, backbone: str) -> Settings:
        """Methods that others computed on a backbone, and the files of their scores."""
        found = {name: scores for name, scores in self._study.imported.items() if scores.backbone == backbone}
        methods = (f"{name}:{scores.higher}:{scores.column}" for name, scores in found.items())
        files = (
            f"{name}:{id_dataset}:{dataset}:{path}"
            for name, scores in found.items()
            for id_dataset, sets in scores.files.items()
            for dataset, path in sets.items()
        )
        keys = {f"imported.{name}": scores.model_dump(mode="json") for name, scores in found.items()}
        return Settings(keys, [*repeated("--method", methods), *repeated("--file", files)]) + self.datasets

    @property
    def metrics(self) -> Settings:
        """What is evaluated, and how."""
        # Conventions in their order: the first is the one that tables show.
        values = {"conventions": self._study.conventions, "resamples": self._study.resamples}
        return self.study + self.pairs + settings_of(values, options={"conventions": "convention"})

    @property
    def logit_scale(self) -> Settings:
        """What multiplies cosines."""
        return settings_of({"logit_scale": self._study.logit_scale})

    def id_figures(self, id_dataset: str) -> Settings:
        """Kinds of figures of an ID dataset, what they show, and where it lies."""
        study = self._study
        kinds = {backbone: figure_kinds(study, backbone) for backbone in study.backbones}
        texts = (f"{backbone}:{','.join(names)}" for backbone, names in kinds.items() if names)
        figures = Settings({"kinds of figures": kinds}, repeated("--figure", texts))
        folders = self.datasets + self.features + self.classifiers + self.images_of_all(id_and_ood(study, id_dataset))
        return figures + self.study + self.shown + self.logit_scale + folders

    @property
    def main_prompts(self) -> Settings:
        """Name of the prompt pool that is shown, and the arithmetic."""
        prompts = Settings({"prompts": self._study.prompts[0]}, ["--prompts", main_pool(self._study)])
        return prompts + self._recorded_arithmetic

    @property
    def shown(self) -> Settings:
        """What figures and printed tables show."""
        variants = [PLAIN_CLIP, *fitted_variants(self._study), *self._study.shown]
        keys = {"runs": self._runs, "ablations": self._study.ablations, "variants that are shown": variants}
        return Settings(keys, repeated("--variant", variants)) + self.main_prompts

    @property
    def _runs(self) -> list[dict[str, Any]]:
        return [run.model_dump(mode="json") for run in self._study.runs]

    @property
    def stream_remarks(self) -> Settings:
        """Sentences below the table of streams on what image towers saw, and on what prompts are weighted by."""
        return self._remarks([*tower_remarks(self._study), *prompt_remarks(self._study)])

    @property
    def remarks(self) -> Settings:
        """Sentences below the other tables on what image towers saw, and classifiers were fitted on."""
        return self._remarks([*tower_remarks(self._study), *fit_remarks(self._study)])

    def _remarks(self, texts: list[str]) -> Settings:
        return Settings({"remarks": texts} if texts else {}, repeated("--remark", texts))

    @property
    def tables(self) -> Settings:
        """What tables print."""
        return self.shown + self.remarks + self.datasets

    @property
    def kept_tables(self) -> Settings:
        """Tables of all ID datasets, as patterns that `find` passes over; no setting, as the tables tell of it."""
        names = (f"{name}_ood.*" for name in (*ID_DATASETS, *self._study.pairs))
        return Settings({}, [word for name in names for word in ("!", "-name", name)])

    @property
    def base(self) -> Settings:
        """The variant that others are compared with."""
        return Settings({"runs[0].variant": self._study.base}, ["--base", self._study.base])

    @property
    def ablations(self) -> Settings:
        """What the ablations vary."""
        study = self._study
        varied = {(setting, variant) for setting, _, variant in ablations(study)}
        keys = {f"variants.{variant}.{name}": getattr(study.variants[variant], name) for name, variant in varied}
        rows = (":".join(row) for row in ablations(study))
        return Settings({"ablations": study.ablations} | keys, repeated("--ablation", rows))

    @property
    def page(self) -> Settings:
        """All settings, as the page prints them: as they were checked, defaults filled in."""
        study = self._study
        text = yaml.safe_dump(study.model_dump(mode="json", exclude_none=True), sort_keys=False)
        words = [
            "--settings",
            text,
            *repeated("--id", study.pairs),
            *self.study.words,
            *self.shown.words,
            *self.remarks.words,
        ]
        # The text, too: the order of its keys is printed, and is in none of them.
        printed = {"text of the study": hashlib.sha256(text.encode()).hexdigest()}
        return Settings(flattened(study.model_dump(mode="json")) | printed | self.remarks, words)

    @property
    def backbone_histories(self) -> Settings:
        """Training histories of the backbones that are trained here."""
        return Settings({}, repeated("--backbone", self._paths.backbone_histories))

    @property
    def backbone_sources(self) -> Settings:
        """Where the weights of backbones come from that were not trained here."""
        sources = {name: backbone_source(self._study, name) for name in self._study.backbones}
        pretrained = {name: source for name, source in sources.items() if source}
        keys = [self.architecture(name) + self.weights(name) for name in pretrained]
        texts = repeated("--source", (f"{name}:{source}" for name, source in pretrained.items()))
        return Settings({key: value for of_one in keys for key, value in of_one.items()}, texts)
