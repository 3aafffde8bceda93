"""What a plan made now would do beyond one that was saved to a file. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.config import Deploy
from reconciler.core.drift import larger
from reconciler.core.graph import Graph
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.secret import MASK
from reconciler.core.spec import Change
from reconciler.engine.plan_file import PlanFile, StepHashes, content, state


@dataclass(frozen=True)
class Saved:
    """A step of a plan file, as `reconciler.core.drift.Planned` has it. shown: the step as the file shows it."""

    file: PlanFile
    graph: Graph
    shown: Mapping[str, Any] | None

    @property
    def action(self) -> Action:
        """What it was to do."""
        held = self.shown is None or self.shown.get("held")
        return Action.NONE if self.shown is None or held else Action(self.shown["action"])

    def wanted(self, step: Step) -> bool:
        """Whether this step wants the same, by its hash."""
        return self._state(step).want == self.file.states[str(step.address)].want

    def seen(self, step: Step) -> bool:
        """Whether what is there now is what was there then, by its hash."""
        return self._state(step).seen == self.file.states[str(step.address)].seen

    def has(self, change: Change) -> bool:
        """Whether this change was a part of it. Of a value that is hidden in the file it can't be told."""
        if self.shown is None or MASK in json.dumps(change.before, default=str):
            return False
        before = json.loads(json.dumps(change.before, default=str))
        return any(change.path == entry["path"] and before == entry["from"] for entry in self.shown["changes"])

    def _state(self, step: Step) -> StepHashes:
        return state(step, self.graph, self.file.salt)


def moved(saved: PlanFile, plan: Plan, deploy: Deploy, graph: Graph) -> list[str]:
    """What `plan`, made now, would do beyond what was saved: one line each; empty when it is the same or less."""
    lines = []
    if content(deploy, saved.salt) != saved.content:
        lines.append(f"{saved.file}: it says something else than when the plan was made, or a variable in it does")
    steps = {f"{step['kind']}.{step['name']}": step for step in saved.plan["steps"]}
    for step in plan.steps:
        planned = Saved(saved, graph, steps.get(str(step.address)))
        if step.held and step.action is not Action.NONE and planned.action is not Action.NONE:
            lines.append(f"{step.address}: it would be skipped now: {step.held}")
        elif reason := larger(planned, step):
            lines.append(f"{step.address}: {reason}")
    return lines
