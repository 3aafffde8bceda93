"""One try at a run: a task, and how it ended."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from reconciler.run.retry import Event


class Attempt(BaseModel):
    """One task of a run. token: its clientToken and startedBy. Times are seconds since the epoch."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    provider: str
    token: str
    launched: float
    task_arn: str = ""
    event: Event | None = None
    exit_code: int | None = None
    reason: str = ""
    started: float | None = None
    stopped: float | None = None
