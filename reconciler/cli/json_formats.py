"""The form of what each command prints with --json, as JSON schemas: made of the classes in its module's ANSWERS.

Used to publish them, never by a command: `python -m reconciler.cli.publish` writes them to reconciler/cli/schemas/ and
explains them in docs/json.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import TypeAdapter

from reconciler.cli.answer import ABSENT
from reconciler.cli.arguments import parser
from reconciler.cli.failure import Failure, Verdict
from reconciler.cli.findings import Check
from reconciler.cli.plan_format import STEP_RULES, PlanChange, PlanObject, PlanStep
from reconciler.cli.work import Swept
from reconciler.image.kind import ImageSpec
from reconciler.kinds import KINDS
from reconciler.run.run import Run

Schema = dict[str, Any]
PLAN = Path(__file__).with_name("plan.schema.json")
# They are explained in pages of their own: docs/plan-json.md, and that of deploy.yaml.
ELSEWHERE = {"plan": "reconciler/cli/plan.schema.json", "show": "reconciler/config/deploy.schema.json"}
SHARED: dict[type, str] = {Verdict: "verdict", Swept: "sweep", Run: "run", Check: "finding"}
PLAN_PARTS: dict[Any, str] = {PlanObject: "plan", PlanStep: "step", PlanChange: "change"}
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def commands() -> dict[str, list[Schema]]:
    """The objects that each command may print, but for those in ELSEWHERE."""
    modules = {name: command.get_default("module") for name, command in sorted(parser().commands.items())}
    return {
        name: [shape(answer) for answer in import_module(f"reconciler.cli.{module}").ANSWERS]
        for name, module in modules.items()
        if name not in ELSEWHERE
    }


def shared() -> dict[str, Schema]:
    """The shapes that several commands print, by name, without what only they need."""
    return {name: _run() if kind is Run else shape(kind) for kind, name in SHARED.items()}


def plan_parts() -> dict[str, Schema]:
    """The plan, a step and a change, by name."""
    parts = {name: shape(kind) for kind, name in PLAN_PARTS.items()}
    parts["step"]["properties"]["kind"]["enum"] = [*(kind.spec.kind for kind in KINDS), ImageSpec.kind]
    parts["step"]["allOf"] = STEP_RULES
    return parts


def shape(kind: type) -> Schema:
    """The schema of a dataclass's or TypedDict's values: its fields with what their annotations say."""
    if is_typeddict(kind):
        return _keys(kind)
    hints = get_type_hints(kind, include_extras=True)
    inline = [field for field in fields(kind) if field.metadata.get("inline")]
    own_fields = [field for field in fields(kind) if field not in inline]
    own_schema: Schema = {
        "type": "object",
        "description": " ".join(cleandoc(kind.__doc__ or "").split()),
        "required": [field.name for field in own_fields if field.default is not ABSENT],
        "properties": {field.name: of(hints[field.name]) for field in own_fields},
    }
    return {"allOf": [*(of(hints[field.name]) for field in inline), own_schema]} if inline else own_schema


def _keys(kind: type) -> Schema:
    hints = get_type_hints(kind, include_extras=True)
    seldom = {name: get_args(hint)[0] for name, hint in hints.items() if get_origin(hint) is NotRequired}
    return {
        "type": "object",
        "description": " ".join(cleandoc(kind.__doc__ or "").split()),
        "required": [name for name in hints if name not in seldom],
        "properties": {name: of(hint) for name, hint in (hints | seldom).items()},
    }


def of(hint: Any) -> Schema:
    """The schema of a type. Raises KeyError for one that no answer may have."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        base, *notes = inner
        base_schema = of(base)
        for note in notes:
            base_schema |= note if isinstance(note, dict) else {"description": note}
        return base_schema
    if origin in (Union, UnionType):
        return {"anyOf": [{"type": "null"} if member is NoneType else of(member) for member in inner]}
    if origin is Literal:
        return {"const": inner[0]} if len(inner) == 1 else {"enum": list(inner)}
    if origin is tuple:
        return {"type": "array", "minItems": len(inner), "maxItems": len(inner)}
    if origin in (list, Sequence):
        return {"type": "array", "items": of(inner[0])}
    if origin in (dict, Mapping):
        return {"type": "object"} | ({} if inner[1] is Any else {"additionalProperties": of(inner[1])})
    if hint in SHARED or hint in PLAN_PARTS:
        return {"$ref": f"#/$defs/{SHARED.get(hint) or PLAN_PARTS[hint]}"}
    if hint is Any:
        return {}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if is_typeddict(hint) or (isinstance(hint, type) and is_dataclass(hint)):
        return shape(hint)
    return {"type": TYPES[hint]}


def schema(command: str) -> Schema:
    """The JSON schema (draft 2020-12) of a command's object but for that of `show`, or of `error`. Raises KeyError."""
    other_types = {"error": Failure, "plan": PlanObject}
    answers = [shape(other_types[command])] if command in other_types else commands()[command]
    answer: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"What `reconciler {command} --json` prints, version 1"
        if command != "error"
        else "A failed command, version 1",
    }
    answer |= answers[0] if len(answers) == 1 else {"anyOf": answers}
    everything = {**shared(), **_record()["$defs"], **plan_parts()}
    definitions: dict[str, Schema] = {}
    _collect(answer, everything, definitions)
    return answer | ({"$defs": definitions} if definitions else {})


def _collect(part: Any, everything: dict[str, Schema], definitions: dict[str, Schema]) -> None:
    """Add to `definitions` what `part` refers to, and what that refers to."""
    if isinstance(part, list):
        for item in part:
            _collect(item, everything, definitions)
    elif isinstance(part, dict):
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in definitions:
            definitions[name] = everything[name]
            _collect(everything[name], everything, definitions)
        for value in part.values():
            _collect(value, everything, definitions)


def _run() -> Schema:
    record = _record()
    record.pop("$defs")
    return record | {"description": "One run, as docs/runs.md explains it. Times are seconds since the epoch."}


def _record() -> Schema:
    record: Schema = _untitled(TypeAdapter(Run).json_schema(mode="serialization"))
    return record


def _untitled(part: Any) -> Any:
    if isinstance(part, list):
        return [_untitled(item) for item in part]
    if not isinstance(part, dict):
        return part
    untitled = {k: _untitled(v) for k, v in part.items() if not (k == "title" and isinstance(v, str))}
    # All of it is printed, whatever has a default.
    return untitled | {"required": list(untitled["properties"])} if "properties" in untitled else untitled
