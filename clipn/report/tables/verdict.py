"""How the comparison with recorded and published numbers came out, in a sentence each."""

import pandas as pd

from clipn.report.published_numbers import RECORDED

EQUAL = "equal"
AGREES = "agrees"
DIFFERS = "differs"
UNPUBLISHED = "not published"
NOT_MEASURED = "not measured"
OTHER_STUDY = "not comparable: other study"


def compared_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `published_table` in which a measured number met another one."""
    return table[table["verdict"].isin([EQUAL, AGREES, DIFFERS])]


def sentences(table: pd.DataFrame) -> list[str]:
    """What `published_table` says: of recorded numbers, if there are any, then of published ones.

    AUROC and FPR95 count apart.
    """
    recorded = table[table["kind"] == RECORDED]
    return [*([_of_recorded(recorded)] if len(recorded) else []), _of_published(table[table["kind"] != RECORDED])]


def _of_recorded(table: pd.DataFrame) -> str:
    met = compared_rows(table)
    equal, agree, differ = (int((met["verdict"] == verdict).sum()) for verdict in (EQUAL, AGREES, DIFFERS))
    tolerances = {str(measure).upper(): rows["tolerance"].max() for measure, rows in met.groupby("measure")}
    within = " and ".join(f"{points:g} {measure}" for measure, points in tolerances.items())
    verdict = f": {equal} equal, {agree} agree within {within} points, {differ} differ" if len(met) else ""
    origin = " and ".join(table["source"].unique())
    return f"{len(met)} of {len(table)} recorded numbers were regenerated{verdict} (recorded at {origin})."


def _of_published(table: pd.DataFrame) -> str:
    if compared_rows(table).empty:
        return "No published number stands for the data and weights of this study."
    agree, differ, unpublished, others = (
        int((table["verdict"] == verdict).sum()) for verdict in (AGREES, DIFFERS, UNPUBLISHED, OTHER_STUDY)
    )
    return (
        f"{agree} cell{'s agree' if agree != 1 else ' agrees'}, {differ} differ{'' if differ != 1 else 's'}, "
        f"{unpublished} {'are' if unpublished != 1 else 'is'} not published, "
        f"{others} published {'have' if others != 1 else 'has'} no counterpart in this study."
    )
