"""What the file takes as given: parameters whose value it doesn't have, capacity providers. Read before a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.config.parameters import Parameter
from reconciler.core.errors import UserError
from reconciler.core.given_data import GivenData
from reconciler.core.managed_instances import is_managed
from reconciler.core.secret import KNOWN
from reconciler.kinds.ssm_parameter import SECURE, describe_parameters, read_parameters

NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Given:
    """parameters: those of the file that are there, by name, as GetParameters has them, or DescribeParameters for
    those that the file says are secure. providers: by name, those capacity providers of the file's that are there;
    managed: those of them that are of managed instances, which are one cluster's alone.
    """

    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    providers: frozenset[str] = frozenset()
    managed: frozenset[str] = frozenset()

    def value(self, parameter: Parameter) -> str:
        """The value of a parameter: that in AWS, else the first one."""
        return str(self.parameters.get(str(parameter.name), NONE).get("Value", parameter.value or ""))

    def marks(self, deploy: Deploy) -> dict[str, str]:
        """What stands for each parameter's value in a run's fingerprint: the value, but for secrets."""
        marks = {}
        for variable, parameter in sorted(deploy.parameters.items()):
            live = self.parameters.get(str(parameter.name), NONE)
            if "Value" not in live and live:
                marks[variable] = f"version {live['Version']} of {live.get('LastModifiedDate', '')}"
            else:
                marks |= KNOWN.marked({"parameters": {variable: self.value(parameter)}}, deploy.name)["parameters"]
        return marks

    def check(self, deploy: Deploy, data: Sequence[GivenData] = ()) -> None:
        """Raises UserError for what isn't there, or isn't what the file says. data: what was found in S3."""
        wrong = [*_parameters(deploy, self.parameters), *_providers(deploy, self.providers)]
        wrong += [(given.trouble, given.fix) for given in data if given.trouble]
        if wrong:
            fixes = dict.fromkeys(fix for _, fix in wrong)
            raise UserError("; ".join(problem for problem, _ in wrong), hint="\n  ".join(fixes))


def read_given(aws: Aws, deploy: Deploy) -> Given:
    """One read for ten parameters, and one for all capacity providers, or two; none where the file has neither.

    Secure parameters are described and never read, so that a role that only plans needs no right to read them.
    """
    plain, secure = (
        [str(p.name) for p in deploy.parameters.values() if p.secure is secured] for secured in (False, True)
    )
    providers = deploy.own_providers
    reads: list[Any] = [
        lambda: read_parameters(aws, plain) if plain else {},
        lambda: describe_parameters(aws, secure) if secure else {},
        lambda: _known(aws, str(deploy.cluster.name), providers),
    ]
    values, described, (active, managed) = aws.together(*reads)
    return Given(values | described, active, managed)


def _known(aws: Aws, cluster: str, providers: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """All that are there, and those of them that are of managed instances. Some are shown with their cluster alone."""
    active = _active(aws, providers)
    active |= _active(aws, tuple(name for name in providers if name not in active), cluster=cluster)
    return frozenset(active), frozenset(name for name, provider in active.items() if is_managed(provider))


def _active(aws: Aws, names: tuple[str, ...], **place: str) -> dict[str, Mapping[str, Any]]:
    if not names:
        return {}
    params = {"capacityProviders": list(names), **place}
    providers = aws.find_all("ecs", "DescribeCapacityProviders", "capacityProviders", **params) or ()
    return {provider["name"]: provider for provider in providers if provider.get("status", "ACTIVE") == "ACTIVE"}


def _parameters(deploy: Deploy, live_parameters: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for variable, parameter in deploy.parameters.items():
        live, kind = live_parameters.get(str(parameter.name)), SECURE if parameter.secure else "String"
        if live is None and parameter.value is None:
            make = (
                f"make it: aws ssm put-parameter --name {parameter.name} --type {kind} "
                f"--value … --region {deploy.region}"
            )
            alternative = "" if parameter.secure else f", or give it a first value: parameters: {{{variable}: …}}"
            yield f"the parameter {parameter.name} isn't there, and the file has no value for it", make + alternative
        elif live is not None and parameter.secure and live["Type"] != SECURE:
            problem = f"the parameter {parameter.name} is a {live['Type']}, which whoever may read parameters sees"
            yield problem, "make it anew as a SecureString, or leave `secure` out"
        elif live is not None and parameter.give_as == "environment" and live["Type"] == SECURE:
            yield f"the parameter {parameter.name} is a SecureString, which isn't read here", "write give_as: secret"


def _providers(deploy: Deploy, active: frozenset[str]) -> Iterator[tuple[str, str]]:
    fix = "make it (aws ecs create-capacity-provider), or write managed, FARGATE or FARGATE_SPOT"
    for name in deploy.own_providers:
        if name not in active:
            place = f"in this account and region, nor in the cluster {deploy.cluster.name}"
            yield f"there is no ECS capacity provider {name} {place}", fix
