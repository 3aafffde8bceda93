"""A plan as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any, cast

from reconciler.cli.plan_format import VERSION, PlanChange, PlanData, PlanObject, PlanStep, PlanSummary
from reconciler.cli.terminal import Terminal, size
from reconciler.core.given_data import GivenData
from reconciler.core.plan import Action, Plan, Step
from reconciler.core.spec import Change
from reconciler.image.kind import ImageSpec, changed_files
from reconciler.kinds import FolderSpec, ObjectSpec

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
LONGEST = 24  # items of one value
WIDER = "  wider than the file"  # what is there allows something that isn't wanted, however it came there
FILES = "files."  # a change of one file of a folder
INDENT = 4  # of the details under a resource


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
    deleted = 0
    for step in steps:
        deleted += step.address.kind == ObjectSpec.kind and step.action is Action.DELETE
        if deleted > LONGEST and not verbose and step.address.kind == ObjectSpec.kind:
            continue
        terminal.say(f"{glyph(terminal, step.action)} {label(step)}")
        for line in _details(terminal, step, verbose):
            terminal.say(f"    {line}")
    if deleted > LONGEST and not verbose:
        more_text = f"and {deleted - LONGEST:,} more objects; --verbose shows all"
        terminal.say(f"{glyph(terminal, Action.DELETE)} {more_text}")
    for step in plan.steps:
        if step.action is Action.NONE and (step.note or verbose):
            terminal.say(terminal.style(f"= {label(step)}" + (f"  ({step.note})" if step.note else ""), "dim"))
    terminal.say(terminal.style(summary(plan), "bold"))


def summary(plan: Plan) -> str:
    """One line: how many of each action."""
    if not plan.changes:
        count = len(plan.steps)
        text = "the one resource is" if count == 1 else f"{count} resources are"
        return f"Nothing to change: {text} as the file says."
    counts = ", ".join(f"{count} {WORDS[action]}" for action, count in plan.summary.items() if count)
    skipped = f"; {len(plan.held)} of them skipped" if plan.held else ""
    return f"Plan: {counts}{skipped}."


def _details(terminal: Terminal, step: Step, verbose: bool) -> list[str]:
    lines = []
    if step.action is Action.CREATE and not verbose:
        if brief := _brief(step, terminal.width - INDENT):
            lines.append(terminal.style(brief, "dim"))
    else:
        files = [
            change for change in step.changes if isinstance(step.want, FolderSpec) and change.path.startswith(FILES)
        ]
        shown_files = files if verbose else files[:LONGEST]
        for change in (
            *shown_files,
            *(change for change in step.changes if not files or not change.path.startswith(FILES)),
        ):
            lines += _change(terminal, step, change)
        if len(files) > len(shown_files):
            lines.append(f"and {len(files) - len(shown_files):,} more files; --verbose shows all")
    if step.reason:
        lines.append(f"replaced, since {step.reason}")
    if remarks := "; ".join(filter(None, (step.note, f"skipped: {step.held}" if step.held else ""))):
        folded = terminal.fold(" " * INDENT, remarks)[INDENT:]
        lines.append(folded.replace("skipped:", terminal.style("skipped:", "yellow", "bold")))
    return lines


def _brief(step: Step, width: int) -> str:
    """A creation's plain values on one line."""
    parts = []
    if isinstance(step.want, FolderSpec):
        return f"{len(step.want.files):,} files, {size(step.want.size)}"
    for change in step.changes:
        text = value_text(change.after)
        if change.path != "tags" and len(text) <= SHORT:
            parts.append(f"{change.path}: {text}")
    line = ", ".join(parts)
    return line if len(line) <= width else line[: width - 3] + "..."


def _change(terminal: Terminal, step: Step, change: Change) -> list[str]:
    mark = terminal.style(WIDER, "red", "bold") if change.widens else ""
    if isinstance(step.want, FolderSpec) and change.path.startswith(FILES):
        return [f"{change.path.removeprefix(FILES)}: {'new' if change.before is None else 'other content'}"]
    before, after = value_text(change.before), value_text(change.after)
    width = terminal.width - INDENT - len(WIDER) - 6
    if isinstance(step.want, ImageSpec) and step.seen is not None and change.path == "inputs":
        files = changed_files(step.want, step.seen.spec)
        file_lines = [f"  {path}" for path in files[:LONGEST]]
        if len(files) > LONGEST:
            file_lines.append(f"  and {len(files) - LONGEST} more")
        return [f"{change.path}: {before} -> {after}", *(["image changed: these files", *file_lines] if files else [])]
    if len(before) + len(after) + len(change.path) <= width and not _statement(change.before or change.after):
        return [f"{change.path}: {before} -> {after}{mark}"]
    lines = [f"{change.path}:{mark}"]
    removed, new = _apart(change.before, change.after)
    lines += [terminal.style(line, "red") for line in _lines(removed, "-", width)]
    return lines + [terminal.style(line, "green") for line in _lines(new, "+", width)]


def _apart(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two sets, which are sorted, only what isn't in both; anything else whole."""
    texts = all(isinstance(side, list) and all(isinstance(item, str) for item in side) for side in (before, after))
    if not texts or before != sorted(before) or after != sorted(after):
        return before, after
    return [item for item in before if item not in after], [item for item in after if item not in before]


def _lines(value: Any, sign: str, width: int) -> list[str]:
    """A long value, an item a line, behind a sign."""
    if value in (None, "", [], {}):
        return []
    items = value if isinstance(value, list) else value.splitlines() if isinstance(value, str) else [value]
    lines = []
    for item in items[:LONGEST]:
        wrapped = textwrap.wrap(value_text(item), width, break_long_words=False, break_on_hyphens=False) or [""]
        lines += [f"  {sign} {wrapped[0]}", *(f"      {line}" for line in wrapped[1:])]
    return lines + ([f"  {sign} and {len(items) - LONGEST} more"] if len(items) > LONGEST else [])


def value_text(value: Any) -> str:
    """A value on one line; a policy statement in words."""
    if value in (None, "", [], {}):
        return "(none)"
    if isinstance(value, str):
        return value
    return _statement(value) or json.dumps(value, ensure_ascii=False)


def _statement(value: Any) -> str:
    """`Allow s3:GetObject on arn:… if StringLike s3:prefix is data/*`; empty for what is no statement."""
    if not isinstance(value, dict) or "effect" not in value:
        return ""
    parts = [value["effect"]]
    for key, word in (
        ("actions", ""),
        ("not_actions", "all but"),
        ("resources", "on"),
        ("not_resources", "on all but"),
    ):
        if value.get(key):
            parts += filter(None, (word, ", ".join(value[key])))
    for key, word in (("principals", "to"), ("not_principals", "to all but")):
        principals = [f"{kind} {name}" for kind, names in value.get(key, {}).items() for name in names]
        parts += [word, ", ".join(principals)] if principals else []
    tests = [
        f"{test} {key} is {' or '.join(values)}"
        for test, keys in value.get("conditions", {}).items()
        for key, values in keys.items()
    ]
    return " ".join(parts + (["if", " and ".join(tests)] if tests else []))


def plan_json(plan: Plan, data: Sequence[GivenData] = ()) -> PlanObject:
    """The plan as one object. data: what was found in S3."""
    steps = [_step_json(step) for step in plan.steps]
    answer: PlanObject = {
        "version": VERSION,
        "deploy": plan.deploy,
        "summary": cast("PlanSummary", plan.summary),
        "steps": steps,
    }
    return {**answer, "data": [_data_json(source) for source in data]} if data else answer


def _data_json(source: GivenData) -> PlanData:
    answer: PlanData = {
        "place": source.place.uri,
        "objects": source.objects,
        "bytes": source.size,
        "newest": f"{source.newest:%Y-%m-%dT%H:%M:%SZ}" if source.newest else None,
        "content": source.content,
    }
    return {**answer, "trouble": source.trouble} if source.trouble else answer


def _step_json(step: Step) -> PlanStep:
    answer: PlanStep = {
        "action": step.action.value,
        "kind": step.address.kind,
        "name": step.address.name,
        "changes": [_change_json(change) for change in step.changes],
    }
    if step.reason:
        answer["reason"] = step.reason
    if step.held:
        answer["held"] = step.held
    if step.note:
        answer["note"] = step.note
    return answer


def _change_json(change: Change) -> PlanChange:
    answer: PlanChange = {"path": change.path, "from": change.before, "to": change.after}
    if change.replaces:
        answer["replaces"] = True
    if change.widens:
        answer["widens"] = True
    return answer
