"""What `run.workers` means: who may reach whom, and what ECS may read for a run's tasks. Pure."""

from __future__ import annotations

from reconciler.config.place import group_texts
from reconciler.config.resource_names import Names
from reconciler.core.workers import OPEN, secret_name
from reconciler.kinds.ec2_security_group import ITSELF, PortRule


def descriptions(names: Names) -> tuple[str, ...]:
    """The default descriptions of the security group, if it has one of them: an existing group keeps its own, whether
    the file has had `run.workers` or not.
    """
    texts = group_texts(names.deploy.name)
    return texts if names.deploy.network.security_group.description in texts else ()


def ingress(names: Names) -> tuple[PortRule, ...]:
    """That the tasks of a run reach each other, and nobody else reaches them."""
    if names.deploy.run.workers is None:
        return ()
    return (PortRule(protocol="tcp", from_port=OPEN[0], to_port=OPEN[1], place=ITSELF),)


def certificates(names: Names) -> list[str]:
    """The ARN of the parameters with the certificates of runs."""
    if names.deploy.run.workers is None:
        return []
    return [names.arn("ssm", f"parameter{secret_name(names.deploy.name, '*')}")]
