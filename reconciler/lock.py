"""A lock that keeps two applies of one deploy apart. It needs nothing to exist before it.

Holding the lock is holding the SSM parameter `/reconciler/NAME/lock/N`, made with `Overwrite=False`, which only one
of two can do. It names its holder and when it expires; a thread renews it. When a holder dies, its lock expires and
the next one makes number N+1, which again only one of two can do; so the highest number holds. A holder is fenced:
before a write it makes sure that its parameter is still its own and that there is no higher one, at most `FRESH`
seconds ago, and stops otherwise. Time is AWS's own (the answers' Date), so the clocks of two machines may differ.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from reconciler.aws import AlreadyThere, Aws
from reconciler.errors import Locked

TTL = 60.0  # seconds that a lock lasts after its last renewal
RENEW = 15.0  # seconds between renewals
FRESH = 1.0  # seconds for which "still ours" is believed


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. since, expires: seconds since the epoch, by AWS's clock."""

    id: str
    who: str
    host: str
    pid: int
    command: str
    since: float
    expires: float

    def __str__(self) -> str:
        from datetime import UTC, datetime

        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{self.who} on {self.host} (process {self.pid}, `{self.command}`), since {since}"


def current_holder(aws: Aws, deploy: str) -> Holder | None:
    """Who holds the lock now; None for nobody, or for one that has expired."""
    held, now = _read(aws, deploy)
    return next((holder for _, holder in held[-1:] if holder.expires > now), None)


def unlock(aws: Aws, deploy: str) -> Holder | None:
    """Take the lock away from whoever holds it, who stops before the next write. Returns who that was."""
    held, _ = _read(aws, deploy)
    for number, _ in held:
        aws.find("ssm", "DeleteParameter", Name=_name(deploy, number))
    return held[-1][1] if held else None


class Lock:
    """The lock of one deploy, as a context manager. Raises Locked when it is held and `wait` seconds are over.

    on_wait is told the holder once when there is one. The Aws given here is used for the lock alone: it must not be
    the one whose writes the lock guards. Give `check` to that one as `before_write`.
    """

    def __init__(
        self,
        aws: Aws,
        deploy: str,
        command: str,
        *,
        wait: float = 0.0,
        on_wait: Callable[[Holder], None] = lambda holder: None,
    ) -> None:
        self.aws, self.deploy, self.command = aws, deploy, command
        self.wait, self.on_wait = wait, on_wait
        self.id = uuid.uuid4().hex
        self._number = 0
        self._since = 0.0
        self._checked = float("-inf")
        self._released = threading.Event()
        self._busy = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Lock:
        self._take()
        self._thread = threading.Thread(target=self._renew, name="lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._released.set()
        if self._thread:
            self._thread.join()
        held, _ = _read(self.aws, self.deploy)
        for number, holder in held:
            if holder.id == self.id or number < self._number:
                self.aws.find("ssm", "DeleteParameter", Name=_name(self.deploy, number))

    def check(self) -> None:
        """Make sure that the lock is still held. Raises Locked if it isn't."""
        with self._busy:
            if self._released.is_set():
                return
            if self.aws.clock.now() - self._checked <= FRESH:
                return
            held, now = _read(self.aws, self.deploy)
            if not held or held[-1][1].id != self.id or held[-1][1].expires <= now:
                by = f" by {held[-1][1]}" if held and held[-1][1].id != self.id else ""
                raise Locked(f"the lock of {self.deploy!r} was taken away{by}", hint="run the command again")
            self._checked = self.aws.clock.now()

    def _take(self) -> None:
        started, told = self.aws.clock.now(), False
        while True:
            held, now = _read(self.aws, self.deploy)
            holder = held[-1][1] if held else None
            if holder is None or holder.expires <= now or holder.id == self.id:
                self._since = now
                number = (held[-1][0] if held else 0) + (0 if holder and holder.id == self.id else 1)
                if number and self._put(number, now, overwrite=bool(holder and holder.id == self.id)):
                    self._number = number
                    self._checked = self.aws.clock.now()
                    return
                continue
            if not told:
                self.on_wait(holder)
                told = True
            if self.aws.clock.now() - started >= self.wait:
                raise Locked(
                    f"{self.deploy!r} is locked by {holder}",
                    hint=f"wait for it (--wait-for-lock), or, if it is gone for good: "
                    f"python -m reconciler unlock {self.deploy}",
                )
            self.aws.clock.sleep(2.0)

    def _put(self, number: int, now: float, *, overwrite: bool) -> bool:
        holder = Holder(self.id, _user(), socket.gethostname(), os.getpid(), self.command, self._since, now + TTL)
        text = json.dumps(asdict(holder))
        try:
            self.aws.call(
                "ssm", "PutParameter", Name=_name(self.deploy, number), Value=text, Type="String", Overwrite=overwrite
            )
        except AlreadyThere:
            # Somebody was faster, or it was us and the answer was lost: what is there tells.
            held, _ = _read(self.aws, self.deploy)
            return bool(held) and held[-1] [0] == number and held[-1][1].id == self.id
        return True

    def _renew(self) -> None:
        while not self._released.wait(RENEW):
            try:
                held, now = _read(self.aws, self.deploy)
                if held and held[-1][1].id == self.id:
                    self._put(self._number, now, overwrite=True)
            except Exception:  # noqa: BLE001, S112  the next turn tries again; `check` decides before a write
                continue


def _name(deploy: str, number: int) -> str:
    return f"/reconciler/{deploy}/lock/{number:06d}"


def _read(aws: Aws, deploy: str) -> tuple[list[tuple[int, Holder]], float]:
    """([(number, holder)] in order, AWS's time)."""
    answer: dict[str, Any] = aws.call("ssm", "GetParametersByPath", Path=f"/reconciler/{deploy}/lock")
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    now = parsedate_to_datetime(headers["date"]).timestamp() if "date" in headers else aws.clock.now()
    found = [(int(p["Name"].rpartition("/")[2]), Holder(**json.loads(p["Value"]))) for p in answer["Parameters"]]
    return sorted(found, key=lambda one: one[0]), now


def _user() -> str:
    try:
        return os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
