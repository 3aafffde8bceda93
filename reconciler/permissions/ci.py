"""What the CI's role or user may do: what `apply` needs on every push.

That is reading everything of this deploy, and writing what changes with code and data: the image, objects, task
definition revisions, runs, the record and the lock. Making roles, buckets and the like stays with a person, since who
may write IAM policies may do anything: see docs/decisions/ci-permissions.md. It follows from the same declarations as
the policies of `permissions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.spec import Spec
from reconciler.permissions import policies
from reconciler.permissions.needs import NEEDS
from reconciler.permissions.parts import APPLY, PARTS, PLAN, RUN
from reconciler.permissions.policies import Grant

WRITTEN = ("image", "object", "task-definition")  # kinds that a push changes
PARTS_WRITTEN = ("record", "kinds.ecs_task_definition", "kinds.ecs_service", "kinds.lambda_function")
MANY = 20  # files from which on they are named together, to fit into one policy


def ci_statements(names: Names, specs: Iterable[Spec]) -> list[dict[str, Any]]:
    """The statements of the CI policy. specs: all resources of the deploy, this policy too."""
    specs = list(specs)
    objects = [one for one in specs if one.kind == "object"]
    if len(objects) > MANY:
        together = objects[0].model_copy(update={"name": f"{names.bucket}/*"})
        specs = [*(one for one in specs if one.kind != "object"), together]
    found: set[Grant] = policies.for_command(RUN, names, specs)
    for spec in specs:
        if spec.kind in WRITTEN:
            found |= policies.of_kind(spec, policies.to_make(spec), names)
        if spec.kind == "service":  # to deploy what was pushed, not to make one
            found |= policies.of_kind(spec, NEEDS["service"].fields[""], names)
        if spec.kind == "function":  # it is told of the task's size and the like
            fields = NEEDS["function"].fields
            found |= policies.of_kind(spec, {*fields["code"], *fields[""]}, names)
    for part in PARTS:
        if APPLY in part.commands and part.modules and part.modules[0] in PARTS_WRITTEN:
            found |= policies.of_part(part, names)
    return policies.statements(found, names)


def plan_statements(names: Names, specs: Iterable[Spec]) -> list[dict[str, Any]]:
    """The statements of the policy for pull requests, which may plan and nothing else. specs: as above."""
    found = policies.for_command(PLAN, names, specs)
    return [*policies.statements(found, names), *_no_secrets(names, found)]


def _no_secrets(names: Names, found: Iterable[Grant]) -> Iterator[dict[str, Any]]:
    """That whoever proposes a change sees no secret, whatever else is attached to the role by mistake.

    Of the parameters only those that a plan reads may be read, none of which is secure. What S3 decrypts stays: an
    object of a bucket with a key of its own. Not even a plan's own rights reach further.
    """
    readable = sorted({one.resource for one in found if one.action.startswith("ssm:GetParameter")})
    by_s3 = {"StringNotEquals": {"kms:ViaService": f"s3.{names.deploy.region}.amazonaws.com"}}
    yield {"Sid": "NoParameters", "Effect": "Deny", "Action": "ssm:GetParameter*", "NotResource": readable}
    yield {
        "Sid": "NoSecrets", "Effect": "Deny",
        "Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"], "Resource": "*",
    }  # fmt: skip
    yield {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*", "Condition": by_s3}
