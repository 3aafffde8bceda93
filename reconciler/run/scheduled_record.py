"""A scheduled run, as the function that starts it (reconciler/scheduled) makes it. Pure."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from reconciler.core.function_settings import Watched
from reconciler.core.run_paths import SCHEDULED, output_prefix, token
from reconciler.run.retry import Attempt
from reconciler.run.run import Run
from reconciler.run.state import State


def scheduled_id(watched: Watched, due: str) -> str:
    """The id of the run that was due at this time, as Scheduler writes it: the same whenever it is called for that.

    ECS takes a token once in an account, so it is another than that of a deploy with the same times.
    Raises ValueError for what isn't a time.
    """
    moment = datetime.fromisoformat(due).astimezone(UTC)
    digest = hashlib.sha256(f"{watched.deploy} {watched.schedule}".encode()).hexdigest()
    return f"{SCHEDULED}{moment:%Y%m%d-%H%M%S}-{digest[:8]}"


def new_run(watched: Watched, run_id: str, now: float) -> Run:
    """A run with an attempt that isn't launched yet. now: seconds since the epoch."""
    return Run(
        id=run_id,
        fingerprint="",
        state=State.LAUNCHING,
        created=now,
        inputs={
            "cpu": watched.cpu,
            "memory": watched.memory,
            "architecture": watched.architecture,
            "ephemeral_storage": watched.disk,
        },
        output=f"s3://{watched.bucket}/{output_prefix(run_id)}",
        cluster=watched.cluster,
        container=watched.container,
        task_definition=watched.family,
        log_group=watched.log_group,
        log_prefix=watched.log_prefix,
        attempts=(Attempt(number=1, provider=watched.capacity[0], token=token(run_id, 1), launched=now),),
        schedule=watched.schedule,
    )
