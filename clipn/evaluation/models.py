"""Models that a person names: by path, by record of the registry, or by tag of open_clip."""

from pathlib import Path

import open_clip

from clipn.data.download import fetch_archive
from clipn.data.packaged import cache_folder, packaged_project
from clipn.data.registry import DOWNLOADS
from clipn.data.weights_registry import WEIGHTS, load_weights
from clipn.errors import ClipnError
from clipn.model import opening
from clipn.model.clipn import CLIP, CLIPN
from clipn.model.source import ModelSource


def load(path: str | Path, device: str = "cpu") -> CLIPN:
    """The CLIPN of a checkpoint of this project, or of one that the authors published (.pt, read as weights only).

    In evaluation mode, with all towers frozen.

    Args:
        path: its file; or, if text, a name as for `find_model`.
        device: where to.

    Raises:
        ClipnError: missing, damaged or foreign file, one of plain CLIP, or an unknown name.
    """
    model = open_model(path, device)
    if not isinstance(model, CLIPN):
        raise ClipnError(f'{path}: is plain CLIP, without a "no" tower; open it by `clipn.open_model({str(path)!r})`')
    return model


def open_model(source: str | Path | ModelSource, device: str = "cpu") -> CLIP:
    """A model in evaluation mode and frozen; a `CLIPN` if it has a "no" tower.

    Args:
        source: a checkpoint or backbone of this project; weights of CLIP or CLIPN as .safetensors, .pt, .pth, .bin or
            .ckpt; a folder in the layout of open_clip's hub; or, if text, a name as for `find_model`.
        device: where to.

    Raises:
        ClipnError: missing, damaged or foreign file, an architecture that cannot be told, or an unknown name.
    """
    return opening.open_model(find_model(source) if isinstance(source, str) else source, device)


def find_model(name: str, architecture: str | None = None) -> ModelSource:
    """Where a model is; fetched first, if need be.

    Args:
        name: path of a weight file or of a folder of open_clip's hub; key of a record of `WEIGHTS`, of the package's
            own where the working directory has none; or NAME/TAG of open_clip, which then fetches it from its hub to
            its own cache.
        architecture: of a weight file whose shapes do not tell it.

    Raises:
        ClipnError: it is none of these, or it could not be fetched.
    """
    if Path(name).exists():
        return ModelSource(Path(name), architecture)
    in_project = WEIGHTS.is_file()
    registry = WEIGHTS if in_project else packaged_project() / WEIGHTS
    downloads = DOWNLOADS if in_project else cache_folder()
    known = load_weights(registry).models
    if name in known:
        record = known[name]
        output = downloads / record.archive.file
        fetch_archive(record.archive, registry.parent, output, downloads)
        return ModelSource(output, record.architecture, record.tag)
    architecture_name, _, tag = name.rpartition("/")
    if not open_clip.get_pretrained_cfg(architecture_name, tag):
        examples = ", ".join(known)
        raise ClipnError(f"model {name}: no file, no folder, and no NAME/TAG of open_clip; name one, e.g. {examples}")
    return ModelSource(_from_hub(architecture_name, tag), architecture_name, tag)


def _from_hub(name: str, tag: str) -> Path:
    try:
        return Path(open_clip.download_pretrained(open_clip.get_pretrained_cfg(name, tag), prefer_hf_hub=True))
    except Exception as error:  # whatever the hub's client raises
        reason = f"could not be fetched ({type(error).__name__}: {error})"
        raise ClipnError(f"model {name}/{tag}: {reason}; check the network, or name a file") from error
