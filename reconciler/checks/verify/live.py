"""What the checks look at: the deploy and its live resources, each read once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.checks.findings import Finding, ng, ok, skip
from reconciler.config import Deploy
from reconciler.config.resource_names import Names
from reconciler.core.errors import AwsError, Denied
from reconciler.core.given_data import GivenData
from reconciler.core.spec import Observed
from reconciler.kinds import Policy as PolicyKind
from reconciler.kinds import PolicySpec, Role, RoleSpec, TaskDefinition, TaskDefinitionSpec
from reconciler.lower.given_data import checked, read_given_data
from reconciler.permissions.judge import decide
from reconciler.permissions.policies import Grant
from reconciler.permissions.preflight import denied, organisation

APPLY = "python -m reconciler apply"


@dataclass(frozen=True)
class Live:
    """base: the folder of deploy.yaml."""

    aws: Aws
    deploy: Deploy
    names: Names
    base: Path

    @cached_property
    def task(self) -> Observed[TaskDefinitionSpec] | None:
        """The newest active revision of the task definition."""
        family = str(self.deploy.task.family)
        return TaskDefinition().observe(self.aws, [TaskDefinitionSpec(name=family)]).get(family)

    @cached_property
    def given_data(self) -> list[GivenData]:
        """What is in S3 already."""
        return [checked(self.names, data) for data in read_given_data(self.aws, self.deploy)]

    def role(self, name: str) -> Observed[RoleSpec] | None:
        """The live role of this name; None if there is none."""
        return Role().observe(self.aws, [RoleSpec(name=name)]).get(name)


def may(
    live: Live,
    subject: str,
    role: str,
    needs: Mapping[str, set[str]],
    fix: str,
    conditional_grants: Iterable[Grant] = (),
) -> Finding:
    """Whether a role may do all of this (actions by ARN, and grants under a condition): by IAM's simulator, or else by
    its policies as they read.
    """
    arn = live.names.iam(f"role/{role}")
    grants = [Grant(action, resource) for resource, actions in needs.items() for action in actions]
    try:
        answer = denied(live.aws, arn, [*grants, *conditional_grants], must=True)
        missing, how = answer.missing, "says IAM's simulator"
        if answer.unsure and not missing:
            return skip(subject, organisation(answer))
    except AwsError:
        try:
            observed = live.role(role)
            if observed is None:
                return ng(subject, f"there is no role {role}", f"{APPLY} makes it")
            if observed.spec.boundary:
                return skip(subject, f"{role} has a permissions boundary, and IAM's simulator may not be asked")
            missing = _by_reading(_documents(live, observed.spec), [*grants, *conditional_grants])
        except Denied as error:
            return skip(subject, f"{error.hint} to check it")
        how = "read from its policies"
    if missing:
        lacks = "; ".join(
            f"{', '.join(sorted(actions))} on {resource}" for resource, actions in sorted(missing.items())
        )
        return ng(subject, f"{role} lacks {lacks} ({how})", fix)
    return ok(subject, f"{role} may, {how}")


def _documents(live: Live, role: RoleSpec) -> list[Any]:
    specs = [PolicySpec(name=arn.rpartition("/")[2], arn=arn) for arn in role.managed_policies]
    attached = PolicyKind().observe(live.aws, specs)
    texts = [policy.text() for policy in role.inline_policies.values()]
    return [json.loads(text) for text in (*texts, *(observed.spec.document.text() for observed in attached.values()))]


def _by_reading(documents: list[Any], grants: Iterable[Grant]) -> dict[str, set[str]]:
    lacks: dict[str, set[str]] = {}
    for grant in grants:
        if decide(documents, grant.action, grant.resource) != "allowed":
            lacks.setdefault(grant.resource, set()).add(grant.action)
    return lacks
