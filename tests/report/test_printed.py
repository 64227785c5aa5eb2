"""Tables for people: what is bold, how averages and settings are called, and Markdown and LaTeX that hold together."""

import re
from typing import Any

import pandas as pd
import pytest

from clipn.report.formatting import MISSING
from clipn.report.tables.ablations import COLUMNS as ABLATION_COLUMNS
from clipn.report.tables.intervals import differences_table
from clipn.report.tables.layouts import printed_ablations, printed_accuracy, printed_decisions, printed_differences
from clipn.report.tables.ood import decisions_table, id_accuracy_table
from clipn.report.tables.printed import Cell, PrintedTable, cell, to_latex, to_markdown
from tests.helpers.report_runs import BASELINE, SEEDS, decided, run

TITLES = {"cifar10": "CIFAR-10", "svhn": "SVHN"}


def texts(line: tuple[Cell, ...]) -> list[str]:
    return [" / ".join(text for text, _ in cell.parts) for cell in line]


def bold(printed: PrintedTable) -> list[list[str]]:
    """Bold texts, line by line."""
    return [[text for cell in line for text, strong in cell.parts if strong] for line in printed.lines]


def test_accuracy() -> None:
    printed = printed_accuracy(id_accuracy_table([BASELINE, *SEEDS]), "demo", TITLES)
    assert printed.title == "ID accuracy, study: demo"
    assert printed.header == ("ID", "Backbone", "Prompts", "Top-1", "ECE", "Brier", "NLL", "Temperature")
    numbers = ["90.00", "5.00", "15.00", "0.40", "1.25"]
    assert [texts(line) for line in printed.lines] == [["CIFAR-10", "tiny", "clipn128", *numbers]]
    assert (len(printed.labels), bold(printed)) == (3, [[]])


def decision_runs() -> list[dict[str, Any]]:
    rules = {"ctw": (0.9, 0.8), "atd": (0.9, 0.8), "atd_original": (0.99, 0.2)}
    control = decided({"ctw": (0.99, 0.7099)}) + decided({"ctw": (0.5, 0.5)}, ood="dtd")
    return [run("learnable", 1, {}, decisions=decided(rules)), run("untrained", 1, {}, decisions=control)]


def test_decisions_of_the_best_printed_balance_are_bold_for_every_ood_set() -> None:
    """85.00 three times, one of them 84.995 in truth."""
    printed = printed_decisions(decisions_table(decision_runs()), "demo", TITLES)
    assert printed.header == (
        *("ID", "OOD", "Rule", "Backbone", "Variant"),
        *("ID accepted", "OOD rejected", "Balanced accuracy"),
    )
    assert [texts(line) for line in printed.lines] == [
        ["CIFAR-10", "SVHN", "CLIPN-CTW", "tiny", "learnable", "90.00", "80.00", "85.00"],
        ["CIFAR-10", "SVHN", "CLIPN-ATD", "tiny", "learnable", "90.00", "80.00", "85.00"],
        ["CIFAR-10", "SVHN", "CLIPN-ATD, original p", "tiny", "learnable", "99.00", "20.00", "59.50"],
        ["CIFAR-10", "SVHN", "CLIPN-CTW", "tiny", "untrained", "99.00", "70.99", "85.00"],
        ["CIFAR-10", "dtd", "CLIPN-CTW", "tiny", "untrained", "50.00", "50.00", "50.00"],
    ]
    best = [["90.00", "80.00", "85.00"]] * 2
    assert bold(printed) == [*best, [], ["99.00", "70.99", "85.00"], ["50.00", "50.00", "50.00"]]


def test_decisions_name_pools_and_image_lists_where_they_vary() -> None:
    runs = decision_runs()
    clean = [row | {"ood_version": "ninco_clean"} for row in runs[0]["decisions"]]
    table = decisions_table([runs[0] | {"decisions": runs[0]["decisions"] + clean}, runs[1] | {"prompts": "single"}])
    printed = printed_decisions(table, "demo", TITLES)
    assert printed.header[3:7] == ("Backbone", "Variant", "Prompts", "Image list")
    assert {(texts(line)[5], texts(line)[6]) for line in printed.lines} == {
        ("clipn128", "official"),
        ("clipn128", "ninco_clean"),
        ("single", "official"),
    }


def test_decisions_of_one_id_dataset_say_so_in_the_title() -> None:
    table = decisions_table(decision_runs())
    assert printed_decisions(table, "demo", TITLES).title == "Threshold-free decisions, ID: CIFAR-10, study: demo"
    other = table.assign(id="cifar100")
    assert printed_decisions(pd.concat([table, other]), "demo", {}).title == "Threshold-free decisions, study: demo"


def difference(measure: str, value: float, low: float, high: float, **other: Any) -> dict[str, Any]:
    names = {"study": "demo", "id": "cifar10", "ood": "average", "backbone": "tiny", "variant": "none"}
    names |= {"prompts": "clipn128", "method": "msp", "reference_variant": "learnable", "reference": "atd"}
    return names | {"measure": measure, "difference": value, "low": low, "high": high, "runs": 1} | other


def test_differences_are_bold_where_the_printed_interval_leaves_out_0() -> None:
    table = pd.DataFrame(
        [
            difference("auroc", -3.005, -5, -0.01),
            difference("fpr95", 2, -0.004, 4.126),
            difference("auroc", 1, 0.004, 2, ood="svhn"),
            difference("fpr95", 1, 0.006, 2, ood="svhn"),
        ]
    )
    printed = printed_differences(table, "demo", TITLES)
    assert printed.header == ("ID", "OOD", "Method", "Backbone", "Variant", "Compared with", "AUROC", "FPR95")
    names = ["MSP", "tiny", "none", "CLIPN-ATD, learnable"]
    assert [texts(line) for line in printed.lines] == [
        ["CIFAR-10", "Average", *names, "-3.01 [-5.00, -0.01]", "+2.00 [+0.00, +4.13]"],
        ["CIFAR-10", "SVHN", *names, "+1.00 [+0.00, +2.00]", "+1.00 [+0.01, +2.00]"],
    ]
    assert bold(printed) == [["-3.01 [-5.00, -0.01]"], ["+1.00 [+0.01, +2.00]"]]


def test_differences_of_a_study_that_reads_fpr95_in_another_convention() -> None:
    printed = printed_differences(pd.DataFrame([difference("auroc", 1, 0.5, 2)]), "demo", {})
    assert texts(printed.lines[0])[-2:] == ["+1.00 [+0.50, +2.00]", MISSING]


def test_no_differences_are_a_sentence() -> None:
    empty = differences_table(pd.DataFrame(columns=["measure"]), {}, "atd", "learnable", "clipn128")
    printed = printed_differences(empty, "demo", {})
    assert printed.lines == ()
    assert "Nothing to compare" in printed.note
    assert "|" not in to_markdown(printed)


def test_ablations() -> None:
    names = {"study": "demo", "id": "cifar10", "backbone": "tiny", "variant": "four", "prompts": "p", "method": "ctw"}
    values = {"auroc": 80.0, "auroc_sd": 1.5, "auroc_low": 79.0, "auroc_high": 81.0, "runs": 3}
    values |= {"fpr95": 30.0, "fpr95_sd": float("nan"), "fpr95_low": 29.0, "fpr95_high": 31.0}
    rows = [names | values | {"setting": setting, "value": "4"} for setting in ("tokens", "prompt_pool", "epochs")]
    printed = printed_ablations(pd.DataFrame(rows)[ABLATION_COLUMNS], "demo", TITLES)
    assert printed.header == ("ID", "Setting", "Value", "Backbone", "Method", "Runs", "AUROC", "FPR95")
    assert texts(printed.lines[0]) == [
        *("CIFAR-10", "Positions of a prompt", "4", "tiny", "CLIPN-CTW", "3", "80.00 ± 1.50", "30.00")
    ]
    assert [texts(line)[1] for line in printed.lines[1:]] == ["Prompt pool", "epochs"]
    assert not any(bold(printed))


@pytest.mark.parametrize("printed_of", [printed_accuracy, printed_decisions, printed_differences, printed_ablations])
def test_a_table_without_rows_has_a_title_and_no_lines(printed_of: Any) -> None:
    columns = "study,id,ood,ood_version,setting,value,backbone,variant,prompts,rule,method,balanced_accuracy,measure"
    printed = printed_of(pd.DataFrame(columns=columns.split(",")), "demo", TITLES)
    assert "study: demo" in printed.title
    assert printed.lines == ()


TABLE = PrintedTable(
    "Title, 95 %",
    "Mean ± SD, A & B.",
    ("Name", "“No” texts"),
    ("AUROC", "FPR95"),
    (
        (cell("a_b & c", bold=True), cell("100 %"), Cell((("90.00 ± 1.00", True), ("10.00", False))), cell(MISSING)),
        (cell("#1 ~ ^2"), cell(r"{$x\y$}"), cell("-1.00"), cell("x|y")),
    ),
)


def test_markdown() -> None:
    assert to_markdown(TABLE).splitlines() == [
        "**Title, 95 %**",
        "",
        "Mean ± SD, A & B.",
        "",
        "| Name | “No” texts | AUROC | FPR95 |",
        "| --- | --- | ---: | ---: |",
        "| **a_b & c** | 100 % | **90.00 ± 1.00** / 10.00 | " + MISSING + " |",
        r"| #1 \~ ^2 | {\$x\\y\$} | -1.00 | x\|y |",
    ]


def test_latex_is_plain() -> None:
    """Above the table are comments; in it, nothing but ASCII and commands that need no package but booktabs."""
    assert to_latex(TABLE).splitlines() == [
        "% Title, 95 %",
        "% Mean ± SD, A & B.",
        r"\begin{tabular}{llrr}",
        r"\toprule",
        r"Name & ``No'' texts & AUROC & FPR95 \\",
        r"\midrule",
        r"\textbf{a\_b \& c} & 100 \% & \textbf{90.00 $\pm$ 1.00} / 10.00 & -- \\",
        r"\#1 \textasciitilde{} \textasciicircum{}2 & \{\$x\textbackslash{}y\$\} & -1.00 & x\textbar{}y \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_every_table_is_plain() -> None:
    names = {"study": "demo", "id": "cifar10", "backbone": "tiny", "variant": "v", "prompts": "p", "method": "ctw"}
    values = {"auroc": 80.0, "auroc_sd": 1.5, "fpr95": 30.0, "fpr95_sd": 2.0, "runs": 3}
    ablation = {"setting": "no_texts", "value": "a_b", **names, **values}
    for printed in (
        printed_accuracy(id_accuracy_table(SEEDS), "demo", TITLES),
        printed_decisions(decisions_table(decision_runs()), "demo", TITLES),
        printed_differences(pd.DataFrame([difference("auroc", 1, 0.5, 2)]), "demo", TITLES),
        printed_ablations(pd.DataFrame([ablation]), "demo", TITLES),
    ):
        lines = [line for line in to_latex(printed).splitlines() if not line.startswith("%")]
        rows = [line for line in lines if line.endswith(r"\\")]
        assert len(rows) == len(printed.lines) + 1
        assert "".join(lines).isascii()
        assert all(len(re.findall(r"(?<!\\)&", row)) == len(printed.header) - 1 for row in rows)
        assert not re.search(r"(?<!\\)[%#_]", "".join(lines))


def test_a_table_without_lines_is_its_words() -> None:
    empty = PrintedTable("Title")
    assert to_markdown(empty) == "**Title**\n"
    assert to_latex(empty) == "% Title\n"
