"""A lock that keeps two applies of one deploy apart. It needs nothing to exist before it.

A lock is a chain of SSM parameters `/reconciler/NAME/lock/N`. Each is made with `Overwrite=False`, which only one of
two can do, and is never changed: it names its holder and its end. The highest number holds. To renew is to make the
next number and delete one's last. When a holder dies its end comes, and whoever makes the next number holds.

A holder is fenced: before a write it makes sure, by a look that AWS answered at most `FRESH` seconds ago, that the
highest number is its own, that its end is at least `MARGIN` away, and that there is no other's lock that hasn't ended.
Otherwise it stops. SSM may miss what was just written and show what was just deleted, so that what isn't there is
looked for again. What AWS can't do is refuse a single write that is under way when its holder is cut off for longer
than `MARGIN`. Time is AWS's own (the answers' Date), so the clocks of two machines may differ. docs/decisions/lock.md
says why it is so.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from reconciler.aws.answer import answered_at
from reconciler.aws.calls import AlreadyThere, Aws
from reconciler.core.errors import Locked, ReconcilerError
from reconciler.engine.lock_holder import TTL, Holder, read_holder, this_process

RENEW = 15.0  # seconds between renewals
MARGIN = 20.0  # seconds before its end at which a holder no longer writes
FRESH = 1.0  # seconds for which "still ours" is believed
EARLY = 0.6  # seconds after which one of several writers looks again, so that none has to wait for it
LOOK = 1.0  # seconds between two looks while waiting
STALE = 5.0  # seconds for which a look may show what was before


class Slot(NamedTuple):
    """One number of the chain."""

    number: int
    holder: Holder


def current_holder(aws: Aws, deploy: str) -> Holder | None:
    """Who holds the lock now; None for nobody, or for one that has ended. Raises AwsError."""
    slots, now = _read(aws, deploy)
    return next((slot.holder for slot in slots[-1:] if slot.holder.expires > now), None)


def unlock(aws: Aws, deploy: str) -> Holder | None:
    """Take the lock away from whoever holds it, who stops before the next write. Returns who that was."""
    slots, _ = _read(aws, deploy)
    for slot in slots:
        _drop(aws, deploy, slot.number)
    return slots[-1].holder if slots else None


class Lock:
    """The lock of one deploy, as a context manager. Raises Locked when it is held and `wait` seconds are over.

    A holder of this machine that is gone is waited for in any case, since its lock ends soon. on_wait is told the
    holder once when there is one. unlock: the command that takes it from the holder, for whoever waits. The Aws given
    here is used for the lock alone: it must not be the one whose writes the lock guards: that one is given to
    `guarding`.
    """

    def __init__(
        self,
        aws: Aws,
        deploy: str,
        command: str,
        *,
        wait: float = 0.0,
        on_wait: Callable[[Holder], None] = lambda holder: None,
        unlock: str = "",
    ) -> None:
        self.aws, self.deploy, self.wait, self.on_wait = aws, deploy, wait, on_wait
        self.unlock = unlock
        self.me = this_process(uuid.uuid4().hex, command, 0.0)
        self._number = 0
        self._gone = False
        self._checked = float("-inf")
        self._released = threading.Event()
        self._busy = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="lock", daemon=True)

    def __enter__(self) -> Lock:
        self._take()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._released.set()
        self._thread.join(timeout=10.0)  # it may wait for an AWS that doesn't answer
        # What can't be deleted ends by itself; that must not hide how the work ended.
        with contextlib.suppress(ReconcilerError):
            self._drop_mine(self._look(lambda slots, now: self._number in _numbers(slots) or self._gone)[0])

    @contextlib.contextmanager
    def guarding(self, aws: Aws) -> Iterator[None]:
        """Hold the lock; each write of `aws` makes sure first that it is still held. Raises Locked."""
        before = aws.before_write
        with self:
            aws.before_write = self.check
            try:
                yield
            finally:
                aws.before_write = before

    def is_waited_for(self) -> bool:
        """Whether it is to be waited for, and somebody else holds it now. Raises AwsError."""
        if self.wait <= 0:
            return False
        slots, now = _read(self.aws, self.deploy)
        return any(slot.holder.expires > now and slot.holder.id != self.me.id for slot in slots)

    def left_behind(self) -> bool:
        """Whether there is a lock of somebody that has ended and was not taken away."""
        slots, now = _read(self.aws, self.deploy)
        return bool(slots) and all(slot.holder.expires <= now for slot in slots)

    def check(self) -> None:
        """Make sure that the lock is still held, renewing it when its end is near. Raises Locked, AwsError."""
        if self._was_checked(EARLY) or not self._busy.acquire(blocking=not self._was_checked(FRESH)):
            return
        try:
            if self._released.is_set() or self._was_checked(EARLY):
                return
            slots, now = self._look(lambda slots, now: self._is_mine(slots, now) or self._is_anothers(slots, now))
            if self._is_mine(slots, now) and slots[-1].holder.expires - now < MARGIN:
                self._extend(now)
                slots, now = self._look(self._is_safe)
            if not self._is_safe(slots, now):
                self._gone = True
                raise self._lost(slots)
            self._checked = self.aws.clock.now()
        finally:
            self._busy.release()

    def _was_checked(self, seconds: float) -> bool:
        """Whether it was within so many seconds."""
        return 0.0 <= self.aws.clock.now() - self._checked <= seconds

    def _look(self, enough: Callable[[list[Slot], float], bool]) -> tuple[list[Slot], float]:
        """The chain and AWS's time: the first look that shows enough, or the last of some seconds."""
        started = self.aws.clock.now()
        while True:
            slots, now = _read(self.aws, self.deploy)
            if enough(slots, now) or not 0.0 <= self.aws.clock.now() - started < STALE:
                return slots, now
            self.aws.clock.sleep(LOOK)

    def _is_safe(self, slots: list[Slot], now: float) -> bool:
        return self._is_mine(slots, now) and slots[-1].holder.expires - now >= MARGIN

    def _is_anothers(self, slots: list[Slot], now: float) -> bool:
        """Whether somebody else took it: no look that is too old shows that."""
        return any(s.number >= self._number and s.holder.id != self.me.id and s.holder.expires > now for s in slots)

    def _is_mine(self, slots: list[Slot], now: float) -> bool:
        others = [slot for slot in slots if slot.holder.id != self.me.id and slot.holder.expires > now]
        return bool(slots) and slots[-1].holder.id == self.me.id and slots[-1].holder.expires > now and not others

    def _lost(self, slots: list[Slot]) -> Locked:
        others = [slot.holder for slot in slots if slot.holder.id != self.me.id]
        by = f" by {others[-1]}" if others else ""
        return Locked(
            f"the lock of {self.deploy!r} was taken away{by}",
            hint="nothing was written since; what was done stays: run the command again",
        )

    def _take(self) -> None:
        started, announced = self.aws.clock.now(), False
        while True:
            slots, now = _read(self.aws, self.deploy)
            top = slots[-1] if slots else Slot(0, Holder())
            if top.holder.id == self.me.id or top.holder.expires <= now:
                self.me = this_process(self.me.id, self.me.command, now)
                if self._put(top.number + 1, now) and self._confirm():
                    return
            else:
                if not announced:
                    self.on_wait(top.holder)
                    announced = True
                wait = max(self.wait, TTL + RENEW) if top.holder.died_here else self.wait
                if self.aws.clock.now() - started >= wait:
                    raise Locked(
                        f"{self.deploy!r} is locked by {top.holder}",
                        hint=f"wait for it with --wait-for-lock SECONDS. If it is gone for good: its lock ends in "
                        f"{top.holder.expires - now:.0f} s" + (f", or now with: {self.unlock}" if self.unlock else ""),
                    )
            self.aws.clock.sleep(LOOK)

    def _confirm(self) -> bool:
        """Whether what was made really holds: a number that was free again isn't the highest."""
        slots, now = _read(self.aws, self.deploy)
        if not self._is_mine(slots, now):
            self._drop_mine(slots)
            return False
        for slot in slots[:-1]:
            _drop(self.aws, self.deploy, slot.number)  # ended, all of them
        self._checked = self.aws.clock.now()
        return True

    def _put(self, number: int, now: float) -> bool:
        """Make this number; whether it is ours now."""
        name, value = _name(self.deploy, number), self.me.until(now + TTL)
        try:
            self.aws.call("ssm", "PutParameter", Name=name, Value=value, Type="String", Overwrite=False)
        except AlreadyThere:
            # Somebody was faster, or it was us and the answer was lost: what is there tells.
            slots, _ = _read(self.aws, self.deploy)
            if not slots or slots[-1].number != number or slots[-1].holder.id != self.me.id:
                return False
        self._number = number
        return True

    def _extend(self, now: float) -> None:
        """Make the next number and delete the last, if both can be done."""
        last = self._number
        if not self._put(last + 1, now):
            return
        slots, _ = self._look(lambda slots, now: last in _numbers(slots))
        if last in _numbers(slots):
            _drop(self.aws, self.deploy, last)
        else:  # somebody unlocked it meanwhile
            _drop(self.aws, self.deploy, self._number)

    def _keep(self) -> None:
        while not self._released.wait(RENEW):
            try:
                with self._busy:
                    slots, now = _read(self.aws, self.deploy)
                    if not self._released.is_set() and self._is_mine(slots, now):
                        self._extend(now)
                    if self._released.is_set():
                        self._drop_mine(_read(self.aws, self.deploy)[0])
            except Exception:  # noqa: S112  the next turn tries again; `check` decides before a write  # nosec B112
                continue

    def _drop_mine(self, slots: list[Slot]) -> None:
        for slot in slots:
            if slot.holder.id == self.me.id:
                _drop(self.aws, self.deploy, slot.number)


def _name(deploy: str, number: int) -> str:
    return f"/reconciler/{deploy}/lock/{number:09d}"


def _numbers(slots: list[Slot]) -> list[int]:
    return [slot.number for slot in slots]


def _drop(aws: Aws, deploy: str, number: int) -> None:
    aws.find("ssm", "DeleteParameter", Name=_name(deploy, number))


def _read(aws: Aws, deploy: str) -> tuple[list[Slot], float]:
    """(the chain in order, AWS's time)."""
    chain: list[Slot] = []
    at: float | None = None
    for answer in aws.answers("ssm", "GetParametersByPath", Path=f"/reconciler/{deploy}/lock"):
        chain += [Slot(int(p["Name"].rpartition("/")[2]), read_holder(p)) for p in answer["Parameters"]]
        at = answered_at(answer)
    return sorted(chain), aws.clock.now() if at is None else at
