"""How runs, what is kept of them in the bucket, and their schedules are called. Pure."""

from __future__ import annotations

RUNS = "runs"
SCHEDULED = "scheduled-"  # how the ids of scheduled runs begin


def schedule_prefix(deploy: str) -> str:
    """How the names of the schedules that stop a deploy's tasks begin. No name of a deploy has a dot, so that what is
    allowed on all that begins so is allowed on this deploy's alone.
    """
    return f"{deploy}."


def record_key(run_id: str) -> str:
    """The record of a run."""
    return f"{RUNS}/{run_id}/run.json"


def told_key(run_id: str) -> str:
    """The mark that its end was told."""
    return f"{RUNS}/{run_id}/notified.json"


def output_prefix(run_id: str) -> str:
    """Where its program writes."""
    return f"{RUNS}/{run_id}/output"
