"""Where the weights of the study come from; no rule in here."""


def weight_record(source):
    return load_weights(WEIGHTS).weights(source)


FETCHED = {
    weight_record(source).archive.file: source
    for _, source, _ in weight_sources(study)
    if not is_weight_file(source)
}
"""File to fetch -> key of its record."""


def weight_path(source):
    """A local weight file itself, or where that of a record is fetched to."""
    if is_weight_file(source):
        return source
    return f"{STUDY}/weights/{weight_record(source).archive.file}"


def local_hash(source):
    """sha256 of a local weight file, as a parameter, so that an old date hides nothing."""
    return hashes.sha256(source) if is_weight_file(source) else "fetched"


def tag_option(backbone):
    """The open_clip tag that says how its weights want images; a local file has none."""
    tag = study.backbones[backbone].pretrained
    return "" if is_weight_file(tag) else f"--tag {shlex.quote(tag)}"


def published(wildcards):
    """Local file or key of the record of a published run."""
    return study.variants[wildcards.variant].checkpoints[int(wildcards.seed)]
