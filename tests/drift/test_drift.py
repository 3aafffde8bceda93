"""Drift: everything that others do to the guide's deployment is seen by `plan`, repaired by `apply`, and then gone.

The drifts of a round are made at once, then planned, repaired and planned again; those that would hide each other (the
same field of the same resource, or a resource that is deleted) are in different rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.drift.cases import Drift, drifts
from tests.drift.changes import SECTIONS, USER
from tests.engine.project import Project
from tests.folder import Result
from tests.guide_project import guide_project
from tests.lab_client import LabHandle

DRIFTS = list(drifts())


def rounds() -> list[list[Drift]]:
    """The drifts in as few rounds as it takes."""
    made: list[list[Drift]] = []
    for drift in DRIFTS:
        for others in made:
            same = [other for other in others if drift.address in (other.address, *other.also)]
            touched = [other for other in others if other.address in drift.also]
            whole = any(other.replaces for other in same) or (drift.replaces and same)
            if (
                not touched
                and not whole
                and all(drift.path and other.path and not drift.fields & other.fields for other in same)
            ):
                others.append(drift)
                break
        else:
            made.append([drift])
    return made


ROUNDS = rounds()


@dataclass(frozen=True)
class Round:
    """What a round showed. before, after: steps by address. text: the plan as a person sees it."""

    before: dict[str, dict[str, Any]]
    text: str
    applied: Result
    after: dict[str, dict[str, Any]]


class Deployment:
    """The guide's deployment in a folder of its own."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._rounds: dict[int, Round | Exception] = {}

    def steps(self) -> dict[str, dict[str, Any]]:
        return self.project.plan("--local")

    def round(self, number: int) -> Round:
        """How a round went, which happens once. Rounds go in their order."""
        for earlier in range(number + 1):
            if earlier not in self._rounds:
                try:
                    self._rounds[earlier] = self._round(earlier)
                except Exception as error:  # so that it isn't tried again for each of its drifts
                    self._rounds[earlier] = error
        result = self._rounds[number]
        if isinstance(result, Exception):
            raise result
        return result

    def _round(self, number: int) -> Round:
        for drift in ROUNDS[number]:
            drift.do(self.project.lab)
        before, text = self.steps(), self.project.ok("plan", "--local").out
        applied = self.project.run("apply", "--local", "--skip-run")
        return Round(before, text, applied, self.steps())


@pytest.fixture(scope="module")
def deployment(lab_session: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    lab_session.reset()
    folder = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        project = guide_project(lab_session, folder, patch, SECTIONS, user={"name": USER, "access_keys": 1})
        project.ok("apply", "--local", "--skip-run")
        yield Deployment(project)


CASES = [pytest.param(drift, number, id=drift.name) for number, several in enumerate(ROUNDS) for drift in several]


def test_there_is_nothing_to_do_at_first(deployment: Deployment) -> None:
    assert {step["action"] for step in deployment.steps().values()} == {"none"}


@pytest.mark.share(4)
@pytest.mark.parametrize(("drift", "number"), CASES)
def test_drift(drift: Drift, number: int, deployment: Deployment) -> None:
    result = deployment.round(number)
    step = result.before[drift.address]
    if drift.path:
        assert step["action"] == ("replace" if drift.replaces else "update")
        shown = [change for change in step["changes"] if change["path"].startswith(drift.path)]
        assert shown, step["changes"]
        assert any(change.get("widens", False) for change in shown) is drift.widens
    else:
        assert step["action"] == "create"
    assert result.applied.code == 0, result.applied.out + result.applied.err
    assert result.after[drift.address]["action"] == "none"


@pytest.mark.parametrize("number", range(len(ROUNDS)))
def test_nothing_else_is_shown_and_widened_access_comes_first(number: int, deployment: Deployment) -> None:
    result = deployment.round(number)
    drifted = {address for drift in ROUNDS[number] for address in (drift.address, *drift.also)}
    changed = {address: step for address, step in result.before.items() if step["action"] != "none"}
    assert set(changed) == drifted
    widened = {address for address, step in changed.items() if any(c.get("widens") for c in step["changes"])}
    listed = [line.split(maxsplit=2) for line in result.text.splitlines() if line[:1] in "+~±->" and line[1:2] == " "]
    order = [f"{kind}.{name}" for _, kind, name in listed]
    assert set(order) == drifted
    assert set(order[: len(widened)]) == widened
    assert result.text.count("wider than the file") >= len(widened)
    assert {step["action"] for step in result.after.values()} == {"none"}


def test_a_secret_that_somebody_put_there_is_not_shown(deployment: Deployment) -> None:
    for number in range(len(ROUNDS)):
        result = deployment.round(number)
        assert "hunter2" not in str(result)


def test_there_are_enough_of_them() -> None:
    assert len({drift.name for drift in DRIFTS}) == len(DRIFTS) >= 60
    assert sum(drift.widens for drift in DRIFTS) >= 20
