"""What must hold of the word lists of a study, which methods set against its ID classes."""

from collections.abc import Collection


def require_words(
    methods: Collection[str], negative: str | None, envisioned: Collection[str], id_datasets: Collection[str]
) -> None:
    """Refuse methods without their words.

    Args:
        methods: on plain CLIP.
        negative: word list of `neglabel` and `csp`.
        envisioned: ID datasets with words for `eoe`.
        id_datasets: of the pairs.

    Raises:
        ValueError: a method lacks its words.
    """
    for method in ("neglabel", "csp"):
        if method in methods and negative is None:
            raise ValueError(f"negative_words: `{method}` needs a word list; name one, or `wordnet`")
    missing = [name for name in id_datasets if name not in envisioned]
    if "eoe" in methods and missing:
        raise ValueError(f"envisioned_words: `eoe` needs words for {missing[0]}; name a list of the registry")
