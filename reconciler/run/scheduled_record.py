"""The record of a scheduled run, as the function that watches it writes it (reconciler/scheduled). Pure.

It is what `reconciler.run.run_record.Run` reads, and needs nothing but Python's own library.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from reconciler.core.fargate import FARGATE
from reconciler.core.function_settings import Watched
from reconciler.core.prices import task_cost
from reconciler.core.run_paths import SCHEDULED, output_prefix, token
from reconciler.run.retry import Attempt, spent
from reconciler.run.state import State
from reconciler.run.stored import VERSION, Record


def scheduled_id(watched: Watched, due: str) -> str:
    """The id of the run that was due at this time, as Scheduler writes it: the same whenever it is called for that.

    ECS takes a token once in an account, so it is another than that of a deploy with the same times.
    Raises ValueError for what isn't a time.
    """
    moment = datetime.fromisoformat(due).astimezone(UTC)
    whose = hashlib.sha256(f"{watched.deploy} {watched.schedule}".encode()).hexdigest()
    return f"{SCHEDULED}{moment:%Y%m%d-%H%M%S}-{whose[:8]}"


def new_run(watched: Watched, run_id: str, now: float) -> Record:
    """A run with an attempt that isn't launched yet. now: seconds since the epoch."""
    run: Record = {
        "version": VERSION,
        "id": run_id,
        "fingerprint": "",
        "state": State.LAUNCHING,
        "created": now,
        "inputs": {
            "cpu": watched.cpu, "memory": watched.memory, "architecture": watched.architecture,
            "ephemeral_storage": watched.disk,
        },
        "output": f"s3://{watched.bucket}/{output_prefix(run_id)}",
        "cluster": watched.cluster,
        "container": watched.container,
        "task_definition": watched.family,
        "log_group": watched.log_group,
        "log_prefix": watched.log_prefix,
        "attempts": [],
        "exit_code": None,
        "reason": "",
        "cost": None,
        "metrics": {},
        "sweep": "",
        "schedule": watched.schedule,
    }  # fmt: skip
    return with_attempt(run, watched.capacity[0], now)


def with_attempt(run: Record, provider: str, now: float) -> Record:
    """The run with one more attempt, which isn't launched yet."""
    number = len(run["attempts"]) + 1
    attempt = Attempt(number=number, provider=provider, token=token(run["id"], number), launched=now)
    return run | {"attempts": [*run["attempts"], attempt]}


def changed(run: Record, attempt: Attempt) -> Record:
    """The run with this attempt in the place of that with its number."""
    return run | {"attempts": [attempt if one.number == attempt.number else one for one in run["attempts"]]}


def cost_of(watched: Watched, run: Record, now: float) -> float | None:
    """What the tasks of a run have cost so far, in US dollars; None where that isn't known."""
    if any(one.provider not in FARGATE for one in run["attempts"]):
        return None

    def cost(seconds: float) -> float | None:
        sizes = run["inputs"]["cpu"], run["inputs"]["memory"]
        return task_cost(watched.region, watched.architecture, *sizes, seconds, watched.disk)

    return spent(run["attempts"], cost, now)
