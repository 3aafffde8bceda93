"""The smallest IAM policies for a deploy: what `permissions` prints, and the CI's policy. Pure.

They follow from the declarations (of the kinds, and `parts`) and from the resources of the deploy: only kinds
that the file has, and of what a field needs only what this file sets or what may have to be put right.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.config.resource_names import Names
from reconciler.core.limits import MANAGED_POLICY, policy_size
from reconciler.core.needs import ANYWHERE, Condition, On, parts_of
from reconciler.core.run_paths import RUNS, again_family, schedule_prefix
from reconciler.core.spec import Spec
from reconciler.permissions import keys
from reconciler.permissions.needs import NEEDS, arn
from reconciler.permissions.parts import (
    APPLY,
    COMMANDS,
    DESTROY,
    PARTS,
    PLAN,
    VERIFY,
    Part,
    passed_to,
    webhook,
    webhook_key,
)

LIMIT = MANAGED_POLICY.most
ONE_OF = frozenset({"StringEquals", "StringLike", "ArnEquals", "ArnLike", "ForAnyValue:StringEquals"})
EXECUTION_POLICY = "service-role/AmazonECSTaskExecutionRolePolicy"
EMPTY: tuple[Any, ...] = (None, (), {}, "", False)


class Grant(NamedTuple):
    """One action on one resource. condition: as JSON, or empty."""

    action: str
    resource: str
    condition: str = ""


def for_command(command: str, names: Names, specs: Iterable[Spec], *, delete_data: bool = False) -> set[Grant]:
    """What one of COMMANDS, or `verify`, needs. delete_data: let `destroy` delete data and images too."""
    assert command in (*COMMANDS, VERIFY)
    parts = {command, PLAN} if command == VERIFY else {command}
    grants: set[Grant] = set()
    for spec in specs:
        actions = set(NEEDS[spec.kind].read)
        if command == APPLY:
            actions |= to_make(spec) | {*NEEDS[spec.kind].watch}
            grants |= handing_on(spec, names)
        if command == DESTROY and (delete_data or not spec.data):
            actions |= set(NEEDS[spec.kind].delete)
        grants |= of_kind(spec, actions, names)
    return grants | {grant for part in PARTS if parts & {*part.commands} for grant in of_part(part, names)}


def to_make(spec: Spec) -> set[str]:
    """What making a resource and putting any difference right needs."""
    needs = NEEDS[spec.kind]
    actions = {*needs.create, *needs.fields.get("", ())}
    for name in needs.set.keys() | needs.fields.keys():
        # What adds is needed where there is something to add; what takes away, for what others may have added.
        if name not in needs.fields or not _empty(spec, name):
            actions |= set(needs.set.get(name, ()))
        actions |= set(needs.fields.get(name, ()))
    return actions


def _empty(spec: Spec, name: str) -> bool:
    """Whether a field asks for nothing."""
    value = getattr(spec, name, None)
    return value in EMPTY or value == type(spec).model_fields[name].get_default(call_default_factory=True)


def of_kind(spec: Spec, actions: Iterable[str], names: Names, *, widest: bool = False) -> set[Grant]:
    """These actions on this resource. widest: of several forms of it the widest alone."""
    needs, values = NEEDS[spec.kind], _values(names) | parts_of(spec.name, names.deploy.name)
    return {
        Grant(action, _arn(on.resource.format_map(values), names), _condition(on.condition, values, spec))
        for action in actions
        for on in needs.places(action)[-1 if widest else 0 :]
    }


def handing_on(spec: Spec, names: Names) -> set[Grant]:
    """That the roles of this resource may be handed to the service that it is for, and to no other."""
    roles = ((str(getattr(spec, field)), service) for field, service in NEEDS[spec.kind].passes.items())
    partition = names.facts.partition
    return {
        Grant("iam:PassRole", role, _condition(passed_to(service, partition), {})) for role, service in roles if role
    }


def of_part(part: Part, names: Names) -> set[Grant]:
    """A part's actions; none where the file doesn't have what it is about."""
    if not part.when(names.deploy):
        return set()
    on, values = part.on(names.deploy) if callable(part.on) else part.on, _values(names)
    places = [place if isinstance(place, On) else On(*keys.named(place.format_map(values))) for place in on]
    always = part.condition(names.deploy) if callable(part.condition) else part.condition
    return {
        Grant(action, _arn(resource, names), _condition({**always, **condition}, values))
        for action in part.actions
        for resource, condition in places
    }


def of_key(key: str, actions: Iterable[str], via: Condition) -> set[Grant]:
    """The use of a KMS key through a service."""
    resource, condition = keys.named(key)
    return {Grant(action, resource, _condition({**via, **condition}, {})) for action in actions}


def _values(names: Names) -> dict[str, str]:
    deploy = names.deploy
    return {
        "deploy": deploy.name,
        "region": deploy.region,
        "bucket": names.bucket,
        "repository": names.repository,
        "runs": RUNS,
        "cluster": str(deploy.cluster.name),
        "family": str(deploy.task.family),
        "again": again_family(str(deploy.task.family)),
        "group": str(deploy.logs.group),
        "execution_role": str(deploy.task.execution_role.name),
        "task_role": str(deploy.task.role.name),
        "stop_role": names.stop_role,
        "watcher": names.watcher,
        "prefix": schedule_prefix(deploy.name),
        "cluster_arn": names.arn("ecs", f"cluster/{deploy.cluster.name}"),
        "kms_key": deploy.data.bucket.kms_key or "",
        "topic": names.topic,
        "webhook": webhook(deploy),
        "webhook_key": webhook_key(deploy),
        "vpc": names.facts.vpc or "*",
        "execution_policy": f"arn:{names.facts.partition}:iam::aws:policy/{EXECUTION_POLICY}",
    }


def _arn(resource: str, names: Names) -> str:
    if resource == ANYWHERE or resource.startswith("arn:"):
        return resource
    return arn(resource, names.facts.partition, names.deploy.region, names.facts.account)


def _condition(condition: Condition, values: Mapping[str, str], spec: Spec | None = None) -> str:
    if not condition:
        return ""

    def filled(value: Any) -> Any:
        if callable(value):
            return value(spec)
        return value.format_map(values) if isinstance(value, str) else [filled(part) for part in value]

    return json.dumps(
        {operator: {key: filled(value) for key, value in keys.items()} for operator, keys in condition.items()},
        sort_keys=True,
    )


def statements(grants: Iterable[Grant], names: Names) -> list[dict[str, Any]]:
    """As few statements as say this: those with the same resources together; what is on `*` only in the region."""
    region = json.dumps({"StringEquals": {"aws:RequestedRegion": names.deploy.region}})
    places: dict[tuple[str, str], set[str]] = {}
    for grant in grants:
        # IAM is of no region: what is asked of it counts as us-east-1's, wherever the deploy is.
        condition = grant.condition or (
            region if grant.resource == ANYWHERE and not grant.action.startswith("iam:") else ""
        )
        places.setdefault((grant.action, condition), set()).add(grant.resource)
    grouped: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for (action, condition), resources in sorted(places.items()):
        if ANYWHERE in resources:
            resources = {ANYWHERE}
        grouped.setdefault((tuple(sorted(resources)), condition), []).append(action)
    return [
        {"Effect": "Allow", "Action": _shortest(actions), "Resource": _shortest(list(resources))}
        | ({"Condition": json.loads(condition)} if condition else {})
        for (resources, condition), actions in sorted(grouped.items(), key=lambda item: (item[1], item[0]))
    ]


def _shortest(values: list[str]) -> list[str] | str:
    return values[0] if len(values) == 1 else values


def documents(policy_statements: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """These statements as policies that each fit into a managed policy, as few as need be.

    One that can't be divided and is too long stays so: `lower.sizes` says which.
    """
    policy_statements = sorted(policy_statements, key=_by_action)
    if policy_size(_document(policy_statements)) <= LIMIT:
        return [_document(policy_statements)]
    filled: list[list[Mapping[str, Any]]] = []
    small = [part for statement in policy_statements for part in _divided(statement)]
    for statement in sorted(small, key=lambda statement: policy_size({"s": statement}), reverse=True):
        for policy in filled:
            if policy_size(_document([*policy, statement])) <= LIMIT:
                policy.append(statement)
                break
        else:
            filled.append([statement])
    return [_document(sorted(policy, key=_by_action)) for policy in filled]


def _by_action(statement: Mapping[str, Any]) -> str:
    return json.dumps(statement.get("Action"))


def _document(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": parts}


def _divided(statement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A statement that is too long for a policy of its own, in several that say the same, whose Sids differ."""
    parts = list(_halves(statement))
    sid = statement.get("Sid")
    return [{**part, "Sid": f"{sid}{n}"} if sid and n > 1 else part for n, part in enumerate(parts, 1)]


def _halves(statement: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """In two with half of the resources each, or half of the values of a condition that asks for one of many."""
    fits = policy_size(_document([statement])) <= LIMIT or statement.get("Effect") != "Allow"
    halves = [] if fits else _in_two(statement)
    if not halves:
        yield statement
    for half in halves:
        yield from _halves(half)


def _in_two(statement: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    resources = statement.get("Resource")
    if isinstance(resources, list | tuple) and len(resources) > 1:
        return [{**statement, "Resource": part} for part in _both(resources)]
    for operator, tests in (statement.get("Condition") or {}).items():
        for key, values in tests.items():
            if operator in ONE_OF and isinstance(values, list | tuple) and len(values) > 1:
                condition = {**statement["Condition"]}
                return [
                    {**statement, "Condition": {**condition, operator: {**tests, key: part}}} for part in _both(values)
                ]
    return []


def _both(values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    middle = len(values) // 2
    return list(values[:middle]), list(values[middle:])


__all__ = ["COMMANDS", "LIMIT", "Grant", "documents", "for_command", "policy_size", "statements"]
