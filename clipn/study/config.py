"""The typed model of a study; its JSON schema in `workflow/schemas/` is generated from it."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from clipn.adaptation import ADAPTIVE
from clipn.data.settings import CaptionPreparation, Crawl
from clipn.demo.settings import Demo
from clipn.errors import ClipnError
from clipn.metrics import CONVENTION, CONVENTIONS
from clipn.scores import COLUMNS, FITTED, IMPORTED, PLAIN_CLIP, RULES, SCORES
from clipn.study.backbone_seeds import with_backbone_seeds
from clipn.study.few_shot import FewShot
from clipn.study.names import family, seed_of
from clipn.study.streams import Adaptation, require_inputs
from clipn.study.variants import AnyVariant, ReleasedVariant, Soup, as_taught, require_members
from clipn.text.prompts import NO_POOLS, has_negations, pool_hash, pool_name
from clipn.training.settings import BackboneTraining, Variant
from clipn.yaml_models import LARGEST_SCALE, MOST_RESAMPLES, MOST_THREADS, Record, Seed, Threads

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
ID_DATASETS = ("imagenet", "cifar10", "cifar100")
"""ID datasets of the paper, whose tables every study has; those of another one lie in a folder of their own."""


def _require_distinct(values: Sequence[object], what: str) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"a {what} occurs twice; name each once")


class Backbone(Record):
    """An open_clip model, pretrained or trained by the pipeline."""

    architecture: str = Field(description="open_clip name or path of a JSON file of the same form")
    pretrained: str | None = Field(
        default=None, description="open_clip tag of a record in config/weights.yaml, or local weight file"
    )
    training: BackboneTraining | None = Field(default=None, description="how to train it; instead of `pretrained`")
    image_tower: str | None = Field(
        default=None,
        description="tower of timm that training starts from: record in config/weights.yaml, or local weight file",
    )
    seeds: list[Seed] | None = Field(
        default=None,
        min_length=1,
        description="one training for each, called NAME.seedK; run K of a variant is then on that of seed K",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> "Backbone":
        if (self.pretrained is None) == (self.training is None):
            raise ValueError("give either `pretrained` or `training`")
        if self.training is None and (self.image_tower or self.seeds):
            raise ValueError("`image_tower` and `seeds` are for a backbone with `training`; leave them out")
        if self.seeds:
            raise ValueError("seeds: name each once, and no `seed` under `training` beside them")
        if self.training and self.training.lock_images and self.image_tower is None:
            raise ValueError("training.lock_images: needs `image_tower`; name what is locked")
        return self

    @property
    def locked(self) -> bool:
        """Whether its image tower is locked in training."""
        return self.training is not None and self.training.lock_images


class Run(Record):
    """Trainings of one variant on one backbone, or published checkpoints of it."""

    backbone: Name
    variant: Name
    seeds: list[Seed] = Field(
        min_length=1, description="one training each; of a released variant the numbers of its checkpoints"
    )
    shared: bool = Field(default=False, description="whether these are runs of the study that this one extends")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        _require_distinct(seeds, "seed")
        return seeds


class ImportedScores(Record):
    """Scores of a method that others computed, which `clipn scores import` enters."""

    backbone: Name = Field(description="backbone of the study that they were computed on")
    higher: Literal["id", "ood"] = Field(description="what has higher scores")
    column: str = Field(default="score", description="column, or array of an NPZ file, that holds the scores")
    files: dict[Name, dict[Name, str]] = Field(
        min_length=1, description="ID dataset -> itself and its OOD datasets -> CSV, Parquet or NPZ"
    )


class Captions(CaptionPreparation):
    """Which captions, what becomes of them, and into how many shards they go."""

    sources: list[Name] = Field(default=[], description="caption sources of the registry; needed for training only")
    shards: int = Field(default=4, ge=1, le=100_000, description="number of WebDataset shards")
    crawl: Crawl = Field(default=Crawl(), description="how images without an archive are fetched from the web")

    @field_validator("sources")
    @classmethod
    def _distinct(cls, sources: list[str]) -> list[str]:
        _require_distinct(sources, "source")
        return sources


def _all_known(names: list[str], known: Collection[str], what: str) -> list[str]:
    _require_distinct(names, what)
    for name in names:
        if name not in known:
            raise ValueError(f"no {what} {name!r}; choose among {', '.join(known)}")
    return names


def _in_effect(variant: AnyVariant) -> dict[str, Any]:
    """Settings of a variant that its way to say "no" makes use of."""
    settings = variant.model_dump()
    # A setting that does nothing must not count as a second difference of an ablation.
    idle = ("templates",) if settings.get("no_texts") == "learnable" else ("prompts", "tokens")
    return {key: value for key, value in settings.items() if key not in idle}


class Study(Record):
    """All that a study is."""

    study: Name = Field(description="name of the study: config/studies/<study>.yaml")
    extends: Name | None = Field(
        default=None,
        description="another study, whose settings hold here too; only `variants`, `runs`, `ablations`, `imported`, "
        "`rules`, `conventions` and `resamples` may be said anew. Its data, backbones and features serve both",
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
    cleaning: list[Name] = Field(
        default=[], description="cleaning lists whose images get rows of their own in the tables, e.g. `ninco`"
    )
    captions: Captions = Captions()
    backbones: dict[Name, Backbone] = Field(min_length=1)
    variants: dict[Name, AnyVariant] = Field(
        default={}, description="ways to teach “no”; none: methods on plain CLIP alone"
    )
    runs: list[Run] = Field(default=[], description="what is trained or imported; none: methods on plain CLIP alone")
    ablations: list[Name] = Field(
        default=[],
        description="variants that differ in one setting from the first of the runs: drawn as curves of that setting, "
        "and, unless it is `no_texts`, left out of the other figures and the printed tables",
    )
    pairs: dict[Name, list[Name]] = Field(
        min_length=1, description="OOD datasets of every ID dataset, which may be any with class names"
    )
    train: dict[Name, FewShot] = Field(
        default={},
        # Studies without the key print as they did before there was one; so with those below that are left out.
        exclude_if=lambda value: not value,
        description="training images of ID datasets, for classifiers that are fitted on them",
    )
    development: dict[Name, list[Name]] = Field(
        default={},
        exclude_if=lambda value: not value,
        description="OOD datasets of ID datasets that greedy soups are chosen on; none of them may be under `pairs`",
    )
    baselines: list[Name] = Field(default=["msp", "max_logit", "energy", "mcm"], description="methods on plain CLIP")
    imported: dict[Name, ImportedScores] = Field(
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
    envisioned_words: dict[Name, Name] = Field(
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
    rules: list[Name] = Field(default=["ctw", "atd"], description="threshold-free rules; `atd_original`: unshrunk p")
    conventions: list[str] = Field(
        default=[CONVENTION],
        min_length=1,
        description="readings of FPR95; tables show the first, metrics.csv has all; intervals are of `clipn` alone",
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
        try:
            pools = {pool_name(name): pool_hash(name) for name in names}
        except ClipnError as error:
            raise ValueError(str(error).removeprefix("prompts: ")) from error
        if IMPORTED in pools:
            raise ValueError(f"{IMPORTED!r} is what scores of others are kept under; rename the file")
        # Scores lie in a folder per name, so `a/mine.txt` and `b/mine.txt` would overwrite each other.
        if len(pools) < len(names):
            raise ValueError("two pools have the same name; name each once")
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
        if PLAIN_CLIP in variants:
            raise ValueError(f"{PLAIN_CLIP!r} names the methods on plain CLIP; call the variant otherwise")
        if taken := [name for name in variants if name.startswith(FITTED)]:
            raise ValueError(f"{taken[0]}: {FITTED!r} begins names of fitted classifiers; call the variant otherwise")
        return variants

    @field_validator("pairs")
    @classmethod
    def _others_as_ood(cls, pairs: dict[str, list[str]]) -> dict[str, list[str]]:
        for id_dataset, ood_datasets in pairs.items():
            if not ood_datasets or id_dataset in ood_datasets or len(set(ood_datasets)) < len(ood_datasets):
                raise ValueError(f"{id_dataset}: name one or more other datasets, each once")
        return pairs

    @model_validator(mode="after")
    def _training_images_are_of_id_datasets(self) -> "Study":
        for id_dataset, images in self.train.items():
            if id_dataset not in self.pairs:
                raise ValueError(f"train: {id_dataset} is no ID dataset; name one of {', '.join(self.pairs)}")
            if images.dataset in (id_dataset, *self.pairs[id_dataset]):
                raise ValueError(
                    f"train.{id_dataset}.dataset: {images.dataset} is tested in `pairs`; name other images to fit on"
                )
        return self

    @model_validator(mode="after")
    def _something_is_scored(self) -> "Study":
        if not self.runs and not self.baselines and not self.train:
            raise ValueError("baselines: nothing is scored; name a method, or `runs`")
        return self

    @model_validator(mode="after")
    def _runs_name_what_exists(self) -> "Study":
        for run in self.runs:
            if run.backbone not in self.backbones:
                raise ValueError(f"runs: no backbone {run.backbone!r}; it must be one of {', '.join(self.backbones)}")
            if run.variant not in self.variants:
                raise ValueError(f"runs: no variant {run.variant!r}; it must be one of {', '.join(self.variants)}")
        return self

    @model_validator(mode="after")
    def _names_of_seeds_are_what_they_say(self) -> "Study":
        firsts: dict[str, Backbone] = {}
        for name, backbone in self.backbones.items():
            seed, several = seed_of(name), family(name)
            if seed is None or backbone.training is None:
                alike = seed is None
            else:
                without = backbone.model_copy(update={"training": backbone.training.model_copy(update={"seed": 0})})
                runs = [run.seeds for run in self.runs if run.backbone == name]
                alike = backbone.training.seed == seed and firsts.setdefault(several, without) == without
                alike = alike and several not in self.backbones and all(seeds == [seed] for seeds in runs)
            if not alike:
                told = f"is what the training of {several} with seed {seed} is called, and its run"
                raise ValueError(f"backbones: {name} {told}; call it otherwise, or give {several} `seeds`")
        return self

    @model_validator(mode="after")
    def _shared_runs_are_of_another_study(self) -> "Study":
        if self.extends is None and any(run.shared for run in self.runs):
            raise ValueError("runs: `shared` is for a study that `extends` another; leave it out")
        return self

    @model_validator(mode="after")
    def _runs_are_distinct(self) -> "Study":
        every = [(run.backbone, run.variant, seed) for run in self.runs for seed in run.seeds]
        for backbone, variant, seed in every:
            if every.count((backbone, variant, seed)) > 1:
                raise ValueError(f"runs: {backbone}/{variant} with seed {seed} is named twice; name it once")
        return self

    @model_validator(mode="after")
    def _released_runs_have_checkpoints(self) -> "Study":
        for run in self.runs:
            variant = self.variants[run.variant]
            numbers_there_are = variant.checkpoints if isinstance(variant, ReleasedVariant) else run.seeds
            for seed in run.seeds:
                if seed not in numbers_there_are:
                    numbers = ", ".join(map(str, numbers_there_are))
                    raise ValueError(f"runs: {run.variant} has no checkpoint {seed}; `seeds` must be among {numbers}")
        return self

    @model_validator(mode="after")
    def _soups_have_members(self) -> "Study":
        require_members(self.variants, [(run.backbone, run.variant, run.seeds) for run in self.runs])
        return self

    @model_validator(mode="after")
    def _development_is_never_reported(self) -> "Study":
        kinds = {run.variant: self.variants[run.variant] for run in self.runs}
        greedy = [name for name, kind in kinds.items() if isinstance(kind, Soup) and kind.kind == "greedy"]
        if greedy and not self.development:
            raise ValueError(f"development: {greedy[0]} is chosen on it; name an ID dataset and OOD datasets for it")
        reported = {name for id_dataset, ood in self.pairs.items() for name in (id_dataset, *ood)}
        for id_dataset, ood_datasets in self.development.items():
            if id_dataset not in self.pairs:
                known = ", ".join(self.pairs)
                raise ValueError(f"development: {id_dataset!r} is no ID dataset of `pairs`; choose among {known}")
            if not ood_datasets or len(set(ood_datasets)) < len(ood_datasets):
                raise ValueError(f"development.{id_dataset}: name one or more datasets, each once")
            for name in ood_datasets:
                if name in reported:
                    raise ValueError(f"development.{id_dataset}: {name} is under `pairs`; name datasets that are not")
        return self

    @model_validator(mode="after")
    def _negating_prompts_for_handcrafted(self) -> "Study":
        taught = [as_taught(self.variants, run.variant) for run in self.runs]
        handcrafted = any(isinstance(variant, Variant) and variant.no_texts == "handcrafted" for variant in taught)
        if handcrafted and not has_negations(self.prompts[0]):
            pools = ", ".join(NO_POOLS)
            raise ValueError(f"prompts: for hand-crafted runs name one of {pools} first, or a file with its `_no.txt`")
        return self

    @model_validator(mode="after")
    def _imported_scores_are_of_the_pairs(self) -> "Study":
        for name, scores in self.imported.items():
            if name in SCORES or name in RULES:
                raise ValueError(f"imported: {name!r} is a method of our own; choose another name")
            if name in ADAPTIVE:
                raise ValueError(
                    f"imported: {name!r} adapts on the test stream, and stands beside no other score; leave it out"
                )
            if name in COLUMNS or name.startswith(("clean_", "accepts_")):
                raise ValueError(f"imported: {name!r} is a column of score files; choose another name")
            if scores.backbone not in self.backbones:
                known = ", ".join(self.backbones)
                raise ValueError(f"imported.{name}.backbone: no backbone {scores.backbone!r}; choose among {known}")
            for id_dataset, files in scores.files.items():
                expected = {id_dataset, *self.pairs.get(id_dataset, [])}
                if id_dataset not in self.pairs or files.keys() != expected:
                    sets = ", ".join(sorted(expected)) if id_dataset in self.pairs else f"no pair of {id_dataset}"
                    raise ValueError(f"imported.{name}.files.{id_dataset}: name a file of each of its sets: {sets}")
        return self

    @model_validator(mode="after")
    def _words_for_methods(self) -> "Study":
        for name in self.envisioned_words.keys() - self.pairs.keys():
            raise ValueError(f"envisioned_words: {name} is no ID dataset of `pairs`; correct it, or leave it out")
        # The demo generates a word list, which serves all of them.
        if self.demo is None:
            for method in ("neglabel", "csp"):
                if method in self.baselines and self.negative_words is None:
                    raise ValueError(f"negative_words: `{method}` needs a word list; name one, or `wordnet`")
            missing = [name for name in self.pairs if name not in self.envisioned_words]
            if "eoe" in self.baselines and missing:
                raise ValueError(f"envisioned_words: `eoe` needs words for {missing[0]}; name a list of the registry")
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
        for name in self.ablations:
            if name not in {run.variant for run in self.runs}:
                raise ValueError(f"ablations: {name!r} is not among the runs; add it there")
            if len(self.varied(name)) != 1:
                differs = ", ".join(self.varied(name)) or "nothing"
                raise ValueError(f"ablations: {name} differs from {self.base} in {differs}; vary one setting")
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
        own, base = (_in_effect(self.variants[variant]) for variant in (name, self.base))
        return [key for key in base if key in own and own[key] != base[key]]

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
        return list(dict.fromkeys([*self.datasets, *(images.dataset for images in self.train.values())]))
