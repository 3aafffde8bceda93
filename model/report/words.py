"""What the numbers mean, in sentences. Nothing is claimed that the test doesn't carry."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np

from model import store
from model.evaluate import RECENT, Comparison, strongest
from model.run import Run
from model.stats import Estimate

RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


@dataclasses.dataclass(frozen=True)
class Card:
    """One target's verdict."""

    title: str
    verdict: str
    """``skill``, ``slight skill``, ``no skill`` or ``worse``."""
    headline: str
    interval: str
    text: str
    recent: str = ""
    """The verdict on the last two folds alone, if there are more than two."""


def pick(run: Run, target: str, baseline: str) -> Comparison:
    """The overall comparison of a target with a baseline."""
    return next(c for c in run.overall.comparisons if (c.target, c.baseline) == (target, baseline))


def percent(value: float, digits: int = 1) -> str:
    """``12.3 %``, with a true minus sign; a dash where there is no number."""
    return f"{value * 100:.{digits}f}\u00a0%".replace("-", "\u2212") if math.isfinite(value) else "\u2013"


def signed(value: float, digits: int = 1) -> str:
    """``+12.3 %``."""
    return ("+" if value > 0 else "") + percent(value, digits)


def bounds(e: Estimate, digits: int = 1) -> str:
    """``95 %: 1.0 % to 2.0 %``."""
    return f"95 %: {percent(e.low, digits)} to {percent(e.high, digits)}"


def p_value(value: float) -> str:
    """``< 0.001`` or three digits."""
    return "\u2013" if not math.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def best(run: Run, target: str) -> Comparison:
    """The overall comparison of a target with its strongest baseline."""
    return strongest(run.overall.comparisons, target)


def recent(run: Run, target: str) -> str:
    """The verdict of the last two folds against the baseline that is the strongest in all, if there are more folds."""
    if len(run.folds) <= RECENT:
        return ""
    c = best(run, target)
    return next(x.verdict for x in run.recent.comparisons if (x.target, x.baseline) == (c.target, c.baseline))


def cards(run: Run) -> list[Card]:
    """The verdict on each target, against its strongest baseline."""
    writers = (("direction", _direction), ("return", _return), ("volatility", _volatility), ("price interval", _price))
    return [dataclasses.replace(make(run), recent=recent(run, target)) for target, make in writers]


def _others(run: Run, target: str, digits: int = 1) -> str:
    """What is saved against the target's other baselines, by the same measure."""
    c = best(run, target)
    of = [x for x in run.overall.comparisons if x.target == target and x.measure == c.measure and x is not c]
    clauses = [f"{named(x)} {signed(x.skill.value, digits)} ({x.verdict})" for x in of]
    return f"Against {_and(clauses)}." if clauses else ""


NAMES = {
    "base rate": "the base rate",
    "persistence": "the last hour once more",
    "empirical interval": "a constant width",
    "conformal on HAR": "the same method on HAR",
    "conformal on seasonal HAR": "the same method on the seasonal HAR",
    "zero": "no change",
    "seasonal HAR": "the seasonal HAR (hour of the week, leverage, jumps, volume)",
}
"""Baselines as they are called in a sentence."""


def named(c: Comparison) -> str:
    """The baseline as it is called in a sentence."""
    return NAMES.get(c.baseline, c.baseline)


def _direction(run: Run) -> Card:
    estimates, comparison = run.overall.estimates, best(run, "direction")
    auc = estimates["direction_auc"]
    ranks = ""
    if comparison.verdict in ("no skill", "worse") and auc.low > 0.5:
        ranks = "It ranks better than chance, but its probabilities are no better than those of that baseline. "
    text = (
        f"AUC, where a coin has 0.5. Log loss saved against {named(comparison)}, the strongest baseline: "
        f"{signed(comparison.skill.value, 2)} ({bounds(comparison.skill, 2)}). {ranks}{_others(run, 'direction', 2)} "
        f"The side it calls is right in {percent(estimates['direction_accuracy'].value)} of hours; "
        f"always calling the more frequent side in {percent(estimates['direction_base_rate_accuracy'].value)}."
    )
    interval = f"95 %: {auc.low:.3f} to {auc.high:.3f}" if math.isfinite(auc.low) else ""
    return Card("Direction", comparison.verdict, f"{auc.value:.3f}", interval, text)


def _return(run: Run) -> Card:
    comparison = best(run, "return")
    root = math.sqrt(comparison.baseline_loss) if comparison.baseline_loss > 0 else math.nan
    forecast = run.result.forecasts.ret
    moved = float(np.abs(forecast[np.isfinite(forecast)]).mean()) if np.isfinite(forecast).any() else math.nan
    size = f"The average forecast is a move of {percent(moved, 3)}, where an hour's typical move is {percent(root, 2)}."
    verdict = {
        "skill": "",
        "slight skill": ": measurable, and small",
        "no skill": ": nothing that can be told from luck",
        "worse": ": no forecast would be better",
    }[comparison.verdict]
    text = f"squared error saved against forecasting no change{verdict}. {size}"
    return Card("Return", comparison.verdict, signed(comparison.skill.value, 2), bounds(comparison.skill, 2), text)


def _volatility(run: Run) -> Card:
    comparison, ratio = best(run, "volatility"), run.overall.estimates["volatility_variance_ratio"]
    text = (
        f"squared error of the log Garman-Klass variance saved against {named(comparison)}, the strongest baseline. "
        f"{_others(run, 'volatility')} The variance that came was {ratio.value:.2f} times that forecast."
    )
    return Card("Volatility", comparison.verdict, signed(comparison.skill.value), bounds(comparison.skill), text)


def _price(run: Run) -> Card:
    e, comparison = run.overall.estimates, best(run, "price interval")
    cover = e["price_coverage"]
    nominal, width = percent(run.settings.coverage, 0), percent(e["price_width"].value, 2)
    text = (
        f"of prices came inside the {nominal} interval, {width} wide on average. Interval score saved against "
        f"{named(comparison)}, the strongest baseline: {signed(comparison.skill.value)} ({bounds(comparison.skill)}). "
        f"{_others(run, 'price interval')}"
    )
    return Card("Price interval", comparison.verdict, percent(cover.value), bounds(cover), text)


def lead(run: Run) -> str:
    """The first paragraph: where there is skill and where there is none."""
    by: dict[str, list[str]] = {}
    for card in cards(run):
        by.setdefault(card.verdict, []).append(card.title.lower())
    parts = []
    for verdict, phrase in (
        ("skill", "beats its strongest baseline in {}"),
        ("slight skill", "beats it by a sliver in {}"),
        ("no skill", "can't be told from its strongest baseline in {}"),
        ("worse", "does worse than its strongest baseline in {}"),
    ):
        if verdict in by:
            parts.append(phrase.format(_and(by[verdict])))
    text = f"On {run.overall.hours:,} hours that it had not seen, the model {'; it '.join(parts)}."
    changed = [c for c in cards(run) if c.recent and c.recent != c.verdict]
    if changed:
        text += f" In the last {RECENT} folds alone: {_and([f'{c.recent} in {c.title.lower()}' for c in changed])}."
    return text


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def levels(run: Run) -> str:
    """Why an R² on price levels says nothing."""
    e = run.overall.estimates
    model, stay = e["price_r2_of_levels"].value, e["price_r2_of_persistence"].value
    c = pick(run, "price", "persistence")
    side = "lower" if c.skill.value > 0 else "higher"
    return (
        f"The R² of the price forecast is {model:.5f}, and that of repeating the last price is {stay:.5f}: on price "
        f"levels such a number says nothing. Against repeating the last price the squared error is "
        f"{percent(abs(c.skill.value), 2)} {side} (saved, {bounds(c.skill, 2)}: {c.verdict})."
    )


def trend(run: Run) -> str:
    """Whether the skill fades from the first folds to the last."""
    aucs = [s.estimates["direction_auc"].value for s in run.by_fold]
    if len(aucs) < 4 or not all(math.isfinite(a) for a in aucs):
        return ""
    half = len(aucs) // 2
    early, late = sum(aucs[:half]) / half, sum(aucs[-half:]) / half
    if early - late > 0.01:
        return (
            f"The edge in direction fades: {early:.3f} on average in the first {half} folds, {late:.3f} in the last "
            f"{half}. Expect the later figure, or less, from here on."
        )
    if late - early > 0.01:
        return f"The AUC of direction rose from {early:.3f} in the first {half} folds to {late:.3f} in the last {half}."
    return f"The AUC of direction is steady: {early:.3f} in the first {half} folds, {late:.3f} in the last {half}."


REPAIRS = {
    "cut_last_line": "last line cut off, left out",
    "unordered": "rows out of order, sorted",
    "duplicates": "rows repeated, left out",
    "partial_hour": "last hour not over, left out",
    "incomplete": "rows without a price, taken as missing",
    "swapped_high_low": "High and Low swapped, turned round",
    "widened": "High or Low short of Open or Close by a rounding, widened",
    "no_trade": "hours without a trade, taken as missing",
    "zero_volume": "hours with a move but no volume, kept without volume",
    "missing_volume": "rows without a volume, kept without",
    "missing_hours": "hours that the file lacks, left missing",
    "longest_gap": "longest gap in hours",
    "repeated_header": "further header lines, left out",
    "tick_volume": "hours whose volume is the number of price changes, since no volume is given",
    "incomplete_hours": "hours that lack some of their finer bars, taken as missing",
    "empty_flow": "columns of the order flow without values, left out",
    "jumps": "hours that open more than 1 % from the close before, kept",
    "filled_in": "hours that are the one before again, or half way between their neighbours, kept",
    "long_wicks": "hours whose High or Low is five times off Open and Close, kept",
    "volume_steps": "changes of the weekly median volume by nine times or more: its unit may have changed",
    "spring_gaps": "springs in which exactly the hour is missing that clocks leave out: the times may be local ones",
}


def repairs(run: Run) -> list[str]:
    """What was mended or left out, counted."""
    counts = run.data.repairs
    return [f"{words}: {counts[name]:,}" for name, words in REPAIRS.items() if counts.get(name)]


def source(run: Run) -> str:
    """The data's name: the S3 URI, or the file's name without its folder."""
    return run.settings.data if store.is_s3(run.settings.data) else Path(run.settings.data).name


def number(value: float) -> str:
    """A loss for reading: four digits, powers of ten written out."""
    if not math.isfinite(value):
        return "\u2013"
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        digits, power = f"{value:.3e}".split("e")
        raised = str(int(power)).translate(RAISED)
        return f"{digits}\u2009\u00d7\u200910{raised}"
    return f"{value:.4g}"
