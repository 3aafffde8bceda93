"""Plans and runs as Markdown, as GitHub shows it in summaries and comments. Pure.

What a program or a file of the user gives is escaped or in code (`reconciler.core.text`), so that it can't become
anything else on the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.cli.render import show_plan, summary
from reconciler.cli.terminal import Terminal, seconds
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Plan
from reconciler.core.secret import KNOWN
from reconciler.core.text import block, code_span, escape
from reconciler.run.console_links import console, log_link, task_link
from reconciler.run.diagnosis import Diagnosis
from reconciler.run.index import Row
from reconciler.run.run import Run

LONGEST = 60_000  # characters of a plan: a comment on GitHub has 65,536
SUMMARY = 1 << 20  # bytes of a step's summary: GitHub drops a longer one whole
CELL = 500  # characters of a cell of the sweep's table
PLOTS = 4  # metrics that are drawn
PLOT_TITLE = 80  # characters
METRICS = 40  # metrics in the table
SIGNS = {"~": "!", "±": "!", ">": "!"}  # what a ```diff block colours, for what it doesn't


def plan(found: Plan, place: str, cost: str = "") -> str:
    """A plan: where, the sum, and what differs as a coloured block. place: deploy, account and region."""
    terminal = Terminal()
    terminal.stream, terminal.live, terminal.colour = io.StringIO(), False, False
    show_plan(terminal, found)
    lines = terminal.stream.getvalue().splitlines()[:-1]  # the last is the sum
    text = "\n".join(SIGNS.get(line[:1], line[:1]) + line[1:] for line in lines)
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition("\n")[0] + "\n  … cut; the log has all of it"
    parts = [f"### {escape(summary(found))}", escape(place)]
    if text:
        parts.append(f"<details open><summary>What differs</summary>\n\n{block(text, 'diff')}\n\n</details>")
    if cost:
        parts.append(escape(cost))
    return "\n\n".join(parts) + "\n"


def run(
    one: Run,
    verdict: Mapping[str, Any],
    region: str,
    image: str,
    past: Sequence[Run | Row],
    why: Diagnosis | None = None,
    *,
    linked: bool = True,
) -> str:
    """How a run ended. past: earlier runs and this one, the oldest first. linked: whether the console knows it."""
    sign = {"succeeded": "✅", "nothing-to-run": "✅"}.get(str(verdict["result"]), "❌")
    code = "no exit code" if one.exit_code is None else f"exit code {one.exit_code}"
    task = code_span(one.task_arn)
    if linked and one.task_arn and console(region):
        stream = f"{one.log_prefix}/{one.container}/{one.task_arn.rpartition('/')[2]}"
        task += f" ([console]({task_link(region, one.cluster, one.task_arn)})"
        task += f", [log]({log_link(region, one.log_group, stream)}))"
    rows = {
        "Result": escape(f"{one.state.value}, {code}"),
        "Reason": escape(one.reason),
        "Why": escape(why.cause if why.sure or why.cause == "unknown" else f"{why.cause} (not sure)") if why else "",
        "Fix": escape(why.fix) if why else "",
        "Took": seconds(one.seconds) if one.seconds is not None else "",
        "Cost": f"at most ${one.cost:.4f}" if one.cost is not None and linked else "",
        "Task": task if one.task_arn else "",
        "Image": code_span(image) if image else "",
        "Results": code_span(one.output),
    }
    if verdict["result"] == "nothing-to-run":
        title = f"### {sign} Nothing to run: run {code_span(one.id)} with the same inputs succeeded"
    else:
        title = f"### {sign} Run {code_span(one.id)} {one.state.value}"
    parts = [title, table(("", ""), [(name, value) for name, value in rows.items() if value])]
    if why and why.change:
        parts.append(f"In deploy.yaml:\n\n{block(why.change, 'yaml')}")
    if one.metrics:
        shown = sorted(one.metrics.items())
        rest = f"\n\nand {len(shown) - METRICS} more in metrics.json" if len(shown) > METRICS else ""
        parts.append(table(("Metric", ""), [(code_span(k), f"{v:.6g}") for k, v in shown[:METRICS]]) + rest)
    parts += plots(one, past)
    return "\n\n".join(parts) + "\n"


def plots(one: Run, past: Sequence[Run | Row]) -> list[str]:
    """Each metric over the runs that have it, as mermaid charts."""
    found: list[str] = []
    for name in sorted(one.metrics):
        values = [(p.id, p.metrics[name]) for p in past if name in p.metrics]
        if len(values) > 1 and len({value for _, value in values}) > 1 and len(found) < PLOTS:
            title = _plain(name)[:PLOT_TITLE]
            ids = ", ".join(f'"{_plain(one_id)[-8:]}"' for one_id, _ in values)
            line = ", ".join(f"{value:.6g}" for _, value in values)
            chart = f'xychart-beta\n    title "{title}"\n    x-axis [{ids}]\n    line [{line}]'
            found.append(block(chart, "mermaid"))
    return ["#### Over the last runs", *found] if found else []


def _plain(text: str) -> str:
    """What a chart can't take for anything else."""
    return re.sub(r"[^A-Za-z0-9 _.,:/%()-]", " ", text)


def ended(name: str, found: Mapping[str, Any]) -> str:
    """An apply without a single run to show: only resources, or a sweep."""
    verdict, sweep = found["verdict"], found.get("sweep")
    sign = "✅" if verdict["exit_code"] == 0 else "❌"
    if sweep is None:
        return f"### {sign} {code_span(name)}: {escape(str(verdict['result']))}, no run\n"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(sweep["counts"].items()))
    rows = [
        (
            code_span(str(one["id"])),
            escape(_short(" ".join(f"{k}={v}" for k, v in one["overrides"]["environment"].items()))),
            escape(f"{one['state']}, exit code {one['exit_code']}"),
            escape(_short(" ".join(f"{k}={v:.4g}" for k, v in sorted(one["metrics"].items())[:PLOTS]))),
        )
        for one in sweep["runs"]
    ]
    head = f"### {sign} {escape(str(sweep['id']))}: {escape(counts or str(verdict['result']))}\n\n"
    return fit(head + table(("Run", "Combination", "End", "Metrics"), rows) + "\n", SUMMARY * 9 // 10)


def fit(text: str, room: int) -> str:
    """As many of the lines as have room, and a word about the others. room: bytes of UTF-8, with that word."""
    left = room - len(NOT_ALL.encode()) - 100
    if len(text) * 4 <= room or len(text.encode()) <= room:
        return text
    kept: list[str] = []
    lines = text.rstrip("\n").split("\n")
    fence = ""
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            break
        kept.append(line)
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif line == fence:
            fence = ""
    more = f"{fence}\n" if fence else ""
    return "\n".join(kept) + f"\n{more}\n" + NOT_ALL.format(len(lines) - len(kept)) if kept else ""


NOT_ALL = "… and {} more lines; the log has all of it\n"


def _short(text: str) -> str:
    text = KNOWN.hide(text)  # before it is cut
    return text if len(text) <= CELL else text[:CELL] + "…"


def failed(name: str, error: ReconcilerError) -> str:
    """A command that ended with an error of ours."""
    text = KNOWN.hide(f"{error}\n{error.hint}".strip())  # before it is cut
    return f"### ❌ {code_span(name)}\n\n{block(text[:LONGEST], 'text')}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
