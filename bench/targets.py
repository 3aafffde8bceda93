"""What is to be reached, and whether it was: one line for each number of the table in docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measure import Sample
from bench.table import ratios

BySubject = Mapping[str, Sequence[Sample]]
OURS, TERRAFORM, BARE = "reconciler", "terraform", "bare script"
PYTHON, PYDANTIC = "python -c pass", "python with pydantic"
MOTO = "moto's own server"
CP = "aws s3 cp"
METRIC = "loss"  # of the runs whose lists are measured
FREE, LIMITED = "reconciler, no limit", "reconciler, 20 a second"
PEERS = {"terraform": TERRAFORM, "bare": BARE, "python": PYTHON, "pydantic": PYDANTIC, "cp": CP}
FASTER = ("terraform", "cp")  # in which a larger ratio is better
MISSED = "MISSED"
WORDS = {
    "terraform": "times faster than Terraform", "bare": "times the bare script", "requests": "requests",
    "python": "times the interpreter's start", "pydantic": "times Python with pydantic",
    "cp": "times faster than `aws s3 cp`", "memory": "MB", "seconds": "seconds",
    "throttled": "times the requests when throttled",
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """measure: `terraform` and `cp` are ratios of wall times in which a larger one is better; `bare`, `python` and
    `pydantic` are ratios in which a smaller one is.

    `throttled` is a ratio of requests. case: the comparison; must, aim: the bounds of the measured number.
    """

    case: str
    measure: str
    must: float
    aim: float

    def value(self, by_subject: BySubject) -> float | None:
        """The measured number, or None when it wasn't measured."""
        if self.measure == "throttled":
            limited, free = by_subject.get(LIMITED), by_subject.get(FREE)
            return max(s.requests for s in limited) / min(s.requests for s in free) if limited and free else None
        ours = by_subject.get(OURS)
        if not ours:
            return None
        peer = PEERS.get(self.measure)
        if peer is not None:
            if not by_subject.get(peer):
                return None
            # How many times faster than the other; how many times the other's time.
            return median(ratios(*((by_subject[peer], ours) if self.measure in FASTER else (ours, by_subject[peer]))))
        if self.measure == "requests":
            return float(max(sample.requests for sample in ours))
        if self.measure == "memory":
            return max(sample.memory for sample in ours)
        return median(sample.wall for sample in ours)

    def reached(self, value: float, bound: float) -> bool:
        """Whether the number is as good as the bound."""
        return value >= bound if self.measure in FASTER else value <= bound

    def line(self, by_subject: BySubject) -> tuple[str, ...]:
        """(case, what, measured, must, aim, how it ended)."""
        value = self.value(by_subject)
        if value is None:
            return (self.case, WORDS[self.measure], "-", f"{self.must:g}", f"{self.aim:g}", "not measured")
        end = (
            "aim reached"
            if self.reached(value, self.aim)
            else "must reached"
            if self.reached(value, self.must)
            else MISSED
        )
        shown = f"{value:.0f}" if self.measure in ("requests", "memory") else f"{value:.2f}"
        return (self.case, WORDS[self.measure], shown, f"{self.must:g}", f"{self.aim:g}", end)


LISTS = ("runs", "runs best", "look-up of a fingerprint", "charts of CI")  # what is asked of many runs
OF_MANY = 10_000  # runs in `make bench`


def with_runs(command: str, count: int) -> str:
    """How a comparison with so many runs is called."""
    return f"{command}, {count:,} runs"


def of_runs(count: int) -> tuple[Target, ...]:
    """What lists of so many runs must not be more than."""
    bounds = (("seconds", 2.0, 1.5), ("requests", 20.0, 10.0))
    return tuple(Target(with_runs(command, count), *bound) for command in LISTS for bound in bounds)


HEAD = ("", "", "measured", "must", "aim", "")
TARGETS = (
    Target("start of the embedded AWS", "seconds", 3, 2),
    Target("plan, no changes, 18", "terraform", 15, 18),
    Target("plan, no changes, 18", "requests", 40, 30),
    Target("plan, no changes, 18", "bare", 1.5, 1.2),
    Target("apply from nothing, 18", "terraform", 8, 15),
    Target("destroy, 18", "terraform", 15, 15),
    Target("plan, no changes, 120", "terraform", 5, 8),
    # 15 for each set of six kinds, which docs/performance.md names.
    Target("plan, no changes, 120", "requests", 310, 200),
    Target("plan, no changes, 1200", "terraform", 7, 8),
    Target("plan, no changes, 1200", "memory", 300, 200),
    Target("apply from nothing, 120", "throttled", 1.5, 1.5),
    Target("upload, 2 GB in 1 file", "cp", 1, 1.2),
    Target("upload, 2 GB in 1 file", "memory", 200, 150),
    Target("upload, 2 GB in 5,000 files", "cp", 1, 1.2),
    Target("upload, 2 GB in 5,000 files", "memory", 200, 150),
    Target("--help", "python", 2, 1.6),
    Target("--version", "seconds", 0.2, 0.1),
    Target("a bad file", "pydantic", 2.5, 2),
    *of_runs(OF_MANY),
)
