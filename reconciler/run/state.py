"""How far a run is. Pure."""

from __future__ import annotations

from enum import StrEnum

from reconciler.run.retry import Event


class State(StrEnum):
    """How far a run is."""

    LAUNCHING = "launching"
    RUNNING = "running"
    STOPPING = "stopping"  # somebody here had its task stopped, and nobody has seen its end
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self in (State.SUCCEEDED, State.FAILED, State.STOPPED)


def state_after(event: Event) -> State:
    """The state of a run whose last attempt ended like this."""
    return {Event.SUCCESS: State.SUCCEEDED, Event.STOPPED: State.STOPPED}.get(event, State.FAILED)
