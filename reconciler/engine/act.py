"""Make or delete one resource, and see it through: act, then observe until AWS shows no difference.

What is there after a lost answer or a crash is finished, never made a second time. If the world moved, so that more
would have to be done than the plan showed, it stops with PlanDrift.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from reconciler.aws.calls import AlreadyThere, Aws, Waiting
from reconciler.core.diff import diff
from reconciler.core.drift import SMALLER
from reconciler.core.errors import AwsError, Interrupted, NotSettled, PlanDrift, Unreachable
from reconciler.core.plan import Action, ours
from reconciler.core.spec import Address, Observed, Spec
from reconciler.kinds.base import SETTLE, AnyKind

TRY_AGAIN = "see its log, mend the program or the file, and run the command again"
AGAIN = 10.0  # seconds after which what doesn't show is put once more
UNSURE = 30.0  # seconds in which a call whose answer was lost, or that says "it exists", is looked into and repeated


class Actor:
    """Acts on resources of one deploy. recorded: what the record says this deploy made. stop: set to leave off."""

    def __init__(
        self,
        aws: Aws,
        kinds: Mapping[str, AnyKind],
        deploy: str,
        recorded: frozenset[Address],
        stop: threading.Event,
    ) -> None:
        self.aws, self.kinds, self.deploy, self.recorded, self.stop = aws, kinds, deploy, recorded, stop

    def make(self, want: Spec, seen: Observed[Any] | None) -> Observed[Any]:
        """Create it or, from what is there, update it, and again after each answer that leaves a doubt.

        Raises AwsError, PlanDrift, NotSettled, Interrupted.
        """
        kind, started, attempt = self.kinds[want.kind], self.aws.clock.now(), 0
        while True:
            try:
                if seen is None:
                    kind.create(self.aws, want)
                elif changes := diff(want, seen.spec):
                    kind.update(self.aws, want, seen, changes)
                return Observed(want) if kind.proved and seen is None else self._settle(kind, want, seen)
            except (AlreadyThere, Unreachable):
                # Made by an earlier call of ours whose answer was lost, half made, or by somebody else: look.
                if self.aws.clock.now() - started >= UNSURE:
                    raise
                attempt += 1
                self._pause(attempt, f"{want.address}, after an answer that leaves a doubt", started)
                current = self._look(kind, want)
                if current is None and seen is not None:
                    raise
                if current is not None and seen is None and not self._is_ours(want, current):
                    return current
                seen = current

    def delete(self, seen: Observed[Any]) -> None:
        """Delete it, and wait until it is gone. Raises AwsError, NotSettled, Interrupted."""
        kind, address = self.kinds[seen.spec.kind], seen.spec.address
        started, attempt = self.aws.clock.now(), 0
        while True:
            try:
                kind.delete(self.aws, seen)
                break
            except Unreachable:
                if self.aws.clock.now() - started >= UNSURE:
                    raise
                attempt += 1
                self._pause(attempt, f"{address}, after an answer that leaves a doubt", started)
            except AwsError as error:
                # Something was attached to it since the look: what is there now is taken away with it.
                current = self._look(kind, seen.spec) if error.code == "DeleteConflict" else None
                if current is None or current.spec == seen.spec:
                    raise
                seen = current
        started, attempt = self.aws.clock.now(), 0
        while kind.is_there(self.aws, seen):
            if self.aws.clock.now() - started >= kind.patience:
                raise NotSettled(f"{address} is still there after its deletion", hint="run the command again")
            attempt += 1
            self._pause(attempt, f"{address} to be gone", started)

    def _is_ours(self, want: Spec, current: Observed[Any]) -> bool:
        """Whether what appeared is ours to finish; False if it is another's and as wanted. Raises PlanDrift."""
        changes = diff(want, current.spec)
        if not ours(self.deploy, current, self.recorded):
            if [change for change in changes if not change.path.startswith("tags")]:
                raise PlanDrift(f"{want.address} appeared meanwhile, made by someone else", hint="run `plan` again")
            return False
        fixed = [change.path for change in changes if change.replaces]
        if (Action.REPLACE if fixed else Action.UPDATE) not in SMALLER[Action.CREATE]:
            raise PlanDrift(f"{want.address} appeared meanwhile with another {fixed[0]}", hint="run `plan` again")
        return True

    def _settle(self, kind: AnyKind, want: Spec, seen: Observed[Any] | None) -> Observed[Any]:
        """Observe until it is as wanted. What doesn't become so is put once more, then given up."""
        earlier = seen.attributes.get("failure", "") if seen is not None else ""
        started, attempt, again, was = self.aws.clock.now(), 0, False, False
        while True:
            current = self._look(kind, want)
            changes = diff(want, current.spec) if current is not None else ()
            if current is not None and not changes and _ready(current):
                return current
            attributes = current.attributes if current is not None else {}
            progress, failure = attributes.get("progress", ""), attributes.get("failure", "")
            if changes and ((failure and failure != earlier) or (was and progress)):
                # A deployment that failed: AWS went back from it, or gave it up. That may have been between two looks.
                back = f"{changes[0].path}: {changes[0].before}"
                raise NotSettled(f"{want.address} failed ({back}): {progress or failure}", hint=TRY_AGAIN)
            was = was or (current is not None and not changes)
            waited = self.aws.clock.now() - started
            done = current is not None and _ready(current)  # AWS has ended its work, and it isn't as wanted
            if waited >= (SETTLE if done else kind.patience):
                state = "doesn't show" if current is None else "isn't ready"
                state = f"still has another {changes[0].path}" if changes else state
                progress = f" ({progress or failure})" if progress or failure else ""
                raise NotSettled(
                    f"{want.address} {state} {waited:.0f} s after it was written{progress}",
                    hint="run the command again",
                )
            if current is not None and changes and waited >= AGAIN and not again:
                again = True
                kind.update(self.aws, want, current, changes)
            attempt += 1
            awaited = f"({progress})" if progress else "to show as it was written"
            self._pause(attempt, f"{want.address} {awaited}", started)

    def _look(self, kind: AnyKind, want: Spec) -> Observed[Any] | None:
        return kind.observe(self.aws, [want]).get(want.name)

    def _pause(self, attempt: int, awaited: str, started: float) -> None:
        if self.stop.is_set():
            raise Interrupted("interrupted while waiting for AWS")
        self.aws.on_wait(Waiting(awaited, self.aws.clock.now() - started))
        self.aws.clock.sleep(min(0.05 * 2**attempt, 5.0))


def _ready(observed: Observed[Any]) -> bool:
    """Whether AWS is done with it: a cluster may be PROVISIONING; a new role's ARN may read AROA… for a moment."""
    status, arn = observed.attributes.get("status", "ACTIVE"), observed.attributes.get("arn", "arn:")
    return status == "ACTIVE" and arn.startswith("arn:")
