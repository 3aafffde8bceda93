"""What the function that watches scheduled runs (reconciler/watcher) is told: JSON in its environment. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "WATCHED"  # of the environment


@dataclass(frozen=True)
class Retry:
    """`run.retry`."""

    no_capacity: int
    interruption: int
    error: int
    exit_codes: tuple[int, ...]
    backoff: float
    within: float | None
    max_cost: float | None


@dataclass(frozen=True)
class Tell:
    """`notify`. topic: its ARN, empty when nobody is subscribed; webhook: ARN of what holds the URL, empty without one.

    form: as the webhook wants it.
    """

    on: str
    topic: str
    webhook: str
    form: str


@dataclass(frozen=True)
class Watched:
    """The scheduled runs of one deploy. disk: GiB, None for the usual; max_duration: seconds; stop_role: ARN."""

    deploy: str
    partition: str
    region: str
    bucket: str
    cluster: str
    container: str
    log_group: str
    log_prefix: str
    schedule: str
    architecture: str
    disk: int | None
    capacity: tuple[str, ...]
    retry: Retry
    max_duration: int | None
    stop_role: str
    tell: Tell | None

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Watched:
        """From JSON. Raises ValueError, TypeError for anything that `text` didn't write."""
        found: dict[str, Any] = json.loads(text)
        retry = found["retry"] | {"exit_codes": tuple(found["retry"]["exit_codes"])}
        tell = Tell(**found["tell"]) if found["tell"] else None
        return cls(**found | {"capacity": tuple(found["capacity"]), "retry": Retry(**retry), "tell": tell})
