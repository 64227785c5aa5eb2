"""How many samples, images, classes and texts a study has, as its registry expects them."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from clipn.data.location import locate
from clipn.data.readers import class_names
from clipn.data.registry import DOWNLOADS, CaptionSource, Dataset
from clipn.demo.settings import TRAINING
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.scorings import own_features, word_methods
from clipn.study.settings.cooked import AnyFit
from clipn.study.word_lists import word_list
from clipn.text import csp
from clipn.text.prompts import prompt_pool
from clipn.text.wordlists import WORDNET, read_words
from clipn.training.sampler import Sampler
from clipn.training.settings import Variant

CLASSES = {"imagenet": 1000, "cifar10": 10, "cifar100": 100}
"""Of datasets whose archives, in an official layout, name them."""
WORDNET_WORDS = 139_000
"""Nouns and adjectives of WordNet 3.0."""
ENVISIONED = 500
"""Outliers that EOE asks a language model for, per ID dataset."""


class StudySizes:
    """The sizes of a study.

    Attributes:
        unknown: what the registry does not say; it counts for nothing.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self._data = StudyData(study)

    @cached_property
    def samples(self) -> dict[str, int]:
        """Image-caption samples by source: those that the paper trained on where that is known, else all."""
        return {name: self._samples(name) or 0 for name in self.study.captions.sources}

    @cached_property
    def images(self) -> dict[str, int]:
        """Images by dataset."""
        return {name: self._images(name) or 0 for name in self.study.encoded_datasets}

    @property
    def unknown(self) -> list[str]:
        """Sources, datasets and the word list whose number, also of classes, is not in the registry."""
        sources = [name for name in self.study.captions.sources if self._samples(name) is None]
        images = [name for name in self.study.encoded_datasets if self._images(name) is None]
        classes = [name for name in self.study.pairs if not self._classes(name)]
        words = [str(self.study.negative_words)] if self._words() is None else []
        return list(dict.fromkeys([*sources, *images, *classes, *words]))

    @property
    def total(self) -> int:
        """All samples."""
        return sum(self.samples.values())

    def samples_of_run(self, variant: Variant) -> int:
        """Samples of all epochs of a run."""
        sampler = Sampler(self.total, variant.batch_size, variant.epochs, 0, variant.share)
        return sampler.samples_per_epoch * variant.epochs

    def classes(self, id_dataset: str) -> int:
        """Classes of an ID dataset."""
        return self._classes(id_dataset) or 0

    def class_texts(self, pool: str, id_datasets: Iterable[str] | None = None) -> int:
        """Texts that name the classes of ID datasets, by default of all, in every template of a pool."""
        return len(prompt_pool(pool)) * sum(map(self.classes, self.study.pairs if id_datasets is None else id_datasets))

    def training_images(self, id_dataset: str, fit: AnyFit) -> int:
        """Images that a classifier of an ID dataset is fitted on; none where others trained it."""
        if fit.dataset is None:
            return 0
        return self.images[fit.dataset] if fit.shots == "all" else fit.shots * self.classes(id_dataset)

    def under_classes(self, need: str) -> tuple[int, int]:
        """Images that are perturbed, or whose patches are compared; and class texts that are encoded for that.

        Args:
            need: `perturbed` or `local`; without a method that needs it there are none.
        """
        if need not in own_features(self.study.baselines):
            return 0, 0
        # An OOD dataset counts once for every ID dataset, with whose classes it is compared each time.
        every = [name for id_dataset, others in self.study.pairs.items() for name in (id_dataset, *others)]
        return sum(self.images[name] for name in every), self.class_texts(self.study.prompts[0])

    @property
    def words(self) -> int:
        """Words that negative labels are chosen from."""
        return self._words() or 0

    def weighted_texts(self) -> int:
        """Class texts that are encoded once more, for the method that weighs their prompts."""
        test_time = self.study.test_time
        return self.class_texts(self.study.prompts[0]) if test_time and test_time.weighs_prompts else 0

    def word_texts(self) -> int:
        """Texts of the words that methods set against the ID classes; none without such a method."""
        methods, words = word_methods(self.study), self.words
        templates = {"neglabel": 1, "csp": len(csp.NOUN_TEMPLATES)}
        chosen_from = sum(words * templates[method] for method in methods if method != "eoe")
        return chosen_from + (ENVISIONED * len(self.study.pairs) if "eoe" in methods else 0)

    def _words(self) -> int | None:
        """Words that negative labels are chosen from; None: their list is still to be fetched."""
        source = self.study.negative_words
        if source is None or not {"neglabel", "csp"} & {*word_methods(self.study)}:
            return 0
        # Counting must not need the system's WordNet.
        if source == WORDNET:
            return WORDNET_WORDS
        file = word_list(StudyPaths(self.study, self._data), source)
        return len(read_words(file)["noun"]) if file is not None and Path(file).is_file() else None

    def _samples(self, name: str) -> int | None:
        record = self._data.record(name)
        if self.study.demo and self._data.is_generated(name):
            return self.study.demo.captions
        return record.expected if isinstance(record, CaptionSource) else None

    def _classes(self, name: str) -> int | None:
        """Classes of a dataset: those of its record, of its folder, or of its official archive; None: unknown."""
        record = self._data.record(name)
        if not isinstance(record, Dataset):
            return CLASSES.get(name)
        if record.class_list is not None:
            # The list may still have to be fetched.
            return None
        if record.classes is None and record.folder is not None:
            return len(class_names(locate(record, DOWNLOADS, self._data.base)))
        return len(record.classes) if isinstance(record.classes, list) else CLASSES.get(record.classes or name)

    def _images(self, name: str) -> int | None:
        record = self._data.record(name)
        if self.study.demo and self._data.is_generated(name):
            return self.study.demo.training if name == TRAINING else self.study.demo.images
        return record.images if isinstance(record, Dataset) else None
