"""The elastic network interface of a task: made in moto's EC2, so that a security group in use can't be deleted."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ecs.exceptions import InvalidParameterException

from reconciler.local.execution_role import REGISTRY_AUTH
from reconciler.local.runner import StartError
from reconciler.local.task import Task, TaskLaunch


def check_network(launch: TaskLaunch) -> None:
    """Raises InvalidParameterException for a subnet or security group that doesn't exist."""
    if missing := missing_network(launch.account_id, launch.region, launch.subnets, launch.security_groups):
        noun, name, code, text = missing
        raise InvalidParameterException(f"Error retrieving {noun} information for [{name}]: {text} (ErrorCode: {code})")


def missing_network(
    account_id: str, region: str, subnets: Sequence[str], groups: Sequence[str]
) -> tuple[str, str, str, str] | None:
    """What the first of these is that doesn't exist, its id, EC2's error code and EC2's words; None if all exist."""
    backend = ec2_backends[account_id][region]
    for subnet in subnets:
        try:
            backend.get_subnet(subnet)
        except EC2ClientError:
            return "subnet", subnet, "InvalidSubnetID.NotFound", f"The subnet ID '{subnet}' does not exist"
    for group in groups:
        if backend.get_security_group_from_id(group) is None:
            return "security group", group, "InvalidGroup.NotFound", f"The security group '{group}' does not exist"
    return None


def check_way_out(task: Task) -> None:
    """Raises StartError where a task on Fargate can't reach AWS: there is no route, or one that takes an address."""
    launch = task.launch
    if launch.launch_type != "FARGATE":
        return
    backend = ec2_backends[launch.account_id][launch.region]
    subnet = backend.get_subnet(launch.subnets[0])
    tables = backend.describe_route_tables(filters={"association.subnet-id": [subnet.id]})
    tables = tables or backend.describe_route_tables(filters={"vpc-id": [subnet.vpc_id], "association.main": ["true"]})
    ways = [route for table in tables for route in table.routes if route.destination_cidr_block == "0.0.0.0/0"]
    # An internet gateway takes only what has a public address.
    if any(route.gateway is None or launch.assign_public_ip for route in ways):
        return
    if any(endpoint.vpc_id == subnet.vpc_id for endpoint in backend.vpc_end_points.values()):
        return  # which of them it needs isn't looked at
    host = f"https://api.ecr.{launch.region}.amazonaws.com/"
    raise StartError(
        "ResourceInitializationError",
        f"{REGISTRY_AUTH} ecr registry auth: service call has been retried 3 time(s): RequestError: send request "
        f'failed caused by: Post "{host}": dial tcp: i/o timeout. Please check your task network configuration.',
    )


def attach_interface(task: Task) -> None:
    """Give the task its interface; without security groups it gets the default one of the subnet's VPC."""
    launch = task.launch
    backend = ec2_backends[launch.account_id][launch.region]
    subnet = backend.get_subnet(launch.subnets[0])
    groups = launch.security_groups
    if not groups:
        default = backend.get_default_security_group(subnet.vpc_id)
        groups = [default.id] if default is not None else []
    interface = backend.create_network_interface(
        subnet=subnet, private_ip_address=[], group_ids=groups, description=f"arn:aws:ecs:task {task.id}"
    )
    interface.status = "in-use"
    details = {
        "subnetId": subnet.id,
        "networkInterfaceId": interface.id,
        "macAddress": interface.mac_address,
        # Every container has this machine's network, so that this is where other tasks reach it.
        "privateIPv4Address": "127.0.0.1",
    }
    with task.changing():
        task.availability_zone = subnet.availability_zone
        task.attachment = {
            "id": str(uuid.uuid4()),
            "type": "ElasticNetworkInterface",
            "status": "ATTACHED",
            "details": [{"name": name, "value": value} for name, value in details.items()],
        }


def detach_interface(task: Task) -> None:
    """Remove the task's interface from EC2."""
    if task.attachment is None:
        return
    interface_id = _interface_id(task.attachment)
    with contextlib.suppress(EC2ClientError):  # the embedded AWS was reset meanwhile
        ec2_backends[task.launch.account_id][task.launch.region].delete_network_interface(interface_id)
    with task.changing():
        task.attachment = {**task.attachment, "status": "DELETED"}


def _interface_id(attachment: dict[str, Any]) -> str:
    details = {item["name"]: item["value"] for item in attachment["details"]}
    return str(details["networkInterfaceId"])
