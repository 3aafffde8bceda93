"""What a sweep of any size asks of AWS: so many requests for each combination, what can be had together asked for
together, an interruption in the middle gone on without one more or one fewer. Its tasks only take time;
`bench/sweep.py` does ten thousand of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lab import Lab
from bench.sweep import DEPLOY, ended, started, sweep
from bench.sweep_limits import FARGATE_PAGE, floors, simulate
from reconciler.aws.calls import Aws
from reconciler.cli.sweep import FAILED, LIVE, SHOWN, SweepScreen, show_table
from reconciler.core.errors import Gone
from reconciler.run.run_record import LISTED, Runs
from reconciler.run.state import State
from tests.run.samples import run as a_run


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An embedded AWS whose tasks end at once."""
    os.environ["TASK_SECONDS"] = "0.1"
    with Lab(tmp_path_factory.mktemp("timed"), module="bench.timed_lab") as made:
        yield made
    del os.environ["TASK_SECONDS"]


def applied(lab: Lab, folder: Path, count: int) -> Counter[str]:
    """Requests of the apply that runs a sweep of so many, by operation."""
    folder.mkdir()
    (folder / "prices.csv").write_text("a\n1\n")
    text = DEPLOY.format(a=[*range(count)], b=[0], parallel=count).replace("name: tiny", f"name: tiny{count}")
    (folder / "deploy.yaml").write_text(text)
    assert ended(started(lab, folder, "--skip-run"))[0] == 0
    lab.zero()
    code, report, _ = ended(started(lab, folder))
    assert (code, report["sweep"]["counts"]) == (0, {"succeeded": count})
    return Counter(row["op"] for row in lab.log())


def test_requests_grow_with_the_combinations_and_with_nothing_else(lab: Lab, tmp_path: Path) -> None:
    """A run is written down before and after each of its steps, with its fingerprint: eight times. It is looked up
    twice, before and under the lock, and read before its launch; its metrics are read at its end.
    """
    few, more = (applied(lab, tmp_path / str(count), count) for count in (5, 15))
    exact = {"RunTask": 1, "PutObject": 8, "GetObject": 4}
    assert {name: (more[name] - few[name]) / 10 for name in exact} == exact
    assert few["RunTask"] == 5
    of_time = {"DescribeTasks", "GetParametersByPath"}  # looks, of which a slow machine makes more
    grew = {name for name in more if more[name] != few[name]}
    assert grew - of_time == exact.keys()
    assert more["DescribeTasks"] < 15


@pytest.mark.long  # one of three combinations: tests/run/test_sweep.py
def test_an_interruption_is_gone_on_without_one_more_or_one_fewer(lab: Lab, tmp_path: Path) -> None:
    measured = sweep(24, 24, tmp_path / "sweep", lab)
    parts = [measured[part] for part in ("interrupted", "gone on", "nothing left")]
    assert [part["code"] for part in parts] == [130, 0, 0]
    assert 8 <= parts[0]["tasks"] < 24
    assert [measured["tasks"], parts[2]["tasks"]] == [24, 0]
    assert parts[1]["runs"] == parts[2]["runs"] == {"succeeded": 24}
    assert not any(op.startswith(("s3:Put", "ecs:Run")) for op in parts[2]["requests"])


class Keys:
    """The keys of a listing; None where there is no bucket."""

    find_all = Aws.find_all

    def __init__(self, keys: list[str] | None) -> None:
        self.keys, self.asked = keys, list[str]()

    def pages(self, service: str, operation: str, key: str, /, **params: Any) -> Iterator[dict[str, str]]:
        self.asked.append(f"{operation} {params['Prefix']}")
        if self.keys is None:
            raise Gone("s3", operation, "NoSuchBucket", "The specified bucket does not exist")
        yield from ({"Key": key} for key in self.keys)

    def find(self, service: str, operation: str, /, **params: Any) -> None:
        self.asked.append(f"{operation} {params['Key']}")


@pytest.mark.parametrize(
    ("count", "asked"),
    [
        (LISTED - 1, ["GetObject runs/fingerprints/a.json", "GetObject runs/fingerprints/b.json"]),
        (LISTED, ["ListObjectsV2 runs/fingerprints/", "GetObject runs/fingerprints/a.json"]),
    ],
)
def test_of_many_only_what_was_run_before_is_read(count: int, asked: list[str]) -> None:
    aws: Any = Keys(["runs/fingerprints/a.json"])
    runs = Runs(aws, "bucket")
    runs.look_ahead(count)
    assert [runs.latest(fingerprint) for fingerprint in "ab"] == [None, None]
    assert aws.asked == asked


def test_the_first_apply_of_many_finds_no_bucket() -> None:
    aws: Any = Keys(None)
    runs = Runs(aws, "bucket")
    runs.look_ahead(LISTED)
    assert runs.latest("a") is None
    assert aws.asked == ["ListObjectsV2 runs/fingerprints/"]


class Lines:
    """A terminal that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def print(self, text: str) -> None:
        self.lines.append(text)

    def status(self, text: str) -> None:
        self.lines = text.split("\n")


@pytest.mark.parametrize("count", [1, LIVE, LIVE + 1, 10_000])
def test_the_live_table_is_bounded(count: int) -> None:
    lines: Any = Lines()
    screen = SweepScreen(lines, count, lambda run: run.id, lambda: 9.0)
    screen.tick(3, [a_run(id=str(number)) for number in range(count)])
    assert lines.lines[0] == f"  {count} running, 3 waiting, none over"
    assert len(lines.lines) == 1 + min(count, LIVE) + (count > LIVE)
    assert count <= LIVE or lines.lines[-1] == f"    and {count - LIVE:,} more"


@pytest.mark.parametrize(
    ("good", "bad", "shown", "left"),
    [
        (0, 1, 1, 0), (SHOWN + FAILED, 0, SHOWN + FAILED, 0), (10_000, 0, SHOWN, 9_950),
        (9_000, 1_000, SHOWN + FAILED, 9_930), (60, 11, SHOWN + 11, 10), (0, 10_000, SHOWN + FAILED, 9_930),
    ],
)  # fmt: skip
def test_the_table_at_the_end_is_bounded(good: int, bad: int, shown: int, left: int) -> None:
    lines: Any = Lines()
    states = [State.SUCCEEDED] * good + [State.FAILED] * bad
    show_table(lines, [a_run(id=str(n), state=state) for n, state in enumerate(states)], lambda run: run.id, None)
    rows = [line for line in lines.lines[1:-1] if "more:" not in line]
    assert len(rows) == shown
    assert [line.split()[1] for line in lines.lines if "more:" in line] == ([f"{left:,}"] if left else [])
    counts = {"succeeded": good, "failed": bad}
    assert lines.lines[-1].strip() == ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)


def test_the_limits_of_a_real_account() -> None:
    """On paper: ten thousand tasks of ten minutes. The quota on vCPU bounds it, then the rate of launches."""
    lasts = 660.0
    assert simulate(10_000, lasts, 10_000).launched == pytest.approx(10_000 / 20, abs=2)
    for at_once in (6, 1_000, 4_000):
        simulated = simulate(10_000, lasts, at_once)
        assert simulated.most == at_once
        assert max(floors(10_000, lasts, at_once, 0).values()) <= simulated.seconds
        assert simulated.seconds == pytest.approx(10_000 * lasts / at_once + min(at_once, 10_000) / 20, rel=0.35)
    assert FARGATE_PAGE.startswith("https://docs.aws.amazon.com/")
