"""`logs`: the log lines of a run, from the beginning or on from now."""

from __future__ import annotations

import re
from argparse import Namespace

from reconciler.cli.loglines import readable
from reconciler.cli.runs_common import past
from reconciler.cli.signals import on_interrupt
from reconciler.cli.terminal import Terminal
from reconciler.errors import UserError
from reconciler.run.watch import QUIET, SLOW

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def run(options: Namespace, terminal: Terminal) -> int:
    """Print them; with --follow until the task has stopped."""
    here = past(options, terminal)
    since = _since(options.since, here.aws.clock.now())
    found = here.find(options.run)
    log = here.log(found, options.attempt)

    def show(container: str, text: str, timestamp: float) -> None:
        if options.json:
            terminal.json_line({"container": container, "text": text, "timestamp": timestamp})
        else:
            terminal.print(readable(text) if terminal.live else text)

    printed = log.read(show, since=since)
    if not options.follow:
        if not printed:
            terminal.note(f"run {found.id} has no log lines{' since then' if since else ' yet'}")
        return 0
    on_interrupt(here.where.stop.set)
    arn = f"{log.task_id}"
    quiet = 0.0
    while quiet < QUIET:
        answer = here.aws.find("ecs", "DescribeTasks", cluster=found.cluster, tasks=[arn])
        tasks = (answer or {}).get("tasks") or [{"lastStatus": "STOPPED"}]
        pause = 0.4 if tasks[0]["lastStatus"] == "STOPPED" else min(SLOW, 1.0)
        here.aws.clock.sleep(pause)
        new = log.read(show, since=since)
        quiet = quiet + pause if tasks[0]["lastStatus"] == "STOPPED" and not new else 0.0
    return 0


def _since(text: str, now: float) -> float | None:
    if not text:
        return None
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise UserError(f"--since {text}: not a span of time", hint="write for instance 10m, 2h or 1d")
    return now - int(match[1]) * UNITS[match[2]]
