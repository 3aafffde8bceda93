"""What the CI's role or user may do: what `apply` needs on every push.

That is reading everything of this deploy, and writing what changes with code and data: the image, objects, task
definition revisions, runs, the record and the lock. Making roles, buckets and the like stays with a person, since who
may write IAM policies may do anything: see docs/decisions/ci-permissions.md. It follows from the same declarations as
the policies of `permissions`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.needs import ALL
from reconciler.core.spec import Spec
from reconciler.permissions import policies
from reconciler.permissions.folders import fitting
from reconciler.permissions.keys import through
from reconciler.permissions.needs import NEEDS
from reconciler.permissions.parts import PLAN, RUN, WRITE_RECORD
from reconciler.permissions.policies import LIMIT, Grant, policy_size


def ci_policies(names: Names, specs: Sequence[Spec]) -> list[dict[str, Any]]:
    """The CI policy, in as many documents as it needs. specs: all resources of the deploy, this policy too."""
    return fitting(specs, lambda form_specs: ci_statements(names, form_specs))


def plan_policies(names: Names, specs: Sequence[Spec]) -> list[dict[str, Any]]:
    """The policy for pull requests, in as many documents as it needs."""
    return fitting(specs, lambda form_specs: plan_statements(names, form_specs))


def ci_statements(names: Names, specs: Iterable[Spec]) -> list[dict[str, Any]]:
    """The statements of the CI policy. specs: all resources of the deploy, this policy too."""
    specs = list(specs)
    grants: set[Grant] = policies.for_command(RUN, names, specs)
    for spec in specs:
        needs = NEEDS[spec.kind]
        if needs.pushed:
            fields = {action for name in needs.pushed for action in needs.fields.get(name, ())}
            actions = policies.to_make(spec) if needs.pushed == ALL else fields
            grants |= policies.of_kind(spec, {*actions, *needs.watch}, names) | policies.handing_on(spec, names)
    return policies.statements(grants | policies.of_part(WRITE_RECORD, names), names)


def plan_statements(names: Names, specs: Iterable[Spec]) -> list[dict[str, Any]]:
    """The statements of the policy for pull requests, which may plan and nothing else. specs: all of the deploy."""
    grants = policies.for_command(PLAN, names, specs)
    return [*policies.statements(grants, names), *_no_secrets(names, grants)]


def _no_secrets(names: Names, grants: Iterable[Grant]) -> Iterator[dict[str, Any]]:
    """That whoever proposes a change sees no secret, whatever else is attached to the role by mistake.

    Of the parameters only those that a plan reads may be read, none of which is secure. What S3 decrypts stays: an
    object of a bucket with a key of its own. Not even a plan's own rights reach further.
    """
    readable = _few(names, sorted({grant.resource for grant in grants if grant.action.startswith("ssm:GetParameter")}))
    by_s3 = {"StringNotEquals": through("s3", names.deploy.region)["StringEquals"]}
    yield {"Sid": "NoParameters", "Effect": "Deny", "Action": "ssm:GetParameter*", "NotResource": readable}
    yield {
        "Sid": "NoSecrets", "Effect": "Deny",
        "Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"], "Resource": "*",
    }  # fmt: skip
    yield {"Sid": "NoKeys", "Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*", "Condition": by_s3}


def _few(names: Names, readable: list[str]) -> list[str]:
    """These parameters, those in the deploy's own folder by that folder where they are many and none there is secure.

    It is the denial that leaves the folder out; what may be read is named each by itself all the same.
    """
    prefix = f"/{names.deploy.name}/"
    secure = any(
        parameter.secure and str(parameter.name).startswith(prefix) for parameter in names.deploy.parameters.values()
    )
    folder = names.arn("ssm", f"parameter{prefix}")
    if secure or policy_size({"NotResource": readable}) < LIMIT // 2:
        return readable
    return [f"{folder}*", *(arn for arn in readable if not arn.startswith(folder))]
