"""The comparisons. Each starts the labs that it needs, and measures its subjects by turns."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import local_start, runs, upload
from bench.lab import ROOT, Lab
from bench.measure import Sample, Subject, by_turns, process
from bench.subjects import Ours, Terraform, bare, guide_script, terraform_folder
from bench.targets import BARE, FREE, LIMITED, MOTO, OF_MANY, OURS, PYDANTIC, PYTHON, TERRAFORM

Results = dict[str, dict[str, list[Sample]]]
PLAIN = "bench.plain_lab"
GUIDE = "the guide's script"


@dataclass
class Bench:
    """folder: a temporary one. data: the file to upload. latency: milliseconds of each request.

    rounds: of each comparison; half as many of those that take long. notes: why something wasn't measured.
    """

    folder: Path
    data: Path
    latency: float
    rounds: int
    say: Callable[[str], None]
    results: Results = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def few(self) -> int:
        """Rounds of what takes long."""
        return max(1, self.rounds // 2)

    def compare(self, name: str, subjects: dict[str, Subject], rounds: int | None = None) -> None:
        """Measure by turns."""
        self.say(f"{name} ...")
        self.results[name] = by_turns(subjects, rounds or self.rounds, self.say)

    @contextlib.contextmanager
    def labs(self, *names: str) -> Iterator[list[Lab]]:
        """Labs of these names, without latency as yet."""
        with contextlib.ExitStack() as stack:
            yield [
                stack.enter_context(Lab(self.folder / f"{n}-lab", module=PLAIN if "plain" in n else "tests.lab"))
                for n in names
            ]

    def note(self, text: str) -> None:
        """Say once why something is missing."""
        if text not in self.notes:
            self.notes.append(text)
            self.say(text)


def starts(bench: Bench) -> None:
    """What needs no AWS."""
    with bench.labs("starts") as (lab,):
        ours = Ours(bench.folder / "starts", lab, bench.data)
        python: dict[str, Subject] = {PYTHON: lambda: process([sys.executable, "-c", "pass"], ours.folder, None)}
        with_pydantic = [
            sys.executable,
            "-c",
            "from pydantic import BaseModel",
        ]  # the package alone loads nothing of it
        pydantic: dict[str, Subject] = {PYDANTIC: lambda: process(with_pydantic, ours.folder, None)}
        rounds = 4 * bench.rounds
        bench.compare("--help", {OURS: lambda: ours.run("--help", aws=False), **python}, rounds)
        bench.compare("--version", {OURS: lambda: ours.run("--version", aws=False)}, rounds)
        bad: Subject = lambda: ours.run("plan", "bad.yaml", codes=(2,), aws=False)  # noqa: E731
        bench.compare("a bad file", {OURS: bad, **pydantic}, rounds)


def embedded_aws(bench: Bench) -> None:
    """From the start of the embedded AWS to its first answer."""
    local_start.load_client()
    homes = (bench.folder / f"local-{number}" for number in itertools.count())
    subjects: dict[str, Subject] = {OURS: lambda: local_start.ours(next(homes)), MOTO: local_start.moto}
    bench.compare("start of the embedded AWS", subjects)


def guide_size(bench: Bench) -> None:
    """The guide's 18 resources: plan and apply with no changes, apply from nothing, destroy."""
    source, why = terraform_folder("RECONCILER_BENCH_TERRAFORM")
    if source is None:
        bench.note(f"Terraform isn't measured with 18 resources: {why}")
    with bench.labs("ours", "terraform") as (lab, other):
        ours = Ours(bench.folder / "ours", lab, bench.data)
        ours.lab_latency = bench.latency
        ours.apply()
        peer = _terraform(bench, source, "terraform", other, {"data_file": str(bench.data)})
        for used_lab in (lab, other):
            used_lab.latency(bench.latency)
        peers: dict[str, Subject] = {TERRAFORM: peer.plan} if peer else {}
        bench.compare("plan, no changes, 18", {OURS: ours.plan, BARE: lambda: bare(lab), **peers})
        peers = {TERRAFORM: peer.apply} if peer else {}
        bench.compare("apply, no changes, 18", {OURS: ours.apply, **peers})
        if peer is not None:
            peer.destroy()
        _from_nothing(bench, ours, peer, other)


def _terraform(bench: Bench, source: Path | None, name: str, lab: Lab, variables: dict[str, str]) -> Terraform | None:
    """Terraform with everything made, or None: without it ours are still worth measuring."""
    if source is None:
        return None
    bench.say(f"terraform makes the same ({name}) ...")
    try:
        peer = Terraform(source, bench.folder / name, lab, variables)
        peer.apply()
    except RuntimeError as error:
        bench.note(f"Terraform isn't measured ({name}): {error}")
        return None
    return peer


def _from_nothing(bench: Bench, ours: Ours, peer: Terraform | None, spare: Lab) -> None:
    """Apply from nothing and destroy, each by turns; what one makes the other takes away."""
    script, why = guide_script()
    made: dict[str, Subject] = {OURS: ours.apply_from_nothing}
    if peer is not None:
        made[TERRAFORM] = peer.apply
    results: Results = {"apply from nothing, 18": {}, "destroy, 18": {}}
    gone: dict[str, Subject] = {OURS: ours.destroy} | ({TERRAFORM: peer.destroy} if peer else {})
    for number in range(1, bench.few + 1):
        for name, subjects in (("apply from nothing, 18", made), ("destroy, 18", gone)):
            bench.say(f"{name}, {number} of {bench.few} ...")
            for who, samples in by_turns(subjects, 1, bench.say).items():
                results[name].setdefault(who, []).extend(samples)
        if script is not None:
            # One of its steps fails, as it does on AWS, and the script goes on.
            sample = process(["bash", str(script), str(bench.data)], bench.folder, spare)
            results["apply from nothing, 18"].setdefault(GUIDE, []).append(sample)
            spare.reset()
            spare.latency(bench.latency)
    if script is None:
        bench.note(f"the guide's script isn't measured: {why}")
    bench.results |= results


def scaled(bench: Bench, count: int) -> None:
    """Plan with no changes of `count` of each of six kinds.

    The configuration that Terraform is given has no execution role, which our lab refuses as ECS does.
    """
    total = 6 * count
    source, why = terraform_folder("RECONCILER_BENCH_TERRAFORM_X20")
    if source is None:
        bench.note(f"Terraform isn't measured with {total} resources: {why}")
    with bench.labs(f"ours-{total}", f"plain-{total}") as (lab, other):
        ours = Ours(bench.folder / f"ours-{total}", lab, bench.data)
        bench.say(f"making {total} resources ...")
        _driver(ours, "apply", count, codes=(0, 1))  # moto isn't safe to use from many threads
        _driver(ours, "apply", count)
        peer = _terraform(bench, source, f"terraform-{total}", other, {"n": str(count)})
        for used_lab in (lab, other):
            used_lab.latency(bench.latency)
        peers: dict[str, Subject] = {TERRAFORM: peer.plan} if peer else {}
        rounds = bench.rounds if count < 100 else bench.few
        bench.compare(f"plan, no changes, {total}", {OURS: lambda: _driver(ours, "plan", count), **peers}, rounds)


def throttled(bench: Bench, count: int = 20, per_second: float = 20.0) -> None:
    """Apply of 120 from nothing, with and without a limit of requests per second and service."""
    total = 6 * count
    with bench.labs("free", "limited") as (free, limited):
        limits = {FREE: (free, 0.0), LIMITED: (limited, per_second)}
        subjects: dict[str, Subject] = {}
        for number, (name, (lab, rate)) in enumerate(limits.items()):
            ours = Ours(bench.folder / f"throttled-{number}", lab, bench.data)

            def run(ours: Ours = ours, lab: Lab = lab, rate: float = rate) -> Sample:
                lab.reset()
                lab.latency(bench.latency)
                lab.rate(rate)
                return _driver(ours, "apply", count)

            subjects[name] = run
        bench.compare(f"apply from nothing, {total}", subjects, 1)


def uploads(bench: Bench) -> None:
    """2 GB to the embedded AWS, in one file and in many."""
    _, why = upload.program()
    if why:
        bench.note(f"`aws s3 cp` isn't measured: {why}")
    for files in (1, 5000):
        name = f"upload, 2 GB in {files:,} file{'s' if files > 1 else ''}"
        bench.say(f"{name} ...")
        bench.results[name] = upload.compare(bench.folder / f"upload-{files}", 2000, files, bench.few, bench.say)


def many_runs(bench: Bench) -> None:
    """Lists of ten thousand runs; `python -m bench.runs` has a hundred thousand."""
    bench.results |= runs.measured(bench.folder / "runs", OF_MANY, bench.latency, bench.few, bench.say)


def load(bench: Bench, row: int = 1000, once: int = 100, commands: int = 12) -> None:
    """Plans in a row, at once and as processes, and what they leave behind."""
    with bench.labs("load") as (lab,):
        ours = Ours(bench.folder / "load", lab, bench.data)
        ours.apply()
        bench.say(f"{row} plans in a row, {once} at once, {commands} commands at once ...")
        command = [sys.executable, "-m", "bench.load", str(row), str(once), str(commands)]
        ended = subprocess.run(
            command, cwd=ours.folder, env=lab.environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
        report = json.loads(ended.stdout)
        for name, plans in (("row", row), ("at once", once)):
            first, last = report[name][0], report[name][-1]
            held = ", ".join(
                f"{quantity} {first[quantity]:g} -> {last[quantity]:g}" for quantity in ("threads", "files", "memory")
            )
            bench.notes.append(f"load, {plans} plans {'in a row' if name == 'row' else 'at once'}: {held} MB")
        codes = report["exit codes"]
        bench.notes.append(f"load, {commands} commands at once: {codes.count(0)} of {len(codes)} ended as they should")


def _driver(ours: Ours, verb: str, count: int, codes: tuple[int, ...] = (0,)) -> Sample:
    command = [sys.executable, "-m", "bench.scale", verb, str(count)]
    return process(command, ours.folder, ours.lab, env={"PYTHONPATH": os.fspath(ROOT)}, codes=codes)
