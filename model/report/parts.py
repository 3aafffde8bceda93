"""Building blocks of the report's page: chips, figures, cards, tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from model.evaluate import RECENT, Comparison
from model.fingerprint import versions
from model.harmless import html as escape
from model.report import words
from model.report.figures import HALF, NARROW, PLOTS, WIDE
from model.run import Run

CHIP = {"skill": "skill", "slight skill": "none", "no skill": "none", "worse": "worse"}


def line(cls: str, text: str) -> str:
    """A key for a line."""
    return f'<svg width="22" height="10"><path class="{cls}" d="M0 5h22"/></svg>{escape(text)}'


def area(cls: str, text: str) -> str:
    """A key for a filled area."""
    return f'<svg width="22" height="12"><rect class="{cls}" width="22" height="12" rx="2"/></svg>{escape(text)}'


def dot(cls: str, text: str) -> str:
    """A key for a dot."""
    return f'<svg width="10" height="10"><circle class="{cls}" cx="5" cy="5" r="4"/></svg>{escape(text)}'


def chip(verdict: str) -> str:
    """A verdict as a coloured label."""
    return f'<span class="chip {CHIP[verdict]}">{verdict}</span>'


def figure(run: Run, name: str, title: str, caption: str = "", key: Sequence[str] = (), half: bool = False) -> str:
    """A plot with title, key and caption, drawn for wide and for narrow screens."""
    keys = f'<div class="key">{"".join(f"<span>{k}</span>" for k in key)}</div>' if key else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    wide, narrow = PLOTS[name](run, HALF if half else WIDE), PLOTS[name](run, NARROW)
    plots = f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
    return f"<figure><h3>{escape(title)}</h3>{keys}{plots}{below}</figure>"


def pair(*figures: str) -> str:
    """Two figures side by side where there is room."""
    return f'<div class="pair">{"".join(figures)}</div>'


def _recent(card: words.Card) -> str:
    """The verdict on the last folds as a chip, where it isn't that of all."""
    if not card.recent:
        return ""
    return f'<span class="chip {CHIP[card.recent]}">last {RECENT} folds: {card.recent}</span>'


def cards(run: Run) -> str:
    """The verdict on each target."""
    rendered = [
        f'<div class="card"><div class="top"><h3>{card.title}</h3><span class="chips">{chip(card.verdict)}'
        f"{_recent(card)}</span></div>"
        f'<div class="big">{card.headline}</div><div class="ci">{card.interval}</div><p>{escape(card.text)}</p></div>'
        for card in words.cards(run)
    ]
    return f'<div class="cards">{"".join(rendered)}</div>'


def _row(comparison: Comparison) -> str:
    digits = 2 if abs(comparison.skill.value) < 0.02 else 1
    low, high = words.percent(comparison.skill.low, digits), words.percent(comparison.skill.high, digits)
    cells = [
        f'<td class="first"><b>{comparison.target}</b></td>',
        f'<td data-h="against">{escape(comparison.baseline)}</td>',
        f'<td data-h="measure">{comparison.measure}</td>',
        f'<td class="n" data-h="model">{words.number(comparison.model_loss)}</td>',
        f'<td class="n" data-h="baseline">{words.number(comparison.baseline_loss)}</td>',
        f'<td class="n" data-h="saved"><b>{words.signed(comparison.skill.value, digits)}</b></td>',
        f'<td class="n" data-h="95 %">{low} to {high}</td>',
        f'<td class="n" data-h="p">{words.p_value(comparison.test.p_value)}</td>',
        f'<td class="last">{chip(comparison.verdict)}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def table(head: Sequence[str], rows: Sequence[str], cls: str = "") -> str:
    """A table; a heading that begins with ``#`` is one of numbers."""
    cells = "".join(
        f'<th class="n">{title[1:]}</th>' if title.startswith("#") else f"<th>{title}</th>" for title in head
    )
    body = f"<thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table class="{cls}">{body}</table></div>'


def baselines(run: Run) -> str:
    """Every target against every baseline."""
    head = ("Target", "Against", "Measure", "#Model", "#Baseline", "#Saved", "#95 % interval", "#p (DM)", "Verdict")
    return table(head, [_row(c) for c in run.overall.comparisons], "stack")


def details(run: Run) -> str:
    """Data, features, hyperparameters and versions, to be opened."""
    repairs = "".join(f"<li>{text}</li>" for text in words.repairs(run)) or "<li>nothing to mend</li>"
    span = f"{run.data.rows:,} rows from {run.data.span[0]} to {run.data.span[1]}"
    columns = [
        f"<tr><td><code>{escape(f.name)}</code></td><td>{escape(f.formula)}</td><td>{f.group}</td></tr>"
        for f in run.features
    ]
    settings = []
    for target, params in run.settings.params.items():
        values = escape(", ".join(f"{k}={v:g}" for k, v in dataclasses.asdict(params).items()))
        rounds = f"{', '.join(map(str, run.result.rounds[target]))}; final {run.result.models[target].rounds}"
        settings.append(f'<tr><td>{target}</td><td><code>{values}</code></td><td class="n">{rounds}</td></tr>')
    tools = ", ".join(f"{name} {version}" for name, version in versions().items())
    letters = (
        "t is the hour just over; C, H, L, O and V are its close, high, low, open and volume, r its log return, lv its "
        "log Garman-Klass variance, and s the root mean squared hourly return of the last week. None looks past t."
    )
    return "".join(
        (
            f"<details open><summary>Data</summary><p>{span}, SHA-256 <code>{run.data.sha256}</code>.</p>",
            f"<ul>{repairs}</ul></details>",
            f"<details><summary>{len(run.features)} features and their formulas</summary><p>{letters}</p>",
            f"{table(('Name', 'Formula', 'Group'), columns)}</details>",
            "<details><summary>Hyperparameters and boosting rounds</summary>",
            f"{table(('Target', 'Hyperparameters', '#Rounds by fold'), settings)}</details>",
            f"<details><summary>Made with</summary><p>{tools}; seed {run.settings.seed}. The same data, code and seed ",
            "give the same model files, byte for byte.</p></details>",
        )
    )
