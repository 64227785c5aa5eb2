"""Options of the commands that bring data, captions and shards, and what all commands share."""

from collections.abc import Sequence

from clipn.data.settings import CaptionPreparation
from clipn.study.config import Study
from clipn.study.data import StudyData
from clipn.study.paths import StudyPaths
from clipn.study.rules.parameters import Settings, repeated, settings_of
from clipn.study.scorings import id_and_ood


class DataOptions:
    """Settings that rules depend on which make data, and those that others share.

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

    def images_and_classes(self, id_dataset: str) -> Settings:
        """An ID dataset and its OOD datasets, as arguments, where they lie, and how they are encoded."""
        names = id_and_ood(self._study, id_dataset)
        return (
            Settings({f"pairs.{id_dataset}": names[1:]}, names) + self.images_of_all(names) + self.datasets + self.model
        )

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

    @property
    def device(self) -> Settings:
        """Where models run, with which kernels."""
        return settings_of({"device": self._study.device}) + self._recorded_arithmetic

    @property
    def model(self) -> Settings:
        """Device and threads of encoding."""
        return self.device + settings_of({"threads": self._study.threads})
