"""Options of the commands that rules run, as the settings of a study say, each recorded by the key of its setting."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import yaml

from clipn.scores import PLAIN_CLIP
from clipn.study.config import ID_DATASETS
from clipn.study.data import GENERATED_DATA, READ_FROM_GENERATED
from clipn.study.figures import figure_kinds
from clipn.study.fits import fit_remarks, fits_of, fitted_variants
from clipn.study.loading import ablations
from clipn.study.names import Scoring
from clipn.study.prompt_weights import prompt_remarks
from clipn.study.rules.model_options import ModelOptions
from clipn.study.rules.parameters import Settings, flattened, repeated, settings_of
from clipn.study.scorings import by_backbone, id_and_ood, main_pool, methods, scorings
from clipn.study.settings.networks import networks_of
from clipn.study.settings.runs import Run
from clipn.study.weights import backbone_source, tower_remarks


class RuleOptions(ModelOptions):
    """All settings that the rules of a study depend on: here those of what comes after features."""

    @property
    def pairs(self) -> Settings:
        """ID datasets with their OOD datasets."""
        pairs = self._study.pairs
        texts = (f"{id_dataset}:{','.join(ood_datasets)}" for id_dataset, ood_datasets in pairs.items())
        # Scores lie in this order, which the keys do not keep.
        keys = {f"pairs.{name}": names for name, names in pairs.items()} | {"order of ID datasets": [*pairs]}
        return Settings(keys, repeated("--pair", texts))

    @property
    def classifiers(self) -> Settings:
        """Folder of the classifiers of all backbones."""
        return Settings({}, ["--classifiers", self._paths.classifiers_folder])

    def scorings(self, backbone: str) -> Settings:
        """Runs and methods of every scoring of a backbone; the methods of a "no" tower are no setting."""
        study, found = self._study, self._scored[backbone]
        texts = (f"{name}:{','.join(methods(study, name.variant, name.prompts))}" for name in found)
        keys = {"baselines": study.baselines, "what is scored": list(map(str, found))}
        scale = {"rules": study.rules, "logit_scale": study.logit_scale}
        of_runs = settings_of(scale, options={"rules": "rule"})
        return Settings(keys, [*texts]) + of_runs + self._fits(backbone) + self._recorded_arithmetic

    @cached_property
    def _scored(self) -> dict[str, list[Scoring]]:
        return by_backbone(scorings(self._study))

    def _fits(self, backbone: str) -> Settings:
        """ID datasets of the classifiers that are fitted on training images."""
        found = {str(fit): names for fit, names in fits_of(self._study, backbone).items()}
        texts = (f"{fit}:{','.join(names)}" for fit, names in found.items())
        networks = networks_of(self._study.train)
        keys = {f"train.{id_dataset}.network": name for id_dataset, name in networks.items()}
        named = repeated("--network", (f"{id_dataset}:{name}" for id_dataset, name in networks.items()))
        return Settings({"ID datasets of fits": found, **keys} if found else {}, [*repeated("--fit", texts), *named])

    def streams(self, backbone: str) -> Settings:
        """Methods that adapt on the test stream, on a backbone, and the streams."""
        test_time = self._study.test_time
        assert test_time is not None
        methods = settings_of({"methods": test_time.methods}, "test_time", {"methods": "method"})
        stream = settings_of(test_time.stream, "test_time.stream", {"seeds": "order-seed"})
        return Settings({}, [backbone]) + self.study + methods + stream + self.logit_scale

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

    def id_figures(self, id_dataset: str, backbone: str) -> Settings:
        """Kinds of figures of an ID dataset and a backbone, what they show, and where it lies."""
        study, kinds = self._study, self._figure_kinds[backbone]
        figures = Settings({"kinds of figures": kinds}, ["--figure", f"{backbone}:{','.join(kinds)}"])
        shown = self._shown([run for run in study.runs if run.backbone == backbone])
        folders = self.datasets + self.features + self.classifiers + self.images_of_all(id_and_ood(study, id_dataset))
        return figures + self.study + shown + self.logit_scale + folders

    @cached_property
    def _figure_kinds(self) -> dict[str, list[str]]:
        return figure_kinds(self._study)

    @property
    def main_prompts(self) -> Settings:
        """Name of the prompt pool that is shown, and the arithmetic."""
        prompts = Settings({"prompts": self._study.prompts[0]}, ["--prompts", main_pool(self._study)])
        return prompts + self._recorded_arithmetic

    @property
    def summary(self) -> Settings:
        """ID datasets that averages are written of; no setting, as each has a file of its own."""
        return Settings({}, repeated("--id", self._study.pairs)) + self._recorded_arithmetic

    @property
    def shown(self) -> Settings:
        """What printed tables, and figures of all backbones, show."""
        return self._shown(self._study.runs)

    def _shown(self, runs: Sequence[Run]) -> Settings:
        """What is shown of some runs."""
        variants = [PLAIN_CLIP, *fitted_variants(self._study), *self._study.shown]
        keys = {"runs": [run.model_dump(mode="json") for run in runs], "ablations": self._study.ablations}
        keys |= {"variants that are shown": variants}
        return Settings(keys, repeated("--variant", variants)) + self.main_prompts

    @property
    def stream_remarks(self) -> Settings:
        """Sentences below the table of streams on what image towers saw, and on what prompts are weighted by."""
        return self._remarks([*tower_remarks(self._study), *prompt_remarks(self._study)])

    @property
    def remarks(self) -> Settings:
        """Sentences below the other tables on what image towers saw, and classifiers were fitted on."""
        return self._remarks([*tower_remarks(self._study), *fit_remarks(self._study)])

    @property
    def data_remarks(self) -> Settings:
        """The sentence on generated data alone."""
        return self._remarks([])

    def _remarks(self, texts: list[str]) -> Settings:
        texts = [GENERATED_DATA] * self._is_generated + texts
        return Settings({"remarks": texts} if texts else {}, repeated("--remark", texts))

    @property
    def _is_generated(self) -> bool:
        """Whether the demo generates some of the data."""
        return any(map(self._data.is_generated, (*self._study.datasets, *self._study.captions.sources)))

    @property
    def tables(self) -> Settings:
        """What tables print."""
        return self.shown + self.remarks + self.datasets

    def ood_table(self, id_dataset: str) -> Settings:
        """What the table of an ID dataset prints, with the averages over some of its OOD sets."""
        ood_datasets = {*self._study.pairs.get(id_dataset, ())}
        found = {name: sets for name, sets in self._study.averages.items() if {*sets} <= ood_datasets}
        return self.tables + Settings({"averages": found} if found else {}, _average_words(found))

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
            *_average_words(study.averages),
            *self.study.words,
            *self.shown.words,
            *self.remarks.words,
        ]
        # The text, too: the order of its keys is printed, and is in none of them.
        printed = {"text of the study": hashlib.sha256(text.encode()).hexdigest()}
        reading = [READ_FROM_GENERATED] * self._is_generated
        read = Settings({"what to read": reading} if reading else {}, repeated("--remark", reading))
        return Settings(flattened(study.model_dump(mode="json")) | printed | self.remarks, words) + read

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


def _average_words(averages: Mapping[str, Sequence[str]]) -> list[str]:
    return repeated("--average", (f"{name}:{','.join(sets)}" for name, sets in averages.items()))
