"""Out-of-distribution scores and threshold-free decisions from cached logits, as pure functions.

Every score takes `yes_logits` and `no_logits`, (n, classes), scale x cosine, torch or NumPy, and returns
(n,) float64 of the same kind, higher = more in-distribution. Baselines ignore `no_logits`, which may be None;
methods that need further logits take them by keyword. Many methods of the same images share one `Evidence`.
"""

from typing import Any

from clipn.errors import ClipnError
from clipn.scores import (
    atd,
    csp,
    ctw,
    energy,
    entropy,
    eoe,
    gen,
    gl_mcm,
    l_mcm,
    logit_gap,
    max_logit,
    mcm,
    msp,
    neglabel,
    odin,
    odin_perturbed,
    react,
)
from clipn.scores.evidence import Evidence, Matrix, require_scale
from clipn.scores.score import Rule, Score, like

__all__ = [
    "CALIBRATION",
    "COLUMNS",
    "COOKED",
    "FITTED",
    "GDA",
    "IMPORTED",
    "PLAIN_CLIP",
    "RULES",
    "SCORES",
    "Evidence",
    "Rule",
    "Score",
    "accepts",
    "require_scale",
]

PLAIN_CLIP = "none"
"""Name of the variant under which studies keep the methods that need no "no" text encoder."""

IMPORTED = "imported"
"""Name in place of a prompt pool under which studies keep scores that others computed."""

GDA, COOKED = FITTED = ("gda-", "cooked-")
"""How variants begin under which studies keep scores of classifiers that were fitted on ID training images."""

CALIBRATION = ("confidence", "nll", "brier", "temperature")
"""Columns of ID images, which tell what the class probabilities are worth; the last is one number per ID dataset."""

COLUMNS = ("id", "dataset", "row", "path", "label", "prediction", *CALIBRATION)
"""What score files hold beside scores, decisions and cleaning lists."""

_NO = frozenset({"no"})

SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score("msp", "MSP", msp.log_odds, log_odds=True),
        Score("max_logit", "MaxLogit", max_logit.score),
        Score("energy", "Energy", energy.score),
        Score("mcm", "MCM", mcm.log_odds, log_odds=True),
        Score("ctw", "CLIPN-CTW", ctw.log_odds, _NO, log_odds=True),
        Score("atd", "CLIPN-ATD", atd.log_odds, _NO, log_odds=True),
        Score("react", "ReAct", react.score, frozenset({"clipped"})),
        Score("odin", "ODIN", odin.log_odds, log_odds=True),
        Score("odin_perturbed", "ODIN, perturbed", odin_perturbed.log_odds, frozenset({"perturbed"}), log_odds=True),
        Score("gen", "GEN", gen.score),
        Score(
            "neglabel",
            "NegLabel",
            neglabel.log_odds,
            frozenset({"labels", "negatives"}),
            log_odds=True,
            prompts=neglabel.PROMPTS,
        ),
        Score("gl_mcm", "GL-MCM", gl_mcm.score, frozenset({"local"})),
        Score("l_mcm", "L-MCM", l_mcm.log_odds, frozenset({"local"}), log_odds=True),
        Score("logit_gap", "LogitGap", logit_gap.score),
        Score(
            "csp",
            "CSP",
            csp.log_odds,
            frozenset({"csp_labels", "csp_negatives"}),
            log_odds=True,
            prompts="csp",
        ),
        Score("eoe", "EOE", eoe.score, frozenset({"eoe_labels", "eoe_outliers"}), prompts="single"),
        Score("entropy", "Entropy", entropy.score),
    )
}

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("ctw", "CLIPN-CTW", ctw.accepts),
        Rule("atd", "CLIPN-ATD", atd.accepts),
        Rule("atd_original", "CLIPN-ATD, original p", atd.accepts_by_original),
    )
}


def accepts(rule: str, yes_logits: Matrix, no_logits: Matrix) -> Any:
    """Threshold-free decision, (n,) bool, True = in-distribution.

    `ctw` and `atd` are the paper's Eq. 7 and 9. Eq. 9 can be read in two ways: `atd` compares the OOD class
    with the shrunk probabilities, `atd_original` with the original ones.

    Raises:
        ClipnError: unknown rule or bad logits.
    """
    if rule not in RULES:
        raise ClipnError(f"rule {rule!r}: choose one of {', '.join(RULES)}")
    return like(RULES[rule].of(Evidence(yes_logits, no_logits)), yes_logits)
