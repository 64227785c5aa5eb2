"""What the text tower of a backbone says of the words that methods set against the ID classes."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from clipn.data.description import read_classes
from clipn.errors import ClipnError
from clipn.features.negative_labels import cache_negative_labels
from clipn.features.outliers import cache_outliers
from clipn.features.stored import WORD_FEATURES
from clipn.features.texts import TextEncoder
from clipn.text import csp
from clipn.text.wordlists import Wordlists, read_words


def write_words(
    backbone: Path,
    names: Sequence[str],
    datasets: Path,
    methods: Collection[str],
    words: str | None,
    envisioned: Mapping[str, str],
    output: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write `<output>/<folder of the method>/<ID dataset>.safetensors`, as by the `cache_` functions.

    Args:
        backbone: backbone file.
        names: of the ID datasets.
        datasets: folder with one indexed dataset per folder.
        methods: keys of `WORD_FEATURES`.
        words: for NegLabel and CSP, as for `clipn.text.wordlists.read_words`.
        envisioned: for EOE, a file of words for every ID dataset.
        output: folder to write to.
        device: `cpu` or `cuda`.
        threads: of torch; digits depend on it.

    Raises:
        ClipnError: there is no such method, a file is missing or damaged, a list is not named, no class is, or there
            are too few words.
    """
    for method in methods:
        if method not in WORD_FEATURES:
            raise ClipnError(f"--method {method}: choose one of {', '.join(WORD_FEATURES)}")
    classes = {name: read_classes(datasets / name / "dataset.json") for name in names}
    lists = {method: _candidates(method, words) for method in methods if method != "eoe"}
    outliers = {name: _envisioned(name, envisioned) for name in (names if "eoe" in methods else ())}
    encoder = TextEncoder(backbone, device, threads)
    for method, candidates in lists.items():
        folder = output / WORD_FEATURES[method].folder
        files = {folder / f"{name}.safetensors": classes[name] for name in names}
        cache_negative_labels(encoder, files, candidates, method)
    for name, listed in outliers.items():
        cache_outliers(encoder, classes[name], listed, output / WORD_FEATURES["eoe"].folder / f"{name}.safetensors")


def _candidates(method: str, words: str | None) -> Wordlists:
    if words is None:
        raise ClipnError(f"--words: {method} chooses from a word list; name a file, or `wordnet`")
    return csp.conjugated(read_words(words, left_out=csp.LEFT_OUT)) if method == "csp" else read_words(words)


def _envisioned(name: str, files: Mapping[str, str]) -> Sequence[str]:
    if name not in files:
        raise ClipnError(f"--envisioned: eoe needs the words that were envisioned for {name}; write {name}:FILE")
    return read_words(files[name])["noun"]
