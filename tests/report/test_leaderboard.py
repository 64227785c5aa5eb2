"""What may stand in one column with what, and in which order."""

import pandas as pd
import pytest

from clipn.errors import ClipnError
from clipn.report.leaderboard import ImageSet, Leaderboard, Protocol, entries_of, leaderboard
from clipn.report.tables.intervals import mean_replicates, metrics_table
from tests.helpers.report_runs import BASELINE, SEEDS, Record, replicates, run

PHOTOS = {name: ImageSet(name, f"sha of {name}") for name in ("cifar10", "svhn", "dtd")}
NAMES = ("study", "backbone", "variant", "prompts", "method")


def table_of(*runs: Record, study: str = "demo", arithmetic: str = "portable") -> pd.DataFrame:
    named = [one | {"study": study} for one in runs]
    means = mean_replicates(named, map(replicates, named))
    return metrics_table(named, means).assign(arithmetic=arithmetic).astype({"runs": "Int64"})


TABLE = table_of(BASELINE, *SEEDS)


def board_of(*tables: pd.DataFrame, images: dict[str, ImageSet] = PHOTOS) -> Leaderboard:
    return leaderboard(entry for table in tables for entry in entries_of(table, images))


def ood_sets(protocol: Protocol) -> list[str]:
    return [images.name for images in protocol.ood]


def test_every_number_is_that_of_the_table() -> None:
    found = board_of(TABLE)
    assert sum(map(len, found.values())) == len(TABLE[TABLE["measure"] == "auroc"])
    for protocol, entries in found.items():
        ood = "average" if len(protocol.ood) > 1 else protocol.ood[0].name
        for entry in entries:
            for measure, convention, values in (("auroc", "", entry.auroc), ("fpr95", "clipn", entry.fpr95)):
                (row,) = (
                    row
                    for row in TABLE.to_dict("records")
                    if (row["ood"], row["measure"], row["convention"]) == (ood, measure, convention)
                    and all(row[name] == getattr(entry, name) for name in NAMES)
                )
                expected = [row[name] for name in ("mean", "sd", "low", "high")]
                assert [*values] == pytest.approx(expected, abs=0, nan_ok=True)
                assert entry.runs == row["runs"]


def test_the_highest_auroc_comes_first_and_averages_before_single_sets() -> None:
    found = board_of(TABLE)
    assert list(map(ood_sets, found)) == [["dtd", "svhn"], ["svhn"], ["dtd"]]
    methods = [[(entry.method, round(entry.auroc.mean, 6)) for entry in entries] for entries in found.values()]
    assert methods == [
        [("ctw", 86.0), ("msp", 80.0)],
        [("ctw", 92.0), ("msp", 70.0)],
        [("msp", 90.0), ("ctw", 80.0)],
    ]


def test_of_equal_auroc_the_lower_fpr95_comes_first() -> None:
    runs = [run("none", 0, {("msp", "svhn"): (0.8, 0.5), ("mcm", "svhn"): (0.8, 0.4)})]
    (entries,) = board_of(table_of(*runs)).values()
    assert [entry.method for entry in entries] == ["mcm", "msp"]


def test_studies_of_the_same_images_share_their_tables() -> None:
    """Also where they name their OOD sets in another order."""
    turned = run("none", 0, {("msp", "dtd"): (0.9, 0.4), ("msp", "svhn"): (0.7, 0.6)})
    found = board_of(TABLE, table_of(turned, study="more"))
    assert len(found) == 3
    assert all({entry.study for entry in entries} == {"demo", "more"} for entries in found.values())


OTHER = table_of(BASELINE, study="more")


@pytest.mark.parametrize(
    ("other", "images"),
    [
        (OTHER, PHOTOS | {"cifar10": ImageSet("cifar10", "another sha")}),
        (OTHER, PHOTOS | {"cifar10": PHOTOS["cifar10"]._replace(shrink="shrunk to size 8")}),
        (OTHER, {}),
        (OTHER.assign(ood_version="ninco_clean"), PHOTOS),
        (OTHER.assign(arithmetic="fast"), PHOTOS),
        (OTHER[OTHER["convention"] != "clipn"], PHOTOS),
    ],
    ids=["images", "sizes", "unknown images", "image lists", "arithmetic", "conventions"],
)
def test_what_cannot_be_compared_stands_apart(other: pd.DataFrame, images: dict[str, ImageSet]) -> None:
    found = leaderboard([*entries_of(TABLE, PHOTOS), *entries_of(other, images)])
    assert len(found) == 6
    assert all(len({entry.study for entry in entries}) == 1 for entries in found.values())


def test_averages_over_other_sets_stand_apart_and_shared_sets_together() -> None:
    other = run("none", 0, {("msp", "svhn"): (0.7, 0.6), ("msp", "lsun"): (0.9, 0.4)})
    images = PHOTOS | {"lsun": ImageSet("lsun", "sha of lsun")}
    found = board_of(TABLE, table_of(other, study="more"), images=images)
    studies = {tuple(ood_sets(protocol)): {entry.study for entry in entries} for protocol, entries in found.items()}
    assert studies == {
        ("dtd", "svhn"): {"demo"},
        ("lsun", "svhn"): {"more"},
        ("svhn",): {"demo", "more"},
        ("dtd",): {"demo"},
        ("lsun",): {"more"},
    }


def test_fpr95_is_of_the_first_convention_where_the_usual_one_is_missing() -> None:
    found = board_of(OTHER[OTHER["convention"] != "clipn"])
    assert {protocol.convention for protocol in found} == {"mcm"}
    assert [entry.fpr95.mean for (entry,) in found.values()] == pytest.approx([25, 30, 20])


def test_an_average_over_one_set_is_not_shown_twice() -> None:
    found = board_of(table_of(run("none", 0, {("msp", "svhn"): (0.7, 0.6)})))
    assert [ood_sets(protocol) for protocol in found] == [["svhn"]]


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (TABLE.drop(columns="low"), "no column 'low', so it is of another version"),
        (TABLE.assign(mean=None), "a row without a number"),
        (TABLE[TABLE["measure"] != "fpr95"], "no AUROC or no FPR95 of msp"),
        (TABLE[TABLE["measure"] != "auroc"], "no AUROC or no FPR95 of msp"),
    ],
    ids=["column", "number", "fpr95", "auroc"],
)
def test_a_table_that_cannot_be_shown(damaged: pd.DataFrame, message: str) -> None:
    with pytest.raises(ClipnError, match=message):
        board_of(damaged)
