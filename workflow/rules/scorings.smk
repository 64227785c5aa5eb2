"""What is scored, under which prompt pools, and from which features; no rule in here."""

OWN_FEATURES = {"negatives", "perturbed"}
"""What some methods need that is no function of a dataset's cached features."""


def scored_paths(folder, ending):
    """One path per scoring, `<backbone>/<variant>/<prompts>/seed<k>`: of every backbone for the methods on plain CLIP,
    then of the runs, each under every prompt pool that suits it."""
    plain = [
        f"{name}/{PLAIN}/{pool}/seed0"
        for name in study.backbones
        for pool in POOLS
        if baselines(pool)
    ]
    taught = [
        f"{run.backbone}/{run.variant}/{pool}/seed{seed}"
        for run in study.runs
        for pool in POOLS
        if suits(run.variant, pool)
        for seed in run.seeds
    ]
    return [f"{STUDY}/{folder}/{run}{ending}" for run in [*plain, *taught]]


def baselines(pool):
    """Methods on plain CLIP under a prompt pool; those with features of their own come with the main pool alone."""
    return [
        name
        for name in study.baselines
        if pool == MAIN_POOL or not OWN_FEATURES & set(SCORES[name].needs)
    ]


def suits(variant, pool):
    """Whether a pool can say "no" to a variant: one that was taught by negated texts needs them in evaluation, too."""
    taught = study.variants[variant]
    handcrafted = variant in TAUGHT and taught.no_texts == "handcrafted"
    return has_negations(POOLS[pool]) or not handcrafted


def methods(wildcards):
    """What a scoring computes: the methods of a taught "no" tower, or those on plain CLIP."""
    return baselines(wildcards.prompts) if wildcards.variant == PLAIN else CLIPN_METHODS


def score_files(wildcards):
    """The checkpoint of a run; for the methods on plain CLIP, the backbone and the features that some have to themselves."""
    if wildcards.variant != PLAIN:
        return {
            "checkpoint": f"{STUDY}/runs/{wildcards.backbone}/{wildcards.variant}/seed{wildcards.seed}.safetensors"
        }
    files = {"backbone": f"{STUDY}/backbones/{wildcards.backbone}.safetensors"}
    needs = {need for name in methods(wildcards) for need in SCORES[name].needs}
    return files | own_features(wildcards.backbone, needs)


def own_features(backbone, needs):
    """Features that some methods have to themselves, by what they need."""
    folder = f"{STUDY}/features/{backbone}"
    files = {}
    if "negatives" in needs:
        files["negatives"] = [
            f"{folder}/negative_labels/{known}.safetensors" for known in study.pairs
        ]
    if "perturbed" in needs:
        files["perturbed"] = [
            f"{folder}/perturbed/{known}.safetensors" for known in study.pairs
        ]
    return files


def word_hash():
    """Hash of the system's words, which are no file of the project; None for another list, or while they are missing."""
    wanted = "neglabel" in study.baselines and study.negative_words == WORDNET
    if wanted and WORDNET_FOLDER.is_dir():
        return words_hash(or_exit(read_words, WORDNET))
    return None


def word_file():
    """The words that NegLabel chooses from, where they are a file."""
    if study.demo and study.negative_words is None:
        return [f"{STUDY}/archives/mirror/words.txt"]
    return [study.negative_words] if study.negative_words not in (None, WORDNET) else []
