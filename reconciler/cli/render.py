"""A plan as text and as JSON."""

from __future__ import annotations

import json
from typing import Any

from reconciler.cli.terminal import Terminal
from reconciler.image.kind import ImageSpec, changed_files
from reconciler.plan import Action, Plan, Step
from reconciler.spec import Change

VERSION = 1  # of the JSON format, see docs/plan-json.md
GLYPHS = {
    Action.CREATE: ("+", "green"), Action.UPDATE: ("~", "yellow"), Action.REPLACE: ("±", "magenta"),
    Action.DELETE: ("-", "red"), Action.ADOPT: (">", "blue"), Action.NONE: ("=", "dim"),
}  # fmt: skip
WORDS = {
    "create": "to create",
    "update": "to update",
    "replace": "to replace",
    "delete": "to delete",
    "adopt": "to adopt",
    "none": "as wanted",
}
SHORT = 60  # characters of a value on one line
LONGEST = 24  # lines of one value


def glyph(terminal: Terminal, action: Action) -> str:
    """The one character for an action."""
    sign, colour = GLYPHS[action]
    return terminal.style(sign, colour)


def label(step: Step) -> str:
    """Kind and name in columns."""
    return f"{step.address.kind:<16} {step.address.name}"


def show_plan(terminal: Terminal, plan: Plan, *, verbose: bool = False) -> None:
    """Print what differs, those steps first that take back a widened access, then what isn't ours, then the sum."""
    steps = sorted(plan.changes, key=lambda step: not any(c.widens for c in step.changes))
    for step in steps:
        terminal.say(f"{glyph(terminal, step.action)} {label(step)}")
        for line in _details(terminal, step, verbose):
            terminal.say(f"    {line}")
    for step in plan.steps:
        if step.action is Action.NONE and (step.note or verbose):
            terminal.say(terminal.style(f"= {label(step)}" + (f"  ({step.note})" if step.note else ""), "dim"))
    terminal.say(terminal.style(summary(plan), "bold"))


def summary(plan: Plan) -> str:
    """One line: how many of each action."""
    if not plan.changes:
        return f"Nothing to change: {len(plan.steps)} resources are as the file says."
    counts = ", ".join(f"{count} {WORDS[action]}" for action, count in plan.summary.items() if count)
    held = f"; {len(plan.held)} of them held back" if plan.held else ""
    return f"Plan: {counts}{held}."


def _details(terminal: Terminal, step: Step, verbose: bool) -> list[str]:
    lines = []
    if step.action is Action.CREATE and not verbose:
        if brief := _brief(step):
            lines.append(terminal.style(brief, "dim"))
    else:
        for change in step.changes:
            lines += _change(terminal, step, change)
    if step.note:
        lines.append(terminal.style(step.note, "dim"))
    if step.reason:
        lines.append(f"replaced, since {step.reason}")
    if step.held:
        lines.append(terminal.style("held back: ", "yellow") + step.held)
    return lines


def _brief(step: Step) -> str:
    """A creation's plain values on one line."""
    parts = []
    for change in step.changes:
        text = _one_line(change.after)
        if change.path != "tags" and len(text) <= SHORT:
            parts.append(f"{change.path}: {text}")
    line = ", ".join(parts)
    return line if len(line) <= 110 else line[:107] + "..."


def _change(terminal: Terminal, step: Step, change: Change) -> list[str]:
    mark = terminal.style("  widens access", "red", "bold") if change.widens else ""
    before, after = _one_line(change.before), _one_line(change.after)
    if isinstance(step.want, ImageSpec) and step.seen is not None and change.path == "inputs":
        files = changed_files(step.want, step.seen.spec)
        listed = [f"  {one}" for one in files[:LONGEST]] + (
            [f"  and {len(files) - LONGEST} more"] if len(files) > LONGEST else []
        )
        return [f"{change.path}: {before} -> {after}", *(["image changed: these files", *listed] if files else [])]
    if len(before) + len(after) <= 2 * SHORT:
        return [f"{change.path}: {before} -> {after}{mark}"]
    lines = [f"{change.path}:{mark}"]
    lines += [terminal.style(f"  - {line}", "red") for line in _lines(change.before)]
    return lines + [terminal.style(f"  + {line}", "green") for line in _lines(change.after)]


def _one_line(value: Any) -> str:
    if value in (None, "", [], {}):
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _lines(value: Any) -> list[str]:
    if value in (None, "", [], {}):
        return []
    if isinstance(value, str):
        return value.splitlines()
    lines = json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    return lines if len(lines) <= LONGEST else [*lines[:LONGEST], f"... {len(lines) - LONGEST} more lines"]


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as one object, as docs/plan-json.md and its JSON schema say."""
    return {
        "version": VERSION,
        "deploy": plan.deploy,
        "summary": plan.summary,
        "steps": [step_json(step) for step in plan.steps],
    }


def step_json(step: Step) -> dict[str, Any]:
    """One step."""
    return {
        "action": step.action.value,
        "kind": step.address.kind,
        "name": step.address.name,
        "changes": [
            {"path": c.path, "from": c.before, "to": c.after}
            | ({"replaces": True} if c.replaces else {})
            | ({"widens": True} if c.widens else {})
            for c in step.changes
        ],
        **({"reason": step.reason} if step.reason else {}),
        **({"held": step.held} if step.held else {}),
        **({"note": step.note} if step.note else {}),
    }
