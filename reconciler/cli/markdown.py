"""Plans and runs as Markdown, as GitHub shows it in summaries and comments. Pure.

What a program or a file of the user gives is escaped or in code (`reconciler.core.text`), so that it can't become
anything else on the page.
"""

from __future__ import annotations

import io
import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
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

COMMENT = 65_000  # characters of a plan's page: a comment or an issue on GitHub has 65,536
LONGEST = 60_000  # characters of an error
LINE = 1_000  # characters of a line of a plan
SUMMARY = 1 << 20  # bytes of a step's summary: GitHub drops a longer one whole
CELL = 500  # characters of a cell of the sweep's table
PLOTS = 4  # metrics that are drawn
PLOT_TITLE = 80  # characters
METRICS = 40  # metrics in the table
MORE = "  … and {:,} more lines; without --markdown the plan has all of them"
DETAILS, DETAILS_END = "<details open>", "</details>"
SIGNS = {"~": "!", "±": "!", ">": "!"}  # what a ```diff block colours, for what it doesn't


def plan(planned: Plan, place: str, cost: str = "") -> str:
    """A plan: where, the sum, and what differs as a coloured block. place: deploy, account and region."""
    terminal = Terminal()
    terminal.stream, terminal.live, terminal.colour = io.StringIO(), False, False
    show_plan(terminal, planned)
    lines = terminal.stream.getvalue().splitlines()[:-1]  # the last is the sum
    lines = [_cut(SIGNS.get(line[:1], line[:1]) + line[1:], LINE) for line in lines]
    head, end = f"### {escape(summary(planned))}\n\n{escape(place)}\n", f"\n{escape(cost)}\n" if cost else ""
    room = COMMENT - len(head + end + _differs([])) - 2 * LINE  # no fence is longer than a line
    ends = list(accumulate(len(line) + 1 for line in lines))
    if ends and ends[-1] > room:
        count = bisect(ends, room - len(MORE) - 20)
        lines = [*lines[:count], MORE.format(len(lines) - count)]
    return head + (_differs(lines) if lines else "") + end


def _differs(lines: Sequence[str]) -> str:
    text = block("\n".join(lines), "diff")
    return f"\n{DETAILS}<summary>What differs</summary>\n\n{text}\n\n{DETAILS_END}\n"


def run(
    run: Run,
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
    code = "no exit code" if run.exit_code is None else f"exit code {run.exit_code}"
    task = code_span(run.task_arn)
    if linked and run.task_arn and console(region):
        stream = f"{run.log_prefix}/{run.container}/{run.task_arn.rpartition('/')[2]}"
        task += f" ([console]({task_link(region, run.cluster, run.task_arn)})"
        task += f", [log]({log_link(region, run.log_group, stream)}))"
    rows = {
        "Result": escape(f"{run.state.value}, {code}"),
        "Reason": escape(run.reason),
        "Why": escape(why.cause if why.sure or why.cause == "unknown" else f"{why.cause} (not sure)") if why else "",
        "Fix": escape(why.fix) if why else "",
        "Took": seconds(run.seconds) if run.seconds is not None else "",
        "Cost": f"at most ${run.cost:.4f}" if run.cost is not None and linked else "",
        "Task": task if run.task_arn else "",
        "Image": code_span(image) if image else "",
        "Results": code_span(run.output),
    }
    if verdict["result"] == "nothing-to-run":
        title = f"### {sign} Nothing to run: run {code_span(run.id)} with the same inputs succeeded"
    else:
        title = f"### {sign} Run {code_span(run.id)} {run.state.value}"
    parts = [title, table(("", ""), [(name, value) for name, value in rows.items() if value])]
    if why and why.change:
        parts.append(f"In deploy.yaml:\n\n{block(why.change, 'yaml')}")
    if run.metrics:
        metrics = sorted(run.metrics.items())
        more_text = f"\n\nand {len(metrics) - METRICS} more in metrics.json" if len(metrics) > METRICS else ""
        parts.append(table(("Metric", ""), [(code_span(k), f"{v:.6g}") for k, v in metrics[:METRICS]]) + more_text)
    parts += plots(run, past)
    return "\n\n".join(parts) + "\n"


def plots(run: Run, past: Sequence[Run | Row]) -> list[str]:
    """Each metric over the runs that have it, as mermaid charts."""
    charts: list[str] = []
    for name in sorted(run.metrics):
        values = [(p.id, p.metrics[name]) for p in past if name in p.metrics]
        if len(values) > 1 and len({value for _, value in values}) > 1 and len(charts) < PLOTS:
            title = _plain(name)[:PLOT_TITLE]
            ids = ", ".join(f'"{_plain(run_id)[-8:]}"' for run_id, _ in values)
            line = ", ".join(f"{value:.6g}" for _, value in values)
            chart = f'xychart-beta\n    title "{title}"\n    x-axis [{ids}]\n    line [{line}]'
            charts.append(block(chart, "mermaid"))
    return ["#### Over the last runs", *charts] if charts else []


def _plain(text: str) -> str:
    """What a chart can't take for anything else."""
    return re.sub(r"[^A-Za-z0-9 _.,:/%()-]", " ", text)


def ended(name: str, answer: Mapping[str, Any]) -> str:
    """An apply without a single run to show: only resources, or a sweep."""
    verdict, sweep = answer["verdict"], answer.get("sweep")
    sign = "✅" if verdict["exit_code"] == 0 else "❌"
    if sweep is None:
        return f"### {sign} {code_span(name)}: {escape(str(verdict['result']))}, no run\n"
    counts = ", ".join(f"{count} {state}" for state, count in sorted(sweep["counts"].items()))
    rows = [
        (
            code_span(str(record["id"])),
            escape(_cut(" ".join(f"{k}={v}" for k, v in record["overrides"]["environment"].items()), CELL)),
            escape(f"{record['state']}, exit code {record['exit_code']}"),
            escape(_cut(" ".join(f"{k}={v:.4g}" for k, v in sorted(record["metrics"].items())[:PLOTS]), CELL)),
        )
        for record in sweep["runs"]
    ]
    head = f"### {sign} {escape(str(sweep['id']))}: {escape(counts or str(verdict['result']))}\n\n"
    page = head + table(("Run", "Combination", "End", "Metrics"), rows) + "\n"
    return fit(page, SUMMARY * 9 // 10, "`runs --limit N` lists all")


def fit(text: str, room: int, pointer: str = "the log has all of it") -> str:
    """As many of the lines as have room, and a word about the others. room: bytes of UTF-8, with that word; pointer:
    where the others are.
    """
    room_left = room - len(NOT_ALL.format(0, pointer).encode()) - 100
    if len(text) * 4 <= room or len(text.encode()) <= room:
        return text
    kept_lines: list[str] = []
    lines = text.rstrip("\n").split("\n")
    fence, open_details = "", 0
    for line in lines:
        room_left -= len(line.encode()) + 1
        if room_left < 0:
            break
        kept_lines.append(line)
        if not fence and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif line == fence:
            fence = ""
        elif not fence:
            open_details += line.startswith(DETAILS) - line.startswith(DETAILS_END)
    closing = (f"{fence}\n" if fence else "") + f"\n{DETAILS_END}\n" * open_details
    return (
        "\n".join(kept_lines) + f"\n{closing}\n" + NOT_ALL.format(len(lines) - len(kept_lines), pointer)
        if kept_lines
        else ""
    )


NOT_ALL = "… and {} more lines; {}\n"


def _cut(text: str, most: int) -> str:
    text = KNOWN.hide(text)  # before it is cut
    return text if len(text) <= most else text[:most] + "…"


def failed(name: str, error: ReconcilerError) -> str:
    """A command that ended with an error of ours."""
    text = KNOWN.hide(f"{error}\n{error.hint}".strip())  # before it is cut
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} …\n… cut; the log has all of it"
    return f"### ❌ {code_span(name)}\n\n{block(text, 'text')}\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
