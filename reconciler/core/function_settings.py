"""What the function (reconciler/scheduled) is told, by variables of its environment and by who calls it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from reconciler.core.fargate import EXACT as EXACT
from reconciler.core.fargate import SIZES, larger
from reconciler.core.managed_instances import larger as twice

GROUP = "SECURITY_GROUP"  # one more variable: its id, which is known once it is made
LAUNCH = "launch"  # in what the schedule calls it with: the time for which it was due
START = "start"  # in what a client calls it with: the id of an unattended run that is to be gone on with
GIVEN = "given"  # and beside AGAIN: what is different for this run, as `given` makes it; null where that isn't known
AGAIN = "again"  # the same after a pause: the token of the attempt before it
PROVIDER = "provider"  # and where it goes on
TRIED = "tried"  # and beside both: so many calls have tried to launch the workers of that attempt; absent for none
WORKER_TRIES = 12  # of them at most, each of several minutes; a look is one call more
EVERY = 20 * 60  # seconds between looks at a run that isn't over: ECS knows a task for an hour after its end
LAUNCHES = 3  # times again that a refused launch of a run without a schedule is tried


@dataclass(frozen=True)
class Retry:
    """`run.retry`. max_memory: `run.max_memory`, in MiB; largest: MiB of the largest managed instance that a task may
    get, 0 where it gets none; managed: the capacity providers of those.
    """

    no_capacity: int
    interruption: int
    error: int
    exit_codes: tuple[int, ...]
    backoff: float
    within: float | None
    max_cost: float | None
    out_of_memory: int = 0
    max_memory: int | None = None
    largest: int = 0
    managed: tuple[str, ...] = ()

    def fits(self, provider: str, cpu: int, memory: int) -> bool:
        """Whether an attempt on this provider may have this size (CPU units, MiB)."""
        if provider in self.managed:
            return cpu > 0 and 0 < memory <= min(self.max_memory or self.largest, self.largest)
        return memory in SIZES.get(cpu, ()) and memory <= (self.max_memory or memory)

    def larger(self, provider: str, cpu: int, memory: int) -> tuple[int, int] | None:
        """The size to go on with when memory was too little; None where there is none."""
        if provider in self.managed:
            return twice(cpu, memory, min(self.max_memory or self.largest, self.largest))
        return larger(cpu, memory, self.max_memory)


@dataclass(frozen=True)
class Cap:
    """A limit in US dollars. dollars: `run.max_cost`, None where only the sweep has one; public_ip: whether each task
    has an address that is paid for; margin: seconds from when a task is told to stop until nothing is paid for it;
    managed: US dollars an hour of the dearest managed instance that a task may get, None where it gets none.
    """

    dollars: float | None
    public_ip: bool
    margin: int
    managed: float | None = None


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
    """The scheduled and the unattended runs of one deploy.

    family: of the task definition, whose newest revision is launched; cpu: CPU units; memory: MiB; disk: GiB, None for
    the usual; checkpoint: whether the attempts of a run hand one on; exec_enabled: whether a shell may be opened in its
    tasks; retries: times again when a launch fails; max_duration: seconds; stop_role, call_role: ARNs of what stops
    tasks and of what calls the function; function, dead_letters: ARNs of itself and of the queue for what fails; image:
    as people call it; task_role, execution_role: names; data: the key of what the program reads. workers: where those
    of a run are, in this order; empty without any.
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
    checkpoint: bool
    exec_enabled: bool
    max_duration: int | None
    cap: Cap | None
    stop_role: str
    function: str
    call_role: str
    dead_letters: str
    tell: Tell | None
    workers: tuple[str, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether each task has a deadline."""
        return self.max_duration is not None or self.cap is not None

    def variables(self) -> dict[str, str]:
        """One for each, so that a plan shows which of them changes: a text as it is, everything else as JSON."""
        values = {name: _plain(value) for name, value in vars(self).items()}
        return {name.upper(): v if isinstance(v, str) else json.dumps(v) for name, v in values.items()}

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Watched:
        """From such variables. Raises KeyError, ValueError, TypeError for any that `variables` didn't make.

        One that has a default may be absent: between two updates of a function its code is newer than its variables.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            text = environ.get(field.name.upper())
            if text is not None:
                values[field.name] = text if field.type == "str" else json.loads(text)
            elif field.default is MISSING:
                raise KeyError(field.name.upper())
        lists = {name: tuple(values["retry"].get(name, ())) for name in ("exit_codes", "managed")}
        retry = Retry(**values["retry"] | lists)
        tell = Tell(**values["tell"]) if values["tell"] else None
        cap = Cap(**values["cap"]) if values["cap"] else None
        lists = {name: tuple(values[name]) for name in ("capacity", "subnets", "workers") if name in values}
        return cls(**values | lists | {"retry": retry, "tell": tell, "cap": cap})


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Retry | Tell | Cap) else value
