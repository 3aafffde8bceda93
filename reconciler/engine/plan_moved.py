"""What a plan made now would do beyond one that was saved. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from reconciler.config import Deploy
from reconciler.core.diff import MASK
from reconciler.core.graph import Graph
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import Change, Local, Spec, Value

if TYPE_CHECKING:
    from reconciler.engine.plan_file import PlanFile

# What a step may have become when a part of it was done: nothing, or one of these.
SMALLER = {
    Action.CREATE: {Action.CREATE, Action.UPDATE},
    Action.UPDATE: {Action.UPDATE},
    Action.REPLACE: {Action.REPLACE, Action.CREATE, Action.UPDATE},
    Action.ADOPT: {Action.ADOPT, Action.UPDATE},
    Action.DELETE: {Action.DELETE},
}


class State(BaseModel):
    """Hashes of one step: of the spec before references are resolved, and of what was there; empty for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    want: str
    seen: str


def moved(saved: PlanFile, plan: Plan, deploy: Deploy, graph: Graph) -> list[str]:
    """What `plan`, made now, would do beyond what was saved: one line each; empty when it is the same or less."""
    lines = []
    if content(deploy, saved.salt) != saved.content:
        lines.append(f"{saved.file}: it says something else than when the plan was made, or a variable in it does")
    steps = {f"{step['kind']}.{step['name']}": step for step in saved.plan["steps"]}
    now = {str(step.address): step for step in plan.steps}
    for address, step in now.items():
        lines += [f"{address}: {line}" for line in _larger(saved, steps.get(address), step, graph)]
    return lines


def _larger(saved: PlanFile, was: Mapping[str, Any] | None, step: Step, graph: Graph) -> Iterator[str]:
    planned = was is not None and was["action"] != Action.NONE and not was.get("held")
    if not step.does:
        if planned and step.held:
            yield f"it would be held back now: {step.held}"
        return
    if was is None or not planned:
        yield f"nothing was to be done, and now: {step.action}{_paths(step.changes)}"
        return
    before = Action(was["action"])
    if step.action not in SMALLER[before]:
        yield f"was to {before}, and now: {step.action}{_paths(step.changes)}"
        return
    old, new_ = saved.states[str(step.address)], state(step, graph, saved.salt)
    if new_.want != old.want:
        yield "what is wanted is something else now" + _paths(step.changes)
    elif step.action is Action.DELETE:
        if new_.seen != old.seen:
            yield "what is to be deleted isn't what it was"
    elif new_.seen != old.seen or step.action is not before:
        unlike = tuple(c for c in step.changes if not _planned(c, was, before))
        if unlike:
            yield f"it is something else now{_paths(unlike)}"


def _planned(change: Change, was: Mapping[str, Any], action: Action) -> bool:
    """Whether a change was a part of the step. What is wanted is the same, so `after` is too."""
    if action in (Action.CREATE, Action.REPLACE) and change.before in (None, "", (), [], {}, False):
        return True  # of something half made: it isn't set yet
    if MASK in json.dumps(change.before, default=str):
        return False  # it can't be told whether it is the same
    return any(change.path == one["path"] and _plain(change.before) == one["from"] for one in was["changes"])


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _paths(changes: tuple[Change, ...]) -> str:
    shown = ", ".join(dict.fromkeys(change.path for change in changes))
    return f" ({shown})" if shown else ""


def state(step: Step, graph: Graph, salt: str) -> State:
    """The hashes of a step."""
    node = graph.nodes.get(step.address) if step.want is not None else None
    return State(want=_hash(node.spec, salt) if node else "", seen=_hash(step.seen.spec, salt) if step.seen else "")


def _hash(spec: Spec, salt: str) -> str:
    return digest(_compared(spec), salt)


def _compared(value: Any) -> Any:
    """A spec as plain values, without what isn't compared."""
    if isinstance(value, Value):
        fields = type(value).model_fields.items()
        return {
            name: _compared(getattr(value, name))
            for name, field in fields
            if not any(isinstance(mark, Local) for mark in field.metadata)
        }
    if isinstance(value, Mapping):
        return {str(key): _compared(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_compared(part) for part in value]
    return value if isinstance(value, str | int | float | None) else str(value)


def content(deploy: Deploy, salt: str) -> str:
    """The hash of what deploy.yaml says, with every variable and default in it."""
    return digest(deploy.model_dump(mode="json"), salt)


def digest(value: Any, salt: str) -> str:
    """The SHA-256 of a plain value."""
    return hashlib.sha256((salt + json.dumps(value, sort_keys=True)).encode()).hexdigest()
