"""Files of a study that are shown and pulled together: of a folder or a stage, and below it of a backbone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from clipn.provenance.stages import Stage, home
from clipn.provenance.store.lookup import StoredFile


@dataclass
class Part:
    """Some files of a stage.

    Attributes:
        name: as it is shown.
        stage: the stage that made them.
        targets: what `dvc pull` is given to get them.
        files: what is known of them.
        backbones: the parts of single backbones; none where some file belongs to no backbone.
    """

    name: str
    stage: Stage
    targets: list[str]
    files: list[StoredFile]
    backbones: list["Part"] = field(default_factory=list)

    @property
    def is_records(self) -> bool:
        """Whether it is the file that says how the others of its stage were made."""
        return self.targets == [self.stage.records]

    @property
    def missing(self) -> list[StoredFile]:
        """Those at whose paths nothing lies, though DVC can put something there."""
        return [file for file in self.files if not file.in_place and (file.is_here or file.is_stored)]


def parts(files: Iterable[StoredFile], stages: Iterable[Stage], study: str, backbones: Collection[str]) -> list[Part]:
    """The files of a study by folder, where its stage is made of folders, and otherwise by stage.

    Args:
        files: of the study.
        stages: of dvc.yaml, whose order the parts have.
        study: name of the study.
        backbones: names of its backbones.
    """
    found = []
    known = list(files)
    for stage in stages:
        own = [file for file in known if file.stage == stage.name]
        if {*stage.outputs} != {stage.records, *stage.folders}:
            found.append(Part(stage.name, stage, [stage.name], own))
            continue
        for path in stage.outputs:
            inside = [file for file in own if file.path == path or file.path.startswith(f"{path}/")]
            part = Part(path.removeprefix(home(study)), stage, [path], inside)
            part.backbones = _by_backbone(part, backbones)
            found.append(part)
    return [part for part in found if part.files]


def _by_backbone(part: Part, backbones: Collection[str]) -> list[Part]:
    """A part by backbone, as a folder or a file of each is named; nothing if that of some file is not."""
    (folder,), found = part.targets, dict[str, Part]()
    for file in part.files:
        names = PurePath(file.path).relative_to(folder).parts
        # Of a file without its ending: a name may have dots itself.
        depth = next((i for i, name in enumerate(names) if {name, PurePath(name).stem} & {*backbones}), None)
        if depth is None:
            return []
        name = names[depth] if names[depth] in backbones else PurePath(names[depth]).stem
        own = found.setdefault(name, Part(name, part.stage, [], []))
        own.files.append(file)
        own.targets = list(dict.fromkeys([*own.targets, "/".join([folder, *names[: depth + 1]])]))
    return list(found.values())


def pulls(shown: Sequence[Part]) -> list[tuple[list[str], list[StoredFile]]]:
    """What `dvc pull` is given to put what is missing in its place, each time with the files that come by it.

    With a part come the records of its stage, without which a run takes no file for made.

    Args:
        shown: all parts of a study.
    """
    records = {part.stage.name: part for part in shown if part.is_records and part.missing}
    found, alone = [], dict(records)
    for part in shown:
        for wanted in part.backbones if len(part.backbones) > 1 else [part]:
            if wanted.missing and not wanted.is_records:
                together = [records[part.stage.name], wanted] if part.stage.name in records else [wanted]
                found.append(_together(together))
                alone.pop(part.stage.name, None)
    return found + [_together([part]) for part in alone.values()]


def _together(wanted: Sequence[Part]) -> tuple[list[str], list[StoredFile]]:
    return [target for part in wanted for target in part.targets], [file for part in wanted for file in part.missing]
