"""Whether a step, planned anew, would do more than the one that was shown. Pure.

Between the moment a plan is shown and the moment it is done, the world goes on. A step may have become smaller, since
somebody else or an interrupted apply did a part of it. It is never done when it has become larger. This is the only
place that says what larger means: for `apply` after its plan was shown, for a plan that was saved to a file, and for a
resource that appears while it is being made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.core.plan import Action, Step
from reconciler.core.spec import Change

# What is left of a step when a part of it was done: nothing, or one of these.
SMALLER: dict[Action, frozenset[Action]] = {
    Action.CREATE: frozenset({Action.CREATE, Action.UPDATE}),
    Action.UPDATE: frozenset({Action.UPDATE}),
    Action.REPLACE: frozenset({Action.REPLACE, Action.CREATE, Action.UPDATE}),
    Action.ADOPT: frozenset({Action.ADOPT, Action.UPDATE}),
    Action.DELETE: frozenset({Action.DELETE}),
    Action.NONE: frozenset(),
}
UNSET: tuple[object, ...] = (None, "", (), [], {}, False)


class Planned(Protocol):
    """A step as it was shown."""

    @property
    def action(self) -> Action:
        """What it was to do; NONE where nothing was to be done."""

    def wanted(self, step: Step) -> bool:
        """Whether this step wants the same."""

    def seen(self, step: Step) -> bool:
        """Whether what is there now is what was there then."""

    def has(self, change: Change) -> bool:
        """Whether this change was a part of it."""


@dataclass(frozen=True)
class Shown:
    """A step that was planned in this process; None where there was none for its resource."""

    step: Step | None

    @property
    def action(self) -> Action:
        """What it was to do."""
        return self.step.action if self.step is not None and self.step.does else Action.NONE

    def wanted(self, step: Step) -> bool:
        """Whether this step wants the same."""
        return self.step is not None and self.step.want == step.want

    def seen(self, step: Step) -> bool:
        """Whether what is there now is what was there then."""
        before = self.step.seen.spec if self.step is not None and self.step.seen is not None else None
        return before == (step.seen.spec if step.seen is not None else None)

    def has(self, change: Change) -> bool:
        """Whether this change was a part of it."""
        return self.step is not None and change in self.step.changes


def larger(planned: Planned, step: Step) -> str:
    """What a step would do beyond what was planned, for people; empty when it is the same or less."""
    if not step.does:
        return ""
    before = planned.action
    if before is Action.NONE:
        return f"nothing was to be done, and now: {step.action}{paths(step.changes)}"
    if step.action not in SMALLER[before]:
        return f"was to {before}, and now: {step.action}{paths(step.changes)}"
    if not planned.wanted(step):
        return f"the wanted state has changed since{paths(step.changes)}"
    if planned.seen(step) and step.action is before:
        return ""
    if step.action is Action.DELETE:
        return "the resource to delete has changed since"
    unlike = tuple(change for change in step.changes if not _part_of(planned, change))
    return f"it has changed since{paths(unlike)}" if unlike else ""


def paths(changes: tuple[Change, ...]) -> str:
    """The paths of changes in brackets; empty for none."""
    listing = ", ".join(dict.fromkeys(change.path for change in changes))
    return f" ({listing})" if listing else ""


def _part_of(planned: Planned, change: Change) -> bool:
    """Whether a change was a part of a step. What is wanted is the same, so what it leads to is too."""
    half_made = planned.action in (Action.CREATE, Action.REPLACE) and change.before in UNSET
    return half_made or planned.has(change)
