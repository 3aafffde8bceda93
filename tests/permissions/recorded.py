"""What the suite's calls to AWS need, recorded, and held against what is declared.

Every call that this code makes in a test's process is seen where botocore gets its parameters. Whose call it is tells
the stack: the kind or the module below `reconciler` that asked for it. Workers of xdist hand what they saw on to the
main process, which checks at the end: nothing undeclared was called, and, after a whole run, all that is declared was.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from reconciler.aws.clients import TRANSFER
from reconciler.image.kind import EVERY_KIND
from reconciler.permissions.needs import NEEDS
from reconciler.permissions.parts import FREE, OPTIONAL, OTHERS, PARTS, UNSEEN
from tests.permissions.actions import actions_of

# Through which others call.
WAYS = {
    "core.pages", "aws.calls", "aws.clients", "aws.failures", "aws.tags", "aws.together", "aws.upload",
    "kinds.s3_versions",
}  # fmt: skip
OF_IMAGE = {"image.manifest", "image.login", "image.source", "image.base", "image.in_use"}
PLACE = "reconciler/permissions/parts.py"
READING = ("GetObject", "HeadObject")
VERBS = {"create": "create", "update": "update", "delete": "delete", "users": "delete"}
Seen = tuple[str, str, str]  # owner (a kind, or a module below reconciler), verb, action

OWNERS = {type(kind).__module__.removeprefix("reconciler."): kind.spec.kind for kind in EVERY_KIND}
ADD = {
    "read": "`read=`", "create": "its creation, or `set`", "update": "`set` or `fields`, under the changed field",
    "delete": "its deletion",
}  # fmt: skip


class Recorder:
    """Collects what the calls of one process need."""

    def __init__(self) -> None:
        self.seen: set[Seen] = set()

    def watch(self, client: Any, service: str) -> None:
        """See every call of a client of ours."""

        def called(params: dict[str, Any], model: Any, **others: Any) -> None:
            owner, verb = asker(sys._getframe(1))
            if (
                not owner and service == TRANSFER
            ):  # in a thread of the transfer manager's, where the stack tells nothing
                owner, verb = ("run.results", "read") if model.name in READING else ("object", "create")
            if owner:
                self.seen |= {(owner, verb, action) for action in actions_of(service, model.name, params)}

        client.meta.events.register("before-parameter-build.*.*", called)


def asker(frame: FrameType | None) -> tuple[str, str]:
    """(owner, verb) of the call that this frame belongs to; no owner for a call that a test makes itself."""
    owner, verb = "", "read"
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        name = module.removeprefix("reconciler.")
        if module.startswith("reconciler.") and name not in WAYS and not name.startswith("local"):
            if name == "kinds.iam":  # shared by two kinds
                kind = frame.f_locals.get("kind")
                owner = owner or {"Role": "role", "User": "user"}.get(str(kind), "")
            name = {"kinds.function_attached": "kinds.lambda_function"}.get(name, name)
            owner = owner or OWNERS.get(name, "image" if name in OF_IMAGE else name)
            if name in OWNERS:
                # By the whole name, since what is run beside others in a thread is a lambda of the method.
                verb = next((VERBS[part] for part in frame.f_code.co_qualname.split(".") if part in VERBS), verb)
        frame = frame.f_back
    return owner, verb


def declared(owner: str, verb: str) -> set[str]:
    """The actions that this owner may ask for."""
    allowed = set(FREE) | {a for module, actions in OPTIONAL.items() if owner in _owners((module,)) for a in actions}
    allowed |= {a for part in (*PARTS, *OTHERS) if owner in _owners(part.modules) for a in part.actions}
    if needs := NEEDS.get(owner):
        allowed |= {*needs.read, *needs.watch, *needs.listing}
        if verb == "delete":
            allowed |= set(needs.delete)
        if verb in ("create", "update"):
            allowed |= needs.changing | ({"iam:PassRole"} if needs.passes else set())
        if verb == "create" or owner == "image":  # whose update is a creation
            allowed |= set(needs.create)
    return allowed


def undeclared(seen: set[Seen]) -> list[str]:
    """What was called and isn't declared: one line for each, which says where to add it."""
    lines = []
    for owner, verb, action in sorted(seen):
        if action in declared(owner, verb):
            continue
        if owner in OWNERS.values():
            where = f"add it to `needs` in the file of the kind {owner}: {ADD[verb]}"
        else:
            where = f'add a Part(("{owner}",), …) to PARTS (to OTHERS, if no policy needs it) in {PLACE}'
        lines.append(f"{owner} ({verb}) calls what needs {action}, which is declared nowhere: {where}")
    return lines


def unused(seen: set[Seen]) -> list[str]:
    """What is declared and was never called."""
    called = {(owner, action) for owner, _, action in seen}
    lines = []
    for kind, needs in NEEDS.items():
        passing = {"iam:PassRole"} if needs.passes else set()
        for action in sorted({*needs.own, *needs.listing, *passing} - needs.unseen.keys()):
            if (kind, action) not in called:
                lines.append(f"`needs` of the kind {kind} has {action}, and no test has it call that")
    for part in PARTS:  # no policy is made of OTHERS
        owners = _owners(part.modules)
        for action in part.actions:
            if action not in UNSEEN and not any((owner, action) in called for owner in owners):
                lines.append(f"the part of {', '.join(owners)} in reconciler/permissions/parts.py has {action}, unused")
    for module, actions in OPTIONAL.items():
        owner = OWNERS.get(module, module)
        lines += [f"OPTIONAL[{module!r}] has {action}, unused" for action in actions if (owner, action) not in called]
    return lines


def _owners(modules: tuple[str, ...]) -> list[str]:
    return [OWNERS.get(module, module) for module in modules]
