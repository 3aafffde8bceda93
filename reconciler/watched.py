"""What the function of the schedule (reconciler/watcher) is told: JSON in its environment. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "WATCHED"  # of the environment
GROUP = "SECURITY_GROUP"  # the same: its id, which is known once it is made
LAUNCH = "launch"  # in what the schedule calls it with: the time for which it was due
AGAIN = "again"  # the same after a pause: the token of the attempt before it
PROVIDER = "provider"  # and where it goes on


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
    """The scheduled runs of one deploy.

    family: of the task definition, whose newest revision is launched; cpu: CPU units; memory: MiB; disk: GiB, None for
    the usual; retries: times again when a launch fails; max_duration: seconds; stop_role, call_role: ARNs of what stops
    tasks and of what calls the function; function, dead_letters: ARNs of itself and of the queue for what fails; image:
    as people call it; task_role, execution_role: names; data: the key of what the program reads.
    """

    deploy: str
    partition: str
    region: str
    bucket: str
    cluster: str
    family: str
    subnets: tuple[str, ...]
    public_ip: bool
    cpu: int
    memory: int
    container: str
    log_group: str
    log_prefix: str
    image: str
    task_role: str
    execution_role: str
    data: str
    schedule: str
    architecture: str
    disk: int | None
    retries: int
    capacity: tuple[str, ...]
    retry: Retry
    max_duration: int | None
    stop_role: str
    function: str
    call_role: str
    dead_letters: str
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
        lists = {name: tuple(found[name]) for name in ("capacity", "subnets")}
        return cls(**found | lists | {"retry": Retry(**retry), "tell": tell})
