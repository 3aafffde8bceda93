"""Every fault case: injected at the HTTP level, waited for without waiting, and ended as it should be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.aws.fresh import SECONDS
from reconciler.core.errors import AwsError, ReconcilerError
from tests.faults.case import Case
from tests.faults.cases import CASES
from tests.faults.changes import CHANGES
from tests.faults.world import World, differs
from tests.lab_client import LabHandle


@pytest.mark.share(4)
@pytest.mark.parametrize("case", CASES, ids=[case.name.replace(" ", "-") for case in CASES])
def test_case(case: Case, lab: LabHandle, tmp_path: Path) -> None:
    world = World(lab, tmp_path)
    if case.act in ("change", "destroy"):
        assert world.apply(case.only).ok
        if case.act == "change":
            CHANGES[case.only[0]](lab)
            assert differs(world.plan(case.only)), "the change doesn't show"
            world.clock.skipped += SECONDS  # later, when nothing is new any more
    lab.zero()
    lab.rules(*case.rules)
    before = world.waited()
    errors = _act(world, case)
    waited, calls = world.waited() - before, _calls(lab)
    lab.rules()

    assert case.wait[0] <= waited <= case.wait[1], f"waited {waited:.1f} s"
    for op, times in case.calls.items():
        assert calls.get(op, 0) == times, f"{op} was called {calls.get(op, 0)} times"
    if case.fails:
        assert len(errors) == 1, errors
        text = f"{errors[0]}: {errors[0].hint}"
        assert re.search(case.fails, text, re.DOTALL), text
        if isinstance(errors[0], AwsError) and case.rules[0]["do"] == "error":
            assert errors[0].request_id.startswith("lab-")
        assert errors[0].hint
    else:
        assert not errors, errors
        assert calls.keys() & {rule["op"] for rule in case.rules} or "*" in {rule["op"] for rule in case.rules}
    if not case.fails and case.act in ("apply", "change"):
        assert differs(world.plan(case.only)) == []
    assert bool(waited > 2) <= bool(world.waits), "nothing was said while waiting"


def _act(world: World, case: Case) -> list[ReconcilerError]:
    if case.act == "plan":
        try:
            world.plan(case.only)
        except ReconcilerError as error:
            return [error]
        return []
    outcome = world.destroy() if case.act == "destroy" else world.apply(case.only)
    return [error for _, error in outcome.failed]


def _calls(lab: LabHandle) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in lab.log():
        counts[row["op"]] = counts.get(row["op"], 0) + 1
    return counts


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40
    assert len({case.name for case in CASES}) == len(CASES)
