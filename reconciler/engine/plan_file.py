"""A plan in a file: `plan --out FILE` writes it, and `apply FILE` does what it says or stops with what moved.

The file holds the plan as it was shown (secrets are masked in it already), the options that it was made with, and for
each step two hashes, of what is wanted and of what was there. `apply` makes the plan again and compares: a step may
have become smaller, since somebody or an interrupted apply did a part of it, and never larger. The hashes are salted,
so that they tell nothing about a value that was masked. A checksum over all of it finds files that were cut off or
edited; it isn't a signature.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from reconciler.config import Deploy
from reconciler.core import plain_json
from reconciler.core.errors import UserError
from reconciler.core.files import read_file
from reconciler.core.graph import Graph
from reconciler.core.plan import Action, Options, Plan, Step
from reconciler.core.secret import KNOWN
from reconciler.core.spec import Local, Spec, Value

FORMAT = "reconciler-plan"
VERSION = 1
MOST = 64 * 1024 * 1024  # characters of a plan
HEAD = f'{{\n  "format": "{FORMAT}"'
AGAIN = "make a new one: `plan --out`, with the file and the options of this one"


class Allowed(BaseModel):
    """The options that the plan was made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    adopt: bool
    prune: bool
    delete_data: bool
    skip_image: bool
    target: tuple[str, ...]
    confirm: tuple[str, ...] = ()


class StepHashes(BaseModel):
    """Hashes of one step: of the spec before references are resolved, and of what was there; empty for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    want: str
    seen: str


class ShownChange(BaseModel):
    """What is read again of a change in the plan that the file shows."""

    path: str
    before: Any = Field(alias="from")


class ShownStep(BaseModel):
    """What is read again of a step in the plan that the file shows."""

    kind: str
    name: str
    action: Action
    changes: tuple[ShownChange, ...]


class PlanFile(BaseModel):
    """What is in the file; docs/plan-json.md explains each field. path: where it was read from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    version: int
    file: str
    deploy: str
    account: str
    region: str
    local: bool
    environment: str = ""
    options: Allowed
    salt: str
    content: str
    plan: dict[str, Any]
    states: dict[str, StepHashes]
    checksum: str = ""

    @model_validator(mode="after")
    def _is_of_steps(self) -> PlanFile:
        """Raises ValueError where the plan isn't one of steps, each with its hashes: anybody can make a checksum."""
        steps = TypeAdapter(tuple[ShownStep, ...]).validate_python(self.plan.get("steps"))
        if {f"{step.kind}.{step.name}" for step in steps} != self.states.keys():
            raise ValueError("the hashes aren't those of the steps")
        return self


def new(
    plan: Plan,
    shown: Mapping[str, Any],
    deploy: Deploy,
    graph: Graph,
    *,
    file: str,
    account: str,
    local: bool,
    options: Options,
    skip_image: bool,
    environment: str = "",
) -> PlanFile:
    """A plan file. shown: the plan as `plan --json` prints it. file: deploy.yaml, relative to the plan file."""
    salt = secrets.token_hex(16)
    plan_file = PlanFile(
        format=FORMAT,
        version=VERSION,
        file=file,
        deploy=deploy.name,
        account=account,
        region=deploy.region,
        local=local,
        environment=environment,
        options=Allowed(
            adopt=options.adopt,
            prune=options.prune,
            delete_data=options.delete_data,
            skip_image=skip_image,
            target=tuple(sorted(map(str, options.targets or ()))),
            confirm=tuple(sorted(map(str, options.confirm))),
        ),
        salt=salt,
        content=content(deploy, salt),
        plan={**shown},
        states={str(step.address): state(step, graph, salt) for step in plan.steps},
    )
    return plan_file.model_copy(update={"checksum": _checksum(plan_file.model_dump(mode="json"))})


def check(path: Path) -> None:
    """Raises UserError when no plan can be written there. A file that isn't a plan is never overwritten."""
    hint = "name another file with --out"
    try:
        if path.exists() and not path.is_file():  # a device would be replaced
            raise UserError(f"{path} is {'a folder' if path.is_dir() else 'not a regular file'}", hint=hint)
        if not path.parent.is_dir():
            raise UserError(f"{path}: there is no folder {path.parent}", hint=hint)
        if path.exists() and path.stat().st_size and not _is_plan(read_file(path, MOST).decode("utf-8", "replace")):
            raise UserError(f"{path} is there already and is no plan file", hint=hint)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}", hint=hint) from None


def write(path: Path, plan: PlanFile) -> None:
    """Write it, readable by its owner alone. Raises UserError, as `check` does."""
    check(path)
    text = json.dumps(plan.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")  # nobody can have put anything there before
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UserError(f"{path} can't be written: {error.strerror}", hint="name another file with --out") from None


def read(path: Path) -> PlanFile | None:
    """The plan in a file; None when it is something else, such as a deploy.yaml, or isn't there.

    Raises UserError for a plan of another version, and for one that was cut off or edited.
    """
    try:
        text = read_file(path, MOST).decode()
    except (OSError, UnicodeDecodeError):
        return None  # what reads a deploy.yaml says what is wrong
    if not _is_plan(text):
        return None
    try:
        values = plain_json.read(text, MOST)
    except plain_json.NotJson as error:
        if isinstance(error, plain_json.Broken):
            raise UserError(f"{path} is cut off: a part of the plan is missing", hint=AGAIN) from None
        if isinstance(error, plain_json.Deep):
            raise UserError(f"{path} is nested too deeply for a plan", hint=AGAIN) from None
        raise UserError(f"{path} is no plan that this program wrote: {error}", hint=AGAIN) from None
    if values.get("version") != VERSION:
        raise UserError(
            f"{path} is a plan of version {values.get('version')!s:.60}, and this program reads version {VERSION}",
            hint=AGAIN,
        )
    try:
        plan = PlanFile.model_validate(values)
        intact = plan.checksum == _checksum(values)
    except ValidationError:
        intact = False
    if not intact:
        raise UserError(f"{path} was edited or damaged: it isn't as `plan --out` wrote it", hint=AGAIN)
    return plan


def check_place(path: Path, plan: PlanFile, *, account: str, region: str) -> None:
    """Raises UserError when it was made for another account or region."""
    for field, planned, actual in (("account", plan.account, account), ("region", plan.region, region)):
        if planned != actual:
            raise UserError(f"{path} is a plan for {field} {planned}, and this is {field} {actual}", hint=AGAIN)


def _checksum(values: Mapping[str, Any]) -> str:
    """Over everything else, whatever the order and the white space."""
    return digest({key: value for key, value in values.items() if key != "checksum"}, "")


def _is_plan(text: str) -> bool:
    if text.startswith(HEAD) or (text and HEAD.startswith(text)):
        return True
    if not text.lstrip().startswith("{"):
        return False
    try:
        values = plain_json.read(text, MOST)
    except plain_json.NotJson:
        return False
    return isinstance(values, dict) and values.get("format") == FORMAT


def state(step: Step, graph: Graph, salt: str) -> StepHashes:
    """The hashes of a step."""
    node = graph.nodes.get(step.address) if step.want is not None else None
    return StepHashes(
        want=_hash(node.spec, salt) if node else "", seen=_hash(step.seen.spec, salt) if step.seen else ""
    )


def _hash(spec: Spec, salt: str) -> str:
    return digest(KNOWN.marked(_compared(spec), salt), salt)


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
    return digest(KNOWN.marked(deploy.model_dump(mode="json"), salt), salt)


def digest(value: Any, salt: str) -> str:
    """The SHA-256 of a plain value."""
    return hashlib.sha256((salt + json.dumps(value, sort_keys=True)).encode()).hexdigest()
