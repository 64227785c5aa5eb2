"""What tables say of methods that weigh prompts."""

from clipn.study.config import Study
from clipn.text.prompts import pool_name


def prompt_remarks(study: Study) -> list[str]:
    """What prompts are weighted by, a sentence; none where they are not."""
    if not (study.test_time and study.test_time.weighs_prompts):
        return []
    pool, sources = pool_name(study.prompts[0]), " and ".join(study.captions.sources)
    return [
        f"ZPE sees all images of a pair at once, in whatever order, and weighs the prompts of {pool}; images of "
        f"{sources} stand for those that the backbone was trained on."
    ]
