"""What was made a short time ago, by this command or by one before, and may not be seen everywhere yet."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

NAMES = (
    "RoleName", "PolicyName", "UserName", "Bucket", "repositoryName", "logGroupName", "GroupName", "clusterName",
    "FunctionName", "Name",
)  # fmt: skip
SECONDS = 300.0  # for which something is fresh
# Where an answer says when something was made: by service, its name and the time.
CREATED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "iam": (("RoleName", "CreateDate"), ("PolicyName", "CreateDate"), ("UserName", "CreateDate")),
    "ecr": (("repositoryName", "createdAt"),),
    "logs": (("logGroupName", "creationTime"),),
}


class Fresh:
    """The names, and when they were made. Safe to use from many threads."""

    def __init__(self) -> None:
        self._moments: Mapping[str, float] = {}  # never changed but replaced, since others may be looking through it
        self._lock = threading.Lock()

    def add(self, params: Mapping[str, Any], now: float) -> None:
        """Note what the parameters of a creation, or the answer to it, name."""
        names = {str(params[key]): now for key in (*NAMES, "GroupId") if isinstance(params.get(key), str)}
        with self._lock:
            self._moments = {**self._moments, **names}

    def see(self, service: str, answer: Mapping[str, Any], now: float) -> None:
        """Note what an answer shows to be new: it may have been made by a command that was stopped."""
        names: dict[str, float] = {}
        for part in answer.values() if service in CREATED else ():
            for described in part if isinstance(part, list) else [part]:
                for name, time in CREATED[service] if isinstance(described, Mapping) else ():
                    created = _seconds(described.get(time))
                    if isinstance(described.get(name), str) and abs(now - created) < SECONDS:
                        names[str(described[name])] = created
        if names:
            with self._lock:
                self._moments = {**names, **self._moments}

    def names(self, params: Mapping[str, Any], now: float) -> bool:
        """Whether a call names something that is fresh, by name or in an ARN."""
        recent = [name for name, moment in self._moments.items() if moment >= now - SECONDS]
        return any(name in value and _named(name, value) for value in _texts(params) for name in recent)


def _named(name: str, text: str) -> bool:
    """Whether a text has a name as a whole: the bucket `tiny-data` isn't the repository `tiny`."""
    letter = r"[\w.@+=-]"
    return re.search(f"(?<!{letter}){re.escape(name)}(?!{letter})", text) is not None


def _texts(value: object) -> Iterator[str]:
    """Every text in parameters, however deep: a schedule names its role inside its target."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)


def _seconds(moment: Any) -> float:
    """Seconds since the epoch of a time as the services write them; 0 for none."""
    return moment / 1000 if isinstance(moment, int) else float(moment.timestamp()) if moment is not None else 0.0
