"""Options of the commands that make models, and of those that encode images and texts with them."""

from clipn.study.names import SEED, RunName, family
from clipn.study.paths import log_folder
from clipn.study.rules.data_options import DataOptions
from clipn.study.rules.parameters import Settings, repeated, settings_of
from clipn.study.runs import soup_members
from clipn.study.scorings import main_pool, prompt_pools, word_methods
from clipn.study.settings.cooked import AnyFit
from clipn.study.settings.networks import id_datasets_of
from clipn.study.settings.variants import ReleasedVariant, Soup
from clipn.study.weights import image_towers, is_weight_file, tower_record
from clipn.study.word_lists import envisioned_words, word_list
from clipn.training.settings import Variant


class ModelOptions(DataOptions):
    """Settings that rules depend on which make models and features."""

    # Models

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

    # Features

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

    def prompts(self, pool: str | None = None) -> Settings:
        """A prompt pool, by default the main one, and the logit scale."""
        name = prompt_pools(self._study)[pool or main_pool(self._study)]
        return settings_of({"prompts": name, "logit_scale": self._study.logit_scale})

    @property
    def prompt_pool(self) -> Settings:
        """The main prompt pool, where no logit scale counts."""
        return settings_of({"prompts": prompt_pools(self._study)[main_pool(self._study)]})

    @property
    def pools(self) -> Settings:
        """All prompt pools."""
        return settings_of({"prompts": self._study.prompts})

    @property
    def id_datasets(self) -> Settings:
        """ID datasets, as arguments."""
        return Settings({"order of ID datasets": [*self._study.pairs]}, [*self._study.pairs])

    def runs_of(self, backbone: str) -> Settings:
        """Checkpoints of the runs on a backbone."""
        names = self._paths.runs_of(backbone)
        texts = (f"{name.variant}/{SEED}{name.seed}:{self._paths.run(name)}" for name in names)
        return Settings({}, repeated("--checkpoint", texts))

    @property
    def features(self) -> Settings:
        """Folder of the features of all backbones."""
        return Settings({}, ["--features", self._paths.all_features_folder])

    def training_images(self, id_dataset: str, fit: AnyFit) -> Settings:
        """What a classifier of an ID dataset is fitted on; the seed is that of the output."""
        images = fit.model_dump(include={"dataset", "shots", "alpha"})
        options = settings_of(images, f"train.{id_dataset}", {"dataset": "train"})
        return options + self.datasets + self._recorded_arithmetic

    def generated_network(self, name: str) -> Settings:
        """A network that is fitted on training images of the demo."""
        demo = self._study.demo
        assert demo is not None
        model = settings_of({"model": self._study.networks[name].model}, f"networks.{name}")
        return model + settings_of({"seed": demo.seed}, "demo") + self._recorded_arithmetic

    def network(self, name: str) -> Settings:
        """A network, and the ID datasets whose rows use it."""
        network = self._study.networks[name]
        users = id_datasets_of(self._study.train, name)
        # The weights are an input; their key makes a change of them known by name.
        keys = {f"networks.{name}.weights": network.weights, f"ID datasets of {name}": users}
        model = settings_of({"model": network.model}, f"networks.{name}")
        return model + Settings(keys, repeated("--id-dataset", users)) + self.datasets + self.model
