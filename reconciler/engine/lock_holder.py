"""Who holds a lock, as it is written down and read back."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from reconciler.core import plain_json
from reconciler.core.secret import KNOWN

MOST = 65_536  # characters of a parameter
LATEST = 4_102_444_800.0  # seconds since the epoch: 2100 has begun
TTL = 60.0  # seconds that a lock lasts after its last renewal
LONGEST = 300  # characters of a text: all of it must fit into an SSM parameter, which has 4,096


@dataclass(frozen=True)
class Holder:
    """Who holds a lock. since, expires: seconds since the epoch, by AWS's clock."""

    id: str = ""
    who: str = "somebody"
    host: str = "?"
    pid: int = 0
    command: str = "?"
    since: float = 0.0
    expires: float = 0.0

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"{self.who} on {self.host} (process {self.pid}, `{self.command}`), since {since}"

    def until(self, expires: float) -> str:
        """What is written down, with this end."""
        return json.dumps(asdict(replace(self, expires=expires)), ensure_ascii=False)

    @property
    def died_here(self) -> bool:
        """Whether it was a process of this machine that is gone."""
        if self.host != socket.gethostname() or self.pid <= 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False


def this_process(id_: str, command: str, since: float) -> Holder:
    """This process as a holder."""
    try:
        user = os.environ.get("GITHUB_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        user = "somebody"
    return Holder(id_, user[:LONGEST], socket.gethostname()[:LONGEST], os.getpid(), command[:LONGEST], since)


def _safe(command: str) -> str:
    """The command that a lock names; an earlier version wrote all of its words."""
    return " ".join(KNOWN.words(command.split(" ")))


def read_holder(parameter: Mapping[str, Any]) -> Holder:
    """The holder that an SSM parameter names; of one that can't be read, what SSM knows of it."""
    changed_at = parameter["LastModifiedDate"].timestamp() if "LastModifiedDate" in parameter else 0.0
    unknown = Holder(since=changed_at, expires=changed_at + TTL)
    try:
        fields = {**asdict(unknown), **plain_json.read(str(parameter["Value"]), MOST)}
        holder = Holder(
            str(fields["id"]),
            str(fields["who"]),
            str(fields["host"]),
            int(fields["pid"]),
            _safe(str(fields["command"])),
            float(fields["since"]),
            float(fields["expires"]),
        )
    except (ValueError, TypeError, OverflowError):
        return unknown
    times = holder.since, holder.expires
    return holder if all(0.0 <= time <= LATEST for time in times) and 0 <= holder.pid < 2**31 else unknown
