"""What a sweep's client holds grows with its combinations by little, and not by what AWS answers; and what it writes it
writes at the same time. AWS is in memory here, and objects are on the disk, so that nothing else grows.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.cli import sweep as module
from reconciler.cli.sweep import SweepWork
from reconciler.cli.terminal import Terminal
from reconciler.config import run as section
from reconciler.core.container import Container
from reconciler.core.function_settings import Retry
from reconciler.core.spec import Address
from reconciler.kinds import TaskDefinitionSpec
from reconciler.run import job
from reconciler.run.cap import Limits
from reconciler.run.fingerprint import fingerprint
from reconciler.run.fleet import RATE
from reconciler.run.launch_settings import LaunchSettings
from reconciler.run.run import Overrides
from reconciler.run.run_record import Runs
from reconciler.run.step import Rules
from reconciler.run.supervise import Supervisor
from tests.run.bucket import FakeS3

LASTS = 2.0  # seconds of a task
PARALLEL = 30
# Bytes for each combination at most: at the end; at any time, with what the index of runs holds of its newest 2,200;
# and while it is printed, besides.
HELD, EVER, PRINTED = 4_500, 8_000, 1_000
ARN = "arn:aws:ecs:us-east-1:123456789012:"
LAUNCH = LaunchSettings(
    deploy="tiny", cluster="tiny", task_definition=f"{ARN}task-definition/tiny:1", container="main", subnets=("s",),
    security_group="g", public_ip=True, log_group="/ecs/tiny", log_prefix="run", environment={},
)  # fmt: skip


class Clock:
    """Time that passes at once."""

    def __init__(self) -> None:
        self.time = 1.8e9

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.01)


class Disk(MutableMapping[str, bytes]):
    """Objects in files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.numbers = folder, dict[str, int]()

    def __getitem__(self, key: str) -> bytes:
        return (self.folder / str(self.numbers[key])).read_bytes()

    def __setitem__(self, key: str, body: bytes) -> None:
        (self.folder / str(self.numbers.setdefault(key, len(self.numbers)))).write_bytes(body)

    def __delitem__(self, key: str) -> None:
        del self.numbers[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


class Shown(dict[str, Any]):
    """A task as DescribeTasks shows it, which can be counted."""

    there = 0

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        Shown.there += 1

    def __del__(self) -> None:
        Shown.there -= 1


class FakeAws(FakeS3):
    """Tasks that succeed after a while. slow: seconds that a look takes. alone: writes that were made one after the
    other.
    """

    def __init__(self, folder: Path, slow: float) -> None:
        super().__init__()
        self.slow = slow
        self.objects = Disk(folder)  # type: ignore[assignment]
        self.clock: Any = Clock()
        self.launched: list[tuple[float, str]] = []  # when, and the token
        self.most_shown = self.depth = self.alone = 0

    def each(self, read: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        self.depth += 1
        try:
            return super().each(read, items)
        finally:
            self.depth -= 1

    def find_all(self, service: str, operation: str, key: str, /, **params: Any) -> list[Any]:
        return list(self._list(**{"Delimiter": "//", **params})[key])

    def find(self, service: str, operation: str, **params: Any) -> Any:
        if operation != "DescribeTasks":
            return super().find(service, operation, **params)
        if tracemalloc.is_tracing():
            gc.collect()
        self.most_shown = max(self.most_shown, Shown.there)
        self.clock.time += self.slow
        return {"tasks": [self.task(int(number)) for number in params["tasks"]]}

    def there(self, service: str, operation: str, **params: Any) -> Any:
        if operation == "RunTask":
            self.launched.append((self.clock.now(), params["clientToken"]))
            return {"tasks": [{**self.task(len(self.launched) - 1)}]}
        self.alone += self.depth == 0 and "/run.json" in params["Key"]
        return super().there(service, operation, **params)

    call = conditional = there

    def task(self, number: int) -> Shown:
        began, token = self.launched[number]
        over = self.clock.now() - began > LASTS
        times = {"createdAt": began, "startedAt": began, **({"stoppedAt": began + LASTS} if over else {})}
        return Shown(
            {
                "taskArn": f"{ARN}task/tiny/{number:032d}", "clusterArn": f"{ARN}cluster/tiny", "startedBy": token,
                "taskDefinitionArn": LAUNCH.task_definition, "stopCode": "EssentialContainerExited",
                "lastStatus": "STOPPED" if over else "RUNNING", "desiredStatus": "STOPPED" if over else "RUNNING",
                "containers": [{"name": "main", "exitCode": 0 if over else None}], "much": "m" * 10_000 + str(number),
                **{name: datetime.fromtimestamp(at, UTC) for name, at in times.items()},
            }
        )  # fmt: skip


Bytes = tuple[int, int, int]
Swept = Callable[..., tuple[FakeAws, Bytes]]


class Nowhere:
    """A stream that counts."""

    def __init__(self) -> None:
        self.lines = 0

    def write(self, text: str) -> int:
        self.lines += text.count("\n")
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Swept:
    """Sees a sweep of so many combinations through. The bytes: at its end, until then at most, and while it is
    printed.
    """
    rules = Rules(("FARGATE",), Retry(**section.Retry().model_dump()), Limits(None, None, "us-east-1"))
    monkeypatch.setattr(module, "supervisor", lambda here, runs: Supervisor(here.aws, runs, rules))
    monkeypatch.setattr(module, "say_others", lambda *_: None)
    monkeypatch.setattr(module, "notifier", lambda *_: SimpleNamespace(tell=lambda message: None))
    monkeypatch.setattr(sys, "stdout", Nowhere())
    container = Container(name="main", image="python:3.13-slim", environment={"S3_KEY": "data/prices.csv"})
    spec = TaskDefinitionSpec(name="tiny", cpu=256, memory=512, containers=(container,))

    def run(count: int, parallel: int = PARALLEL, slow: float = 0.0, *, traced: bool = False) -> tuple[FakeAws, Bytes]:
        folder = tmp_path / f"{count}-{slow}"
        folder.mkdir()
        aws, nodes = FakeAws(folder, slow), {Address("task-definition", "tiny"): SimpleNamespace(spec=spec)}
        task = SimpleNamespace(family="tiny", container="main")
        settings = SimpleNamespace(when="changed", workers=None)
        here: Any = SimpleNamespace(
            deploy=SimpleNamespace(name="tiny", task=task, run=settings), aws=aws, graph=SimpleNamespace(nodes=nodes),
            image_mark="i", data=(), given=SimpleNamespace(marks=lambda deploy: {}),
            names=SimpleNamespace(bucket="bucket"),
        )  # fmt: skip
        swept_variables, terminal, no_target = [{"N": str(n)} for n in range(count)], Terminal(), SimpleNamespace()
        before = gc.get_threshold()
        gc.collect()
        if traced:
            gc.set_threshold(500, 5, 5)  # what is garbage isn't counted: JSON's own writer leaves some each time
            tracemalloc.start()
        try:
            runs: Any = Runs(aws, "bucket")  # type: ignore[arg-type]
            work = SweepWork(no_target, here, runs, terminal, "detach", Overrides(), swept_variables, parallel, None)  # type: ignore[arg-type]
            work.decide()
            work.start_with(LAUNCH, lambda: None)
            code = work.finish()
            ever = tracemalloc.get_traced_memory()[1]
            gc.collect()
            held = tracemalloc.get_traced_memory()[0]
            if traced:
                tracemalloc.reset_peak()
                terminal.json(work.ended(code))
            printed = tracemalloc.get_traced_memory()[1] - held
        finally:
            tracemalloc.stop()
            gc.set_threshold(*before)
        assert code == 0
        assert len(aws.launched) == count
        return aws, (held, ever, printed)

    return run


@pytest.mark.long
def test_memory_grows_by_little_for_each_combination(swept: Swept) -> None:
    """What is held of each is what is printed of it: its run. The plan itself is data; answers of AWS aren't held."""
    swept(10, traced=True)  # what is loaded and cached once
    few, more = 100, 200
    (_, first), (aws, second) = swept(few, traced=True), swept(more, traced=True)
    held, ever, printed = ((b - a) / few for a, b in zip(first, second, strict=True))
    assert 0 < held < HELD
    assert ever < EVER
    assert printed < PRINTED
    assert 0 < aws.most_shown <= 2 * PARALLEL  # those of this look, and of the last


def test_ends_are_written_at_the_same_time(swept: Swept) -> None:
    """One after the other they take three round trips each, and the launches wait for them."""
    aws, _ = swept(25)
    assert aws.alone == 0
    assert aws.calls["PutObject"] >= 8 * 25


def test_each_has_a_run_of_its_own_though_fingerprints_begin_alike(
    swept: Swept, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Of ten thousand two agree in their first 32 bits in one sweep of a hundred, and all have the same time."""
    monkeypatch.setattr(job, "fingerprint", lambda inputs: "a" * 8 + fingerprint(inputs)[8:])
    aws, _ = swept(5)
    tokens = sorted(token for _, token in aws.launched)
    first = tokens[0].removesuffix("-1")
    assert tokens == sorted([f"{first}-1", *(f"{first}-{number}-1" for number in range(2, 6))])
    assert sum(key.endswith("/run.json") for key in aws.objects) == 5


@pytest.mark.share(3)
@pytest.mark.parametrize("slow", [0.0, 0.3, 0.8])
def test_the_launch_rate_is_kept_however_long_looks_take(slow: float, swept: Swept) -> None:
    """What a slow look leaves unused is made up for; never more than a second of it, where ECS allows five."""
    aws, _ = swept(240, 240, slow)
    times = [at for at, _ in aws.launched]
    assert (len(times) - 1) / (times[-1] - times[0]) == pytest.approx(RATE, rel=0.15)
    assert max(bisect_left(times, at + 1) - n for n, at in enumerate(times)) <= 2 * RATE
