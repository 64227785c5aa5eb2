"""A linear probe that others trained, brought to the form of our own."""

from pathlib import Path

from clipn.data.description import read_classes
from clipn.errors import ClipnError
from clipn.features.stored import PROBE_FORMAT, read_image_features
from clipn.files import file_hash
from clipn.model.tensors import write_arrays
from clipn.model.weights import read_weights


def convert_probe(weights: Path, id_dataset: str, datasets: Path, features: Path, output: Path) -> None:
    """Write `weights` (classes, d) and `bias` (classes,), float64, as `clipn.evaluation.fitted.probe.write_probe` does.

    Args:
        weights: .safetensors, or .ckpt, .pt, .pth or .bin with nothing but tensors, whatever they are called.
        id_dataset: whose classes are told apart, in its order.
        datasets: folder with one indexed dataset per folder.
        features: folder with the image features of the backbone that it was trained on.
        output: file to write.

    Raises:
        ClipnError: a file is missing or damaged, or does not hold one matrix and one vector of these shapes.
    """
    classes = len(read_classes(datasets / id_dataset / "dataset.json"))
    width = read_image_features(features / f"{id_dataset}.safetensors").shape[1]
    tensors = read_weights(weights).tensors
    found = [
        [tensor for tensor in tensors.values() if tuple(tensor.shape) == shape]
        for shape in ((classes, width), (classes,))
    ]
    if any(len(of_shape) != 1 for of_shape in found):
        held = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
        raise ClipnError(
            f"{weights}: a probe of {classes} classes on features of width {width} is one tensor of shape "
            f"{(classes, width)} and one of {(classes,)}, and it holds {held:.200}; name the probe of {id_dataset} on "
            "this backbone"
        )
    arrays = {name: of_shape[0].double().numpy() for name, of_shape in zip(("weights", "bias"), found, strict=True)}
    write_arrays(output, arrays, {"format": PROBE_FORMAT, "imported": file_hash(weights)})
