"""`permissions`: the smallest IAM policies with which the commands work for this file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from reconciler.aws import calls
from reconciler.aws.regions import partition_of
from reconciler.cli.answer import Answer
from reconciler.cli.options import InAws
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.config.resource_names import Facts, Names
from reconciler.core.errors import UserError
from reconciler.core.needs import ANYWHERE
from reconciler.core.spec import Spec
from reconciler.lower import resources
from reconciler.permissions import policies
from reconciler.permissions.folders import fitting
from reconciler.permissions.needs import NEEDS, ONLY_ANYWHERE
from reconciler.permissions.parts import COMMANDS, FREE
from reconciler.permissions.policies import Grant

ACCOUNT = "ACCOUNT_ID"  # in place of an id that isn't known
WHY = "AWS looks at no single resource there"
# Beginnings of actions whose resource can't be named to its end, each with why: of the parts, and of the kinds.
WHY_MANY = {
    "ecs:ListTasks": "AWS knows container instances there, not tasks; only this cluster's",
    "vpc/*": "the default VPC, whose id the file doesn't say",
    "kms": "IAM knows keys by their ids, and the file names an alias; only that alias's",
} | {start: why for needs in NEEDS.values() for start, why in needs.wide.items()}


@dataclass(frozen=True)
class Arguments(InAws):
    """What `permissions` is asked. for_: the only command; None for all."""

    for_: str | None
    delete_data: bool


@dataclass(frozen=True)
class Policy:
    """A policy."""

    name: Annotated[str, "what it may be called"]
    characters: Annotated[int, "as IAM counts them"]
    document: Annotated[dict[str, Any], "the policy"]


@dataclass(frozen=True)
class Wide:
    """Actions whose resource isn't named to its end."""

    why: str
    actions: Annotated[Sequence[str], "`ACTION on RESOURCE`"]


@dataclass(frozen=True)
class Granted:
    """What a command needs."""

    policies: Annotated[Sequence[Policy], "all of them are needed"]
    wide: Annotated[Sequence[Wide], "what isn't named to its end"]


@dataclass(frozen=True)
class Permissions(Answer):
    """The smallest policies, by command."""

    deploy: Annotated[str, "the deploy's name"]
    account: Annotated[str, "its id"]
    region: str
    commands: Annotated[Mapping[str, Granted], "by `plan`, `apply`, `run`, `destroy`; with --for, one of them"]
    no_permission_needed: Annotated[Sequence[str], "calls that AWS allows everybody"]


ANSWERS = (Permissions,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Print the policies. Returns 0."""
    target = target_of(options)
    deploy = target.deploy
    account = deploy.account or _account(target.aws(terminal, read_only=True), terminal)
    vpc = "" if deploy.network.vpc == "default" else deploy.network.vpc
    names = Names(deploy, Facts(account, partition_of(deploy.region).name, vpc, ()))
    specs = resources(names)
    commands = [options.for_] if options.for_ else list(COMMANDS)
    grants = {
        command: policies.for_command(command, names, specs, delete_data=options.delete_data) for command in commands
    }
    by_command = {command: _documents(command, names, specs, delete_data=options.delete_data) for command in commands}
    if options.json:
        terminal.json(_object(names, by_command, grants))
    else:
        _show(terminal, names, by_command, grants, alone=bool(options.for_))
    return 0


def _documents(command: str, names: Names, specs: list[Spec], *, delete_data: bool) -> list[dict[str, Any]]:
    def statements(its: list[Spec]) -> list[dict[str, Any]]:
        return policies.statements(policies.for_command(command, names, its, delete_data=delete_data), names)

    return fitting(specs, statements)


def _account(aws: calls.Aws, terminal: Terminal) -> str:
    try:
        return aws.account
    except UserError as error:
        text = f"{ACCOUNT} stands for the account's id, which can't be asked for: {error.message}"
        terminal.note(terminal.fold("note: ", f"{text}; `account:` in deploy.yaml says it"))
        return ACCOUNT


def wide(grants: Iterable[Grant]) -> dict[str, list[str]]:
    """The actions whose resource isn't named to its end, by why."""
    actions_by_why: dict[str, list[str]] = {}
    for grant in sorted(grants):
        if grant.action in ONLY_ANYWHERE:
            actions_by_why.setdefault(WHY, []).append(f"{grant.action} on *")
        elif grant.resource == ANYWHERE or (
            grant.resource.endswith((":security-group/*", "/*")) and _names_all(grant.resource)
        ):
            why = next((text for start, text in WHY_MANY.items() if grant.action.startswith(start)), "")
            actions_by_why.setdefault(why, []).append(f"{grant.action} on {grant.resource.rpartition(':')[2]}")
    return {why: sorted(set(actions)) for why, actions in actions_by_why.items() if why}


def _names_all(resource: str) -> bool:
    """Whether an ARN names all resources of its type."""
    return resource.rpartition(":")[2].count("/") == 1 and not resource.startswith("arn:aws:s3")


def _object(names: Names, by_command: dict[str, list[dict[str, Any]]], grants: dict[str, set[Grant]]) -> Permissions:
    commands = {
        command: Granted(
            [
                Policy(name, policies.policy_size(document), document)
                for name, document in zip(_names(names, command, documents), documents, strict=True)
            ],
            [Wide(why, actions) for why, actions in wide(grants[command]).items()],
        )
        for command, documents in by_command.items()
    }
    return Permissions(names.deploy.name, names.facts.account, names.deploy.region, commands, sorted(FREE))


def _names(names: Names, command: str, documents: list[dict[str, Any]]) -> list[str]:
    """What the policies may be called."""
    base = f"{names.deploy.name}-{command}"
    return [base] if len(documents) == 1 else [f"{base}-{number}" for number in range(1, len(documents) + 1)]


def _show(
    terminal: Terminal,
    names: Names,
    by_command: dict[str, list[dict[str, Any]]],
    grants: dict[str, set[Grant]],
    *,
    alone: bool,
) -> None:
    """Policies on standard output; with `--for`, nothing else is on it."""
    say = terminal.note if alone else terminal.say
    say(f"{names.deploy.name}: account {names.facts.account}, {names.deploy.region}")
    for command, documents in by_command.items():
        for name, document in zip(_names(names, command, documents), documents, strict=True):
            size = policies.policy_size(document)
            say("")
            say(terminal.style(f"{name}: {size:,} of the {policies.LIMIT:,} characters of a managed policy", "bold"))
            terminal.lines(json.dumps(document, indent=2))
    say("")
    for why, actions in wide({grant for granted in grants.values() for grant in granted}).items():
        say(terminal.fold("", f"{why}:"))
        for action in actions:
            say(f"  {action}")
    if any(len(documents) > 1 for documents in by_command.values()):
        say("Where a command has several policies, it needs all of them: they are split to fit into IAM's limit.")
