"""How a stopped task ended. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.run_paths import is_digest
from reconciler.run.retry import NOT_BEGUN, Attempt, Event, event_of, lacked_memory
from reconciler.run.workers import lost_scheduler

OVERDUE = "run.max_duration is over"  # the reason with which such a task is stopped
TOO_DEAR = "run.max_cost is reached"  # the same
KILLED = (137, 143)  # SIGKILL, SIGTERM: what ECS does to the containers that are left


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended. exit_code: that of its program's container; None when ECS doesn't say, which is a failure.
    started, stopped: seconds since the epoch. image: the digest of its image, empty where ECS doesn't say.
    """

    event: Event
    exit_code: int | None
    reason: str
    stop_code: str = ""
    started: float | None = None
    stopped: float | None = None
    container: str = ""
    image: str = ""

    @classmethod
    def of(cls, attempt: Attempt) -> TaskEnd:
        """How an attempt ended, by its record."""
        return cls(
            attempt.event or Event.LOST,
            attempt.exit_code,
            attempt.reason,
            started=attempt.started,
            stopped=attempt.stopped,
            image=attempt.image,
        )

    def ends(self, attempt: Attempt) -> Attempt:
        """The attempt with this as the end of its task."""
        return replace(
            attempt,
            event=self.event,
            exit_code=self.exit_code,
            reason=self.reason,
            started=self.started,
            stopped=self.stopped,
            image=self.image,
        )


def judge(task: Mapping[str, Any], essential: Collection[str] = ()) -> TaskEnd:
    """The verdict on a stopped task as DescribeTasks shows it. essential: names; all containers are where there is none
    of these.
    """
    containers = task.get("containers") or ()
    containers = [c for c in containers if c["name"] in essential] or containers
    culprit = _culprit(containers)
    exit_code = culprit.get("exitCode") if culprit else None
    reasons = [task.get("stoppedReason", ""), culprit.get("reason", "") if culprit else ""]
    why = task.get("stoppedReason", "")
    event = event_of(task, exit_code, overdue=OVERDUE in why, too_dear=TOO_DEAR in why)
    if event is Event.ERROR and (cause := lost_scheduler(task)):
        event, reasons = Event.INTERRUPTION, [cause]  # of what it ran on, so that it is tried again
    if OVERDUE in why and event is not Event.MAX_COST and exit_code is None and not task.get("startedAt"):
        reasons.append(NOT_BEGUN)
    return TaskEnd(
        event=event,
        exit_code=exit_code,
        reason="; ".join(dict.fromkeys(reason for reason in reasons if reason)),
        stop_code=task.get("stopCode", ""),
        started=_seconds(task.get("startedAt")),
        stopped=_seconds(task.get("executionStoppedAt") or task.get("stoppedAt")),
        container=culprit["name"] if culprit else "",
        image=_digest(culprit.get("imageDigest") if culprit else None),
    )


def _culprit(containers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The container that ended the task, rather than one that ECS stopped because of it."""
    by_itself = [c for c in containers if not _stopped_by_ecs(c)] or list(containers)
    failed = [c for c in by_itself if c.get("exitCode") != 0]
    with_code = [c for c in failed if c.get("exitCode") is not None]
    return next(iter(with_code or failed or by_itself), None)


def _stopped_by_ecs(container: Mapping[str, Any]) -> bool:
    return container.get("exitCode") in KILLED and not lacked_memory(container.get("reason", ""))


def _digest(text: Any) -> str:
    return text if isinstance(text, str) and is_digest(text) else ""


def _seconds(moment: Any) -> float | None:
    return None if moment is None else float(moment.timestamp())
