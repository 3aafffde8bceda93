"""What one deploy's policies say about another deploy of the same account: nothing, whatever the two are called."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.needs import parts_of
from reconciler.core.run_paths import SCHEDULED, record_key
from reconciler.kinds import PolicySpec, RoleSpec
from reconciler.lower import resources
from reconciler.permissions import policies
from reconciler.permissions.judge import like
from reconciler.permissions.needs import NEEDS, ONLY_ANYWHERE, arn
from reconciler.permissions.parts import COMMANDS, VERIFY
from reconciler.permissions.preflight import of_launch
from reconciler.run.stop_schedule import schedule_name

ACCOUNT, REGION = "123456789012", "us-east-1"
LONG = "a-deploy-of-thirty-characters2"
# The second and later of each family begin with the first, or with as much of it as any name is cut to.
FAMILIES = (
    ("prices", "prices-dev", "prices-ci", "prices-schedule", "prices-stop", "prices-task", "prices-data", "prices2",
     "prices-scheduled", "prices-schedule-watcher", "prices-ci-plan", "price"),
    (LONG, f"{LONG}-dev", f"{LONG}b", f"{LONG}-scheduled"),
)  # fmt: skip
PAIRS = [pair for family in FAMILIES for pair in itertools.permutations(family, 2)]
TOKENS = ("20260101-000000-aaaaaaaa-1", f"{SCHEDULED}20260101-000000-aaaaaaaa-1", f"{SCHEDULED}{'9' * 60}")
# One for the account, whoever uses them; and what is narrowed by what it is attached to, whatever carries it.
SHARED = ("oidc-provider/", "aws-service-role/")


def names_of(name: str) -> Names:
    file: dict[str, Any] = {
        "name": name, "image": ".", "data": {"files": [{"file": "d.csv", "key": "data/d.csv"}]},
        "ci": {"github": {"repository": "owner/name", "pull_requests": True}, "user": {"access_keys": 1}},
        "run": {"max_duration": "2h"}, "parameters": {"EPOCHS": "3", "TOKEN": {"secure": True, "give_as": "secret"}},
        "schedule": {"when": "rate(1 day)"}, "notify": {"email": "me@example.com"},
    }  # fmt: skip
    return Names(Deploy.model_validate(file).filled(), Facts(ACCOUNT, "aws", "vpc-1", ("subnet-1",)))


def statements(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that allows something and that this deploy makes or prints, with where it stands."""
    names = names_of(name)
    specs = resources(names)
    for spec in specs:
        documents = [spec.document] if isinstance(spec, PolicySpec) else []
        documents += list(spec.inline_policies.values()) if isinstance(spec, RoleSpec) else []
        for document in documents:
            for statement in json.loads(document.text())["Statement"]:
                yield str(spec.address), statement
    for command in (*COMMANDS, VERIFY):
        for statement in policies.statements(policies.for_command(command, names, specs, delete_data=True), names):
            yield command, statement
    for grant in of_launch(names):
        yield "launch", {"Effect": "Allow", "Action": grant.action, "Resource": grant.resource}


def owned(name: str) -> Iterator[str]:
    """The ARNs of everything that is a deploy's, also of what comes and goes."""
    names = names_of(name)
    for spec in resources(names):
        for action in {*NEEDS[spec.kind].read, *NEEDS[spec.kind].create, *NEEDS[spec.kind].delete} - ONLY_ANYWHERE:
            for on in NEEDS[spec.kind].places(action):
                resource = on.resource.format_map(parts_of(spec.name, name) | {"vpc": "*"})
                if not resource.endswith("/*") and not any(shared in resource for shared in SHARED):
                    yield arn(resource, "aws", REGION, ACCOUNT).replace(":*", ":7")
    for token in TOKENS:
        yield names.arn("scheduler", f"schedule/default/{schedule_name(name, token)}")
    for path in ("lock", "lock/3", "record", "record/0", f"users/{name}-ci/access-key"):
        yield names.arn("ssm", f"parameter/reconciler/{name}/{path}")
    yield names.arn("ecs", f"task/{names.deploy.cluster.name}/0123")
    yield names.arn("logs", f"log-group:{names.deploy.logs.group}:log-stream:ecs/main/0123")
    yield names.arn("logs", f"log-group:{names.watcher_log}:log-stream:x")
    yield names.s3(record_key("20260101-000000-aaaaaaaa"))


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.share(4)
@pytest.mark.parametrize(("name", "other"), PAIRS, ids=[f"{first}, {other}" for first, other in PAIRS])
def test_no_statement_reaches_another_deploy(name: str, other: str) -> None:
    theirs = sorted(set(owned(other)))
    for where, statement in statements(name):
        if statement["Effect"] != "Allow":
            continue
        for resource in listed(statement["Resource"]):
            if resource == "*":
                assert set(listed(statement["Action"])) <= ONLY_ANYWHERE or statement.get("Condition"), (
                    where,
                    statement,
                )
            elif resource.endswith(":event-source-mapping:*"):  # AWS gives them ids; whose they are says the condition
                (function,) = [values["lambda:FunctionArn"] for values in statement["Condition"].values()]
                mine, others = (names_of(deploy) for deploy in (name, other))
                assert like(function, mine.arn("lambda", f"function:{mine.watcher}"))
                assert not like(function, others.arn("lambda", f"function:{others.watcher}")), (where, statement)
            elif not (resource.endswith(("/*", ":*")) and resource.count("/") == 1 and statement.get("Condition")):
                reached = [arn for arn in theirs if like(resource, arn)]
                assert not reached, (where, statement)


def test_what_is_made_for_a_while_is_told_apart_however_long_the_names_are() -> None:
    names = [schedule_name(name, token) for family in FAMILIES for name in family for token in TOKENS]
    assert len({*names}) == len(names)
    assert max(map(len, names)) <= 64
