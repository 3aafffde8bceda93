"""Who may run `plan` and `apply` in CI: the `ci:` section as roles, policies and a user. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconciler.config.resource_names import Names
from reconciler.config.schema import Ci
from reconciler.config.task import Policy
from reconciler.core.canonical import policy, policy_of
from reconciler.core.graph import Node
from reconciler.core.job_token import AUDIENCE
from reconciler.core.spec import Address, Spec
from reconciler.kinds import OidcProviderSpec, PolicySpec, RoleSpec, UserSpec
from reconciler.kinds.iam_user import CURRENT, key_parameter
from reconciler.lower.managed import arns_of, managed, part_name
from reconciler.permissions.ci import ci_policies, plan_policies
from reconciler.permissions.policies import documents as split

GITHUB = "token.actions.githubusercontent.com"


def trust(principal: dict[str, Any], action: str = "sts:AssumeRole", **elements: Any) -> Any:
    """A trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **elements}
    return policy_of([statement])


def service_trust(names: Names, service: str, *, only_here: bool = True) -> Any:
    """The trust in a service of AWS. only_here: when it acts for a resource of this account, and for no other's."""
    if not only_here:
        return trust({"Service": service})
    return trust({"Service": service}, Condition={"StringEquals": {"aws:SourceAccount": names.facts.account}})


def given(document: Policy) -> list[dict[str, Any]]:
    """The statements of a document in the file."""
    statements: list[dict[str, Any]] = document.model_dump(exclude_defaults=True, mode="json")["Statement"]
    return statements


def _jobs(names: Names, host: str, subjects: Sequence[str]) -> Any:
    """The trust in jobs that these subjects name, each exactly. host: whose jobs they are."""
    condition = {"StringEquals": {f"{host}:aud": AUDIENCE, f"{host}:sub": list(subjects)}}
    federated = {"Federated": names.iam(f"oidc-provider/{host}")}
    return trust(federated, "sts:AssumeRoleWithWebIdentity", Condition=condition)


def ci_nodes(names: Names, other_specs: Sequence[Spec]) -> Iterator[Node]:
    """The policies, roles, provider and user; nothing without a `ci:` section.

    other_specs: all other resources of the deploy, which the policies let CI read, like these.
    """
    ci = names.deploy.ci
    if ci is None:
        return
    documents: dict[str, list[Any]] = {}
    while True:  # the policies let CI read themselves, so that how many they are is part of them
        nodes = list(_bare(names, ci, documents))
        specs = [*other_specs, *(node.spec for node in nodes)]
        policies = {str(ci.policy_name): split(given(ci.policy)) if ci.policy else ci_policies(names, specs)}
        if ci.github and ci.github.pull_requests:
            policies[str(ci.github.plan_role)] = plan_policies(names, specs)
        grown = any(len(parts) > len(documents.get(name, ("",))) for name, parts in policies.items())
        documents = {name: [*parts, *documents.get(name, ())[len(parts) :]] for name, parts in policies.items()}
        if not grown:
            break
    texts = {
        part_name(name, number): document
        for name, parts in documents.items()
        for number, document in enumerate(parts, 1)
    }
    for node in nodes:
        if isinstance(node.spec, PolicySpec):
            yield replace(node, spec=node.spec.model_copy(update={"document": policy(texts[node.spec.name])}))
        else:
            yield node


def _bare(names: Names, ci: Ci, documents: Mapping[str, Sequence[Any]]) -> Iterator[Node]:
    """The nodes of `ci_nodes` with nothing in the policies yet, but as many policies of each name as `documents`."""
    tags = names.tags
    policies = managed(names, str(ci.policy_name), documents.get(str(ci.policy_name), (None,)))
    yield from policies
    needs, arns = tuple(node.spec.address for node in policies), tuple(arns_of(policies))
    if ci.github:
        yield Node(OidcProviderSpec(name=GITHUB, audiences=(AUDIENCE,), tags=tags))
        provider = Address("oidc-provider", GITHUB)
        trust_policy = _jobs(names, GITHUB, ci.github.of_branch)
        yield Node(
            RoleSpec(name=str(ci.github.role), trust=trust_policy, managed_policies=arns, tags=tags), (*needs, provider)
        )
        if ci.github.pull_requests:
            # A role of its own: who proposes a change may see what it would do, and do nothing.
            name = str(ci.github.plan_role)
            reads = managed(names, name, documents.get(name, (None,)))
            yield from reads
            trust_policy = _jobs(names, GITHUB, ci.github.of_plans)
            role = RoleSpec(name=name, trust=trust_policy, managed_policies=tuple(arns_of(reads)), tags=tags)
            yield Node(role, (*(node.spec.address for node in reads), provider))
    if gitlab := ci.gitlab:
        yield Node(OidcProviderSpec(name=gitlab.host, audiences=(AUDIENCE,), tags=tags))
        trust_policy = _jobs(names, gitlab.host, [gitlab.subject])
        role = RoleSpec(name=str(gitlab.role), trust=trust_policy, managed_policies=arns, tags=tags)
        yield Node(role, (*needs, Address("oidc-provider", gitlab.host)))
    if ci.user:
        user = UserSpec(
            name=str(ci.user.name),
            managed_policies=arns,
            access_keys=(CURRENT,) * ci.user.access_keys,
            keep_keys=ci.user.keep_keys,
            key_parameter=key_parameter(names.deploy.name, str(ci.user.name)),
            tags=tags,
        )
        yield Node(user, needs)
