"""The role with which ECS itself starts a task: pulls the image, writes the log, reads the secrets. Pure.

It may do that for this image and this log group. Whoever may hand it to a task as the task's own role gains nothing
by that: the task has the image, the log and the secrets already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.canonical import allow, policy_of
from reconciler.core.graph import Node
from reconciler.core.limits import ROLE_INLINE, policy_size
from reconciler.kinds import RoleSpec
from reconciler.lower.ci import service_trust
from reconciler.lower.managed import arns_of, managed
from reconciler.lower.parameters import secret_statements
from reconciler.permissions.policies import EXECUTION_POLICY, documents

TASKS = "ecs-tasks.amazonaws.com"
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PRIVATE = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.[a-z0-9.-]+/(?P<name>[^:@]+)(?:[:@].*)?"
)


def execution_role(names: Names) -> Iterator[Node]:
    """The role, and policies for its secrets where these are more than it can hold by itself."""
    role = names.deploy.task.execution_role
    attached = [f"arn:{names.facts.partition}:iam::aws:policy/{EXECUTION_POLICY}"] if role.managed_policy else []
    sections = {"secrets": secret_statements(names)}
    if not role.managed_policy:
        sections["start"] = start_statements(names)
    inline = {name: policy_of(statements) for name, statements in sections.items() if statements}
    secret_policies: list[Node] = []
    if sum(policy_size(document.text()) for document in inline.values()) > ROLE_INLINE.most:
        del inline["secrets"]
        secret_policies = managed(names, f"{role.name}.secrets", documents(sections["secrets"]))
    yield from secret_policies
    spec = RoleSpec(
        name=str(role.name),
        trust=service_trust(names, TASKS, only_here=role.source_account),
        description=role.description,
        managed_policies=(*attached, *arns_of(secret_policies)),
        inline_policies=inline,
        tags=names.tags,
    )
    yield Node(spec, tuple(node.spec.address for node in secret_policies))


def start_statements(names: Names) -> list[dict[str, Any]]:
    """Pull the task's image, where it is in a private registry of ECR, and write the task's log."""
    logs = names.deploy.logs
    group = names.arn("logs", f"log-group:{logs.group}")
    statements = [allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:log-stream:*")]
    if logs.options.get("awslogs-create-group", "").lower() == "true":
        statements.append(allow("LogGroup", "logs:CreateLogGroup", f"{group}:*"))
    if repository := image_repository(names):
        # AWS looks at no single repository when it gives the token; the token opens what the statement before does.
        statements = [allow("Pull", PULL, repository), allow("Login", "ecr:GetAuthorizationToken", "*"), *statements]
    return statements


def image_repository(names: Names) -> str:
    """The ARN of the ECR repository that the task's image is in; empty for a public image."""
    uri = names.deploy.image.uri
    return names.arn("ecr", f"repository/{names.repository}") if uri is None else repository_of(names, uri)


def repository_of(names: Names, image: str) -> str:
    """The ARN of the ECR repository that an image is in; empty for a public image."""
    match = PRIVATE.fullmatch(image)
    if match is None:
        return ""
    return f"arn:{names.facts.partition}:ecr:{match['region']}:{match['account']}:repository/{match['name']}"
