"""The typed model of a study; its JSON schema in `workflow/schemas/` is generated from it."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from clipn.demo.settings import Demo
from clipn.metrics import CONVENTION, CONVENTIONS
from clipn.scores import PLAIN_CLIP, RULES, SCORES
from clipn.study.settings.ablations import require_one_setting, varied_settings
from clipn.study.settings.backbone_seeds import require_names_of_seeds, with_backbone_seeds
from clipn.study.settings.backbones import Backbone
from clipn.study.settings.captions import Captions
from clipn.study.settings.cooked import Fits
from clipn.study.settings.imported import ImportedScores, require_own_names, require_scores_of_pairs
from clipn.study.settings.networks import Network, require_networks, require_weights
from clipn.study.settings.pairs import require_others, require_together, require_unreported, require_untested
from clipn.study.settings.prompts import require_negations, require_pools
from clipn.study.settings.runs import Run, require_checkpoints, require_known, require_once
from clipn.study.settings.streams import Adaptation, require_inputs
from clipn.study.settings.variants import AnyVariant, Soup, as_taught, require_free, require_members
from clipn.study.settings.words import require_words
from clipn.training.settings import Variant
from clipn.yaml_models import LARGEST_SCALE, MOST_RESAMPLES, MOST_THREADS, FileName, Record, Threads, require_distinct

ID_DATASETS = ("imagenet", "cifar10", "cifar100")
"""ID datasets of the paper, whose tables every study has; those of another one lie in a folder of their own."""


def _all_known(names: list[str], known: Collection[str], what: str) -> list[str]:
    require_distinct(names, what)
    for name in names:
        if name not in known:
            raise ValueError(f"no {what} {name!r}; choose among {', '.join(known)}")
    return names


class Study(Record):
    """All that a study is."""

    study: FileName = Field(description="name of the study: config/studies/<study>.yaml")
    extends: FileName | None = Field(
        default=None,
        description="another study, whose settings hold here too; only `variants`, `runs`, `ablations`, `imported`, "
        "`rules`, `conventions` and `resamples` may be set again. Its data, backbones and features serve both",
    )
    registry: str | None = Field(default=None, description="registry of datasets and caption sources")
    demo: Demo | None = Field(
        default=None, description="generate registry and archives; instead of `registry`, or beside it"
    )
    mirror: str | None = Field(
        default=None,
        description="shared folder, read only, that is used in place: archives by their names, or unpacked copies in "
        "folders called like the datasets",
    )
    cleaning: list[FileName] = Field(
        default=[], description="cleaning lists whose images get rows of their own in the tables, e.g. `ninco`"
    )
    captions: Captions = Captions()
    backbones: dict[FileName, Backbone] = Field(min_length=1)
    variants: dict[FileName, AnyVariant] = Field(
        default={}, description="ways to teach “no”; none: methods on plain CLIP alone"
    )
    runs: list[Run] = Field(default=[], description="what is trained or imported; none: methods on plain CLIP alone")
    ablations: list[FileName] = Field(
        default=[],
        description="variants that differ in one setting from the first of the runs: drawn as curves of that setting, "
        "and, unless it is `no_texts`, left out of the other figures and the printed tables",
    )
    pairs: dict[FileName, list[FileName]] = Field(
        min_length=1, description="OOD datasets of every ID dataset, which may be any with class names"
    )
    networks: dict[FileName, Network] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="networks that were trained on the classes of ID datasets, for `cooked` under `train`",
    )
    train: dict[FileName, Fits] = Field(
        default={},
        # Studies without the key print as they did before there was one; so with those below that are left out.
        exclude_if=lambda value: not value,
        description="training images of ID datasets, for classifiers that are fitted on them; a list for both kinds",
    )
    development: dict[FileName, list[FileName]] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="OOD datasets of ID datasets that greedy soups are chosen on; none of them may be under `pairs`",
    )
    baselines: list[FileName] = Field(
        default=["msp", "max_logit", "energy", "mcm"], description="methods on plain CLIP"
    )
    imported: dict[FileName, ImportedScores] = Field(
        default={}, description="methods that others computed, under names of their own"
    )
    test_time: Adaptation | None = Field(
        default=None,
        description="methods that adapt on the test stream, in a table of their own; AdaNeg needs NegLabel's words, "
        "ZPE captions",
    )
    prompts: list[str] = Field(
        default=["clipn128"],
        min_length=1,
        description="prompt pools of the class names, or text files with a template per line; figures show the first, "
        "and methods that need features of their own are scored with it alone",
    )
    negative_words: str | None = Field(
        default=None,
        description="for `neglabel` and `csp`: word list of the registry, text file with a word per line, or `wordnet` "
        "for the system's copy",
    )
    envisioned_words: dict[FileName, FileName] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="for `eoe`: word list of the registry that a language model envisioned, by ID dataset",
    )
    perturbation: float = Field(
        default=0.0014, gt=0, description="for `odin_perturbed`: step of every pixel, in units of the normalised image"
    )
    logit_scale: Annotated[float, Field(gt=0, le=LARGEST_SCALE)] | Literal["checkpoint"] = Field(
        default=100.0, description="what multiplies cosines in evaluation: released code 100; or the checkpoint's own"
    )
    rules: list[FileName] = Field(
        default=["ctw", "atd"], description="threshold-free rules; `atd_original`: unshrunk p"
    )
    conventions: list[str] = Field(
        default=[CONVENTION],
        min_length=1,
        description="readings of FPR95; tables show the first, metrics.csv has all; intervals are of `clipn` alone",
    )
    averages: dict[FileName, list[FileName]] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="further averages in tables of OOD detection, over some OOD sets of an ID dataset, by name: `near`",
    )
    resamples: int = Field(
        default=1000, ge=0, le=MOST_RESAMPLES, description="of the images, for the intervals; 0: no intervals"
    )
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="where models run")
    arithmetic: Literal["portable", "fast"] = Field(
        default="portable", description="on the CPU: the same digits on every processor with AVX2, or its fastest"
    )
    threads: Threads = Field(default=1, description="torch threads of encoding; digits depend on it")
    workers: int = Field(
        default=4,
        ge=0,
        le=MOST_THREADS,
        description="processes that decode images for online crops, per training process",
    )

    @field_validator("prompts")
    @classmethod
    def _known_pools(cls, names: list[str]) -> list[str]:
        require_pools(names)
        return names

    @field_validator("baselines")
    @classmethod
    def _plain_methods(cls, names: list[str]) -> list[str]:
        return _all_known(names, [name for name, score in SCORES.items() if not score.needs_no], "baseline")

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, names: list[str]) -> list[str]:
        return _all_known(names, RULES, "rule")

    @field_validator("conventions")
    @classmethod
    def _known_conventions(cls, names: list[str]) -> list[str]:
        return _all_known(names, CONVENTIONS, "convention")

    @model_validator(mode="before")
    @classmethod
    def _one_backbone_per_seed(cls, settings: Any) -> Any:
        return with_backbone_seeds(settings) if isinstance(settings, dict) else settings

    @model_validator(mode="after")
    def _one_origin(self) -> "Study":
        if self.registry is None and self.demo is None:
            raise ValueError("give `registry`, `demo`, or both")
        return self

    @field_validator("variants")
    @classmethod
    def _none_is_taken(cls, variants: dict[str, AnyVariant]) -> dict[str, AnyVariant]:
        require_free(variants)
        return variants

    @field_validator("pairs")
    @classmethod
    def _others_as_ood(cls, pairs: dict[str, list[str]]) -> dict[str, list[str]]:
        require_others(pairs)
        return pairs

    @model_validator(mode="after")
    def _averages_are_over_ood_sets(self) -> "Study":
        require_together(self.averages, self.pairs)
        return self

    @model_validator(mode="after")
    def _training_images_are_not_tested(self) -> "Study":
        require_untested(self.train, self.pairs)
        return self

    @model_validator(mode="after")
    def _networks_and_probes_are_there(self) -> "Study":
        require_networks(self.train, self.networks, self.backbones)
        require_weights(self.networks, generated=self.demo is not None and self.demo.training > 0)
        return self

    @model_validator(mode="after")
    def _something_is_scored(self) -> "Study":
        if not self.runs and not self.baselines and not self.train:
            raise ValueError("baselines: nothing is scored; name a method, or `runs`")
        return self

    @model_validator(mode="after")
    def _runs_are_possible(self) -> "Study":
        require_known(self.runs, self.backbones, self.variants)
        require_names_of_seeds(self.backbones, self.runs)
        if self.extends is None and any(run.shared for run in self.runs):
            raise ValueError("runs: `shared` is for a study that `extends` another; leave it out")
        require_once(self.runs)
        require_checkpoints(self.runs, self.variants)
        require_members(self.variants, [(run.backbone, run.variant, run.seeds) for run in self.runs])
        return self

    @model_validator(mode="after")
    def _development_is_never_reported(self) -> "Study":
        kinds = {run.variant: self.variants[run.variant] for run in self.runs}
        greedy = [name for name, kind in kinds.items() if isinstance(kind, Soup) and kind.kind == "greedy"]
        require_unreported(self.development, self.pairs, greedy)
        return self

    @model_validator(mode="after")
    def _negating_prompts_for_handcrafted(self) -> "Study":
        taught = [as_taught(self.variants, run.variant) for run in self.runs]
        handcrafted = any(isinstance(variant, Variant) and variant.no_texts == "handcrafted" for variant in taught)
        if handcrafted:
            require_negations(self.prompts[0])
        return self

    @model_validator(mode="after")
    def _imported_scores_are_of_the_pairs(self) -> "Study":
        require_own_names(self.imported)
        require_scores_of_pairs(self.imported, self.backbones, self.pairs)
        return self

    @model_validator(mode="after")
    def _words_for_methods(self) -> "Study":
        for name in self.envisioned_words.keys() - self.pairs.keys():
            raise ValueError(f"envisioned_words: {name} is no ID dataset of `pairs`; correct it, or leave it out")
        # The demo generates a word list, which serves all of them.
        if self.demo is None:
            require_words(self.baselines, self.negative_words, self.envisioned_words, self.pairs)
        return self

    @model_validator(mode="after")
    def _inputs_and_scale_for_streams(self) -> "Study":
        if self.test_time is None:
            return self
        has_words = self.negative_words is not None or self.demo is not None
        require_inputs(self.test_time, has_words, self.captions.sources, self.prompts[0])
        # That of a checkpoint is known to its classifiers, which change with every run on the backbone.
        if self.logit_scale == "checkpoint":
            raise ValueError("logit_scale: `test_time` needs a number, e.g. 100")
        return self

    @model_validator(mode="after")
    def _ablations_vary_one_setting(self) -> "Study":
        require_one_setting(self.ablations, self.runs, self.variants)
        return self

    @model_validator(mode="after")
    def _captions_for_training(self) -> "Study":
        trains = self.trained_runs or any(backbone.training for backbone in self.backbones.values())
        if trains and not self.captions.sources:
            raise ValueError("captions: something is trained; name `sources`")
        return self

    @property
    def base(self) -> str:
        """The variant of the first run, that ablations are compared with; without runs that of plain CLIP."""
        return self.runs[0].variant if self.runs else PLAIN_CLIP

    @property
    def shown(self) -> list[str]:
        """Variants of the runs for figures and printed tables: no ablations, but for those of the way to say "no"."""
        variants = dict.fromkeys(run.variant for run in self.runs)
        return [name for name in variants if name not in self.ablations or self.varied(name) == ["no_texts"]]

    def varied(self, name: str) -> list[str]:
        """Settings in which a variant differs from the base, among those that count for both."""
        return varied_settings(self.variants[name], self.variants[self.base])

    @property
    def trained_runs(self) -> list[Run]:
        """The runs that are trained here."""
        return [run for run in self.runs if isinstance(self.variants[run.variant], Variant)]

    @property
    def datasets(self) -> list[str]:
        """Every dataset of the pairs, and those for development, once, in order."""
        # One dataset may be ID in one pair and OOD in another; a dict keeps the order, which a set would not.
        pairs = (*self.pairs.items(), *self.development.items())
        return list(dict.fromkeys(name for id_dataset, ood in pairs for name in (id_dataset, *ood)))

    @property
    def encoded_datasets(self) -> list[str]:
        """Every dataset whose images are encoded: `datasets`, then those that classifiers are fitted on."""
        return list(dict.fromkeys([*self.datasets, *self.training_datasets]))

    @property
    def training_datasets(self) -> list[str]:
        """Datasets that classifiers are fitted on."""
        return [fit.dataset for fits in self.train.values() for fit in fits if fit.dataset]
