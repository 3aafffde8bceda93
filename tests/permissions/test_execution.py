"""The role with which ECS starts a task reaches this image and this log, and services take roles for this account."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.config.resource_names import Facts, Names
from reconciler.config.schema import Deploy
from reconciler.core.spec import Address
from reconciler.kinds import RoleSpec
from reconciler.lower import resources
from reconciler.lower.execution import image_repository

ACCOUNT = "123456789012"
SERVICES = {"ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "scheduler.amazonaws.com"}
REPOSITORY = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/tiny"


def names_of(**file: Any) -> Names:
    fields = {"name": "tiny", "image": ".", **file}
    return Names(Deploy.model_validate(fields).filled(), Facts(ACCOUNT, "aws", "vpc-1", ()))


def role_of(name: str, **file: Any) -> RoleSpec:
    spec = {spec.address: spec for spec in resources(names_of(**file))}[Address("role", name)]
    assert isinstance(spec, RoleSpec)
    return spec


def execution(**file: Any) -> tuple[RoleSpec, dict[str, list[str]]]:
    """The role, and what its policies allow: actions by resource."""
    role = role_of("tiny-task-execution-role", **file)
    allowed: dict[str, list[str]] = {}
    for document in role.inline_policies.values():
        for statement in json.loads(document.text())["Statement"]:
            assert statement["Effect"] == "Allow"
            for resource in (
                statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            ):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                allowed[resource] = sorted([*allowed.get(resource, []), *actions])
    return role, allowed


def test_it_reaches_this_repository_and_this_log_alone() -> None:
    role, allowed = execution()
    assert role.managed_policies == ()
    stream = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/ecs/tiny:log-stream:*"
    pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert allowed == {
        "*": ["ecr:GetAuthorizationToken"], REPOSITORY: pull, stream: ["logs:CreateLogStream", "logs:PutLogEvents"],
    }  # fmt: skip


def test_it_makes_the_log_group_only_where_ecs_is_to() -> None:
    _, allowed = execution(logs={"options": {"awslogs-create-group": "true"}})
    assert allowed[f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/ecs/tiny:*"] == ["logs:CreateLogGroup"]


def test_the_managed_policy_is_an_option() -> None:
    role, allowed = execution(task={"execution_role": {"managed_policy": True}})
    assert role.managed_policies == ("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",)
    assert allowed == {}


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (".", REPOSITORY),
        ({"context": ".", "repository": {"name": "team/own"}}, REPOSITORY.replace("tiny", "team/own")),
        ({"uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/tiny:latest"}, REPOSITORY),
        (
            {"uri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/a/b@sha256:{'0' * 64}"},
            REPOSITORY.replace("tiny", "a/b"),
        ),
        (
            {"uri": "999999999999.dkr.ecr.eu-central-1.amazonaws.com/theirs"},
            "arn:aws:ecr:eu-central-1:999999999999:repository/theirs",
        ),
        (
            {"uri": f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com/tiny:1"},
            REPOSITORY.replace("us-east-1", "us-gov-west-1"),
        ),
        ({"uri": f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws/tiny:1"}, REPOSITORY),
        ({"uri": "public.ecr.aws/docker/library/python:3.13-slim"}, ""),
        ({"uri": "python:3.13-slim"}, ""),
        ({"uri": "ghcr.io/owner/name:1"}, ""),
    ],
)
def test_the_image_that_it_pulls(image: Any, repository: str) -> None:
    assert image_repository(names_of(image=image)) == repository
    _, allowed = execution(image=image)
    assert [arn for arn in allowed if ":ecr:" in arn] == ([repository] if repository else [])
    assert ("*" in allowed) == bool(repository)


EVERYTHING: dict[str, Any] = {"run": {"max_duration": "2h"}, "schedule": {"when": "rate(1 day)"}}


def test_every_service_takes_a_role_for_this_account_alone() -> None:
    seen = set()
    for spec in resources(names_of(**EVERYTHING)):
        if isinstance(spec, RoleSpec):
            (statement,) = json.loads(spec.trust.text())["Statement"]
            seen.add(statement["Principal"]["Service"])
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}, spec.name
    assert seen == SERVICES


@pytest.mark.parametrize(
    ("section", "name"), [("execution_role", "tiny-task-execution-role"), ("role", "tiny-task-role")]
)
def test_a_plain_trust_is_an_option(section: str, name: str) -> None:
    assert "Condition" not in role_of(name, task={section: {"source_account": False}}).trust.text()


@pytest.mark.parametrize("key", ["", ":user::"])
@pytest.mark.parametrize(
    ("end", "granted"),
    [
        ("-AbCdEf", ["-AbCdEf"]), ("-a1B2c3", ["-a1B2c3"]), ("", ["-??????"]), ("-key", ["-key-??????"]),
        ("-secret", ["-secret", "-secret-??????"]), ("-secret-AbCdEf", ["-secret-AbCdEf"]),  # of a name or AWS's?
    ],
)  # fmt: skip
def test_a_secret_whose_arn_lacks_its_end_is_granted_all_the_same(end: str, granted: list[str], key: str) -> None:
    """Its last six characters are AWS's, and those who write the file often have no ARN but one without them."""
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db"
    _, allowed = execution(task={"secrets": {"DB": f"{secret}{end}{key}"}})
    reads = {resource for resource, actions in allowed.items() if "secretsmanager:GetSecretValue" in actions}
    assert reads == {f"{secret}{resource}" for resource in granted}
