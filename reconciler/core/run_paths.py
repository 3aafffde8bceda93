"""How runs, what is kept of them in the bucket, and their schedules are called. Pure.

Ids come back from outside: from keys and records in the bucket, which a program with the right to write there can
forge, from the command line, and from events. They are parsed here, and never joined to a path or a key as they come.
"""

from __future__ import annotations

import re

RUNS = "runs"
SCHEDULED = "scheduled-"  # how the ids of scheduled runs begin
CHECKPOINT_MARK = ("reconciler:checkpoint", "left")  # the tag of what a run that failed has left of its checkpoint
CHECKPOINTS = (f"{RUNS}/*/checkpoint", f"{RUNS}/*/checkpoint/*")  # of all runs: one object, or what is below it
EACH_RUN = ("OUTPUT_URI", "RUN_ID")  # variables that each run gets
WITH_CHECKPOINT = ("CHECKPOINT_URI", "RUN_ATTEMPT")  # and each attempt of one with `run.checkpoint`

_RUN = re.compile(rf"({SCHEDULED})?[0-9]{{8}}-[0-9]{{6}}-([0-9a-f]{{8}})(-[1-9][0-9]{{0,4}})?")
_SWEEP = re.compile(r"sweep-[0-9a-f]{8}")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TASK = re.compile(
    r"arn:[a-z-]{3,20}:ecs:[a-z0-9-]{1,30}:[0-9]{12}:task/(?:([A-Za-z0-9_-]{1,255})/)?[A-Za-z0-9-]{1,64}"
)


def each_run(checkpoint: bool) -> tuple[str, ...]:
    """The variables that a task gets beside those that the file and the command line say."""
    return (*EACH_RUN, *(WITH_CHECKPOINT if checkpoint else ()))


def is_run_id(text: str) -> bool:
    """Whether it is one of a run: `YYYYMMDD-HHMMSS-` and eight hex digits, with `scheduled-` before or `-N` behind."""
    return bool((match := _RUN.fullmatch(text)) and not (match[1] and match[3]))


def of_any_run(text: str) -> str:
    """A text with `*` for each run's id in it, so that it is of any run."""
    return _RUN.sub("*", text)


def is_scheduled_id(text: str) -> bool:
    """Whether it is one of a run of the schedule."""
    return is_run_id(text) and text.startswith(SCHEDULED)


def is_sweep_id(text: str) -> bool:
    """Whether it is one of a sweep."""
    return bool(_SWEEP.fullmatch(text))


def is_fingerprint(text: str) -> bool:
    """Whether it is one: 64 hex digits."""
    return bool(_FINGERPRINT.fullmatch(text))


def is_task_arn(text: str) -> bool:
    """Whether it is one of an ECS task."""
    return bool(_TASK.fullmatch(text))


def is_digest(text: str) -> bool:
    """Whether it is one of an image."""
    return bool(_DIGEST.fullmatch(text))


def task_id(task_arn: str) -> str:
    """The last part of a task's ARN. With it, it is the cluster that is asked which says which task is meant."""
    return task_arn.rpartition("/")[2]


def cluster_in(task_arn: str) -> str:
    """The cluster that a task's ARN names; empty where it names none."""
    match = _TASK.fullmatch(task_arn)
    return (match[1] or "") if match else ""


def fits(run_id: str, fingerprint: str) -> bool:
    """Whether a run with this id may have this fingerprint: a scheduled one has none, any other names its start."""
    match = _RUN.fullmatch(run_id)
    if not match:
        return False
    return not fingerprint if match[1] else is_fingerprint(fingerprint) and fingerprint.startswith(match[2])


def token(run_id: str, number: int) -> str:
    """The mark of a run's attempt with this number: its clientToken and startedBy."""
    return f"{run_id}-{number}"


def schedule_prefix(deploy: str) -> str:
    """How the names of the schedules that stop a deploy's tasks begin. No name of a deploy has a dot, so that what is
    allowed on all that begins so is allowed on this deploy's alone.
    """
    return f"{deploy}."


def record_key(run_id: str) -> str:
    """The record of a run."""
    return f"{RUNS}/{run_id}/run.json"


def fingerprint_key(fingerprint: str) -> str:
    """The record of the newest run with this fingerprint."""
    return f"{RUNS}/fingerprints/{fingerprint}.json"


def told_key(run_id: str) -> str:
    """The mark that its end was told."""
    return f"{RUNS}/{run_id}/notified.json"


def output_prefix(run_id: str) -> str:
    """Where its program writes."""
    return f"{RUNS}/{run_id}/output"


def input_prefix(run_id: str) -> str:
    """Where a run that repeats another reads data of another version, with a slash: below what its role may read by
    default (`runs/*/output/*`), and not among its results.
    """
    return f"{RUNS}/{run_id}/input/output/"


def again_family(family: str) -> str:
    """The family of the definitions of runs that repeat others: not the one that a schedule uses."""
    return f"{family[:248]}-again"


def metrics_key(run_id: str) -> str:
    """The numbers that its program writes for the record."""
    return f"{output_prefix(run_id)}/metrics.json"


def checkpoint_prefix(run_id: str) -> str:
    """Where its program keeps what the next attempt goes on from."""
    return f"{RUNS}/{run_id}/checkpoint"


def index_key(name: str, scheduled: bool) -> str:
    """An object of the index of runs; that of scheduled runs is where their function may write."""
    return f"{RUNS}/{SCHEDULED if scheduled else ''}index/{name}"


def moment(run_id: str) -> str:
    """What orders ids by the time that they tell."""
    return run_id.removeprefix(SCHEDULED)


def size_key(family: str, schedule: str) -> str:
    """The size that runs of a family needed; of those of a schedule where its function may write."""
    return f"{RUNS}/{SCHEDULED if schedule else ''}sizes/{family}.json"
