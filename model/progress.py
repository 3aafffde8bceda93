"""What a run says while it works, and at its end."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from model import __version__, log
from model.run import Run
from model.settings import Settings


class Stages:
    """Logs each stage as it begins and keeps its time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.current = ""

    @contextmanager
    def __call__(self, name: str, **values: Any) -> Iterator[dict[str, Any]]:
        """Time a stage; values put into the yielded dict are logged at its end."""
        self.current = name
        logged: dict[str, Any] = dict(values)
        began = time.perf_counter()
        yield logged
        self.seconds[name] = round(time.perf_counter() - began, 3)
        log.get().info(name, seconds=self.seconds[name], **logged)


def begins(settings: Settings) -> None:
    """Log the first line of a run."""
    log.get().info(
        "training begins",
        data=settings.data,
        output=settings.output,
        version=__version__,
        threads=settings.threads,
        seed=settings.seed,
        run_id=settings.run_id or None,
    )


def boosters(total: int) -> Callable[[str, int, float, int, bool], None]:
    """A function to be called after each of `total` boosters: see `walkforward.Progress`."""
    count = 0

    def say(target: str, fold: int, seconds: float, rounds: int, kept: bool) -> None:
        nonlocal count
        count += 1
        log.get().info(
            "from the checkpoint" if kept else "trained",
            target=target,
            fold="final" if fold < 0 else fold + 1,
            rounds=rounds,
            seconds=round(seconds, 2),
            progress=f"{count}/{total}",
        )

    return say


def peak_memory_mb() -> int:
    """The most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most / (1024 * 1024 if sys.platform == "darwin" else 1024))


def result(run: Run) -> None:
    """The last lines: what was found, plainly."""
    estimates = run.overall.estimates
    auc = estimates["direction_auc"]
    for comparison in run.overall.comparisons:
        log.get().info(
            f"result: {comparison.target}: {comparison.verdict}",
            against=comparison.baseline,
            saved=f"{comparison.skill.value:+.1%}",
            interval95=f"{comparison.skill.low:+.1%} to {comparison.skill.high:+.1%}",
            of=comparison.measure,
        )
    cover = estimates["price_coverage"]
    log.get().info(
        "result: direction AUC",
        value=round(auc.value, 4),
        interval95=f"{auc.low:.4f} to {auc.high:.4f}",
        accuracy=round(estimates["direction_accuracy"].value, 4),
    )
    log.get().info(
        "result: interval coverage",
        value=round(cover.value, 4),
        nominal=run.settings.coverage,
        interval95=f"{cover.low:.4f} to {cover.high:.4f}",
    )
    log.get().info(
        "done", output=run.settings.output, seconds=round(sum(run.seconds.values()), 1), peak_memory_mb=peak_memory_mb()
    )
