"""What a deploy takes as given: the account, and the network that it runs in. Read once, before anything is planned."""

from __future__ import annotations

from functools import partial
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.config import Deploy
from reconciler.config.resource_names import Facts
from reconciler.core.errors import UserError
from reconciler.core.fargate import FARGATE, ZONES, has_fargate

GIVEN = ""  # the VPC of a subnet that the file names


def check_account(aws: Aws, deploy: Deploy) -> None:
    """Raises UserError when the credentials aren't those of the account that the file names. Asks nothing else."""
    if deploy.account and deploy.account != aws.account:
        raise UserError(
            f"these credentials are of account {aws.account}, and deploy.yaml says `account: {deploy.account}`",
            hint="use the credentials of that account (AWS_PROFILE), or change the file",
        )


def read_facts(aws: Aws, deploy: Deploy) -> Facts:
    """Read them. Raises UserError when the account isn't the file's, or the network isn't there."""
    check_account(aws, deploy)
    network = deploy.network
    reads: list[Any] = [lambda: aws.account, partial(_vpc, aws, network.vpc), partial(_subnets, aws, deploy)]
    account, vpc, subnets = aws.together(*reads)
    in_vpc = tuple(sorted(subnet for subnet, its_vpc in subnets if its_vpc in (vpc, GIVEN)))
    if not in_vpc:
        zones = " in a zone with Fargate" if aws.region in ZONES else ""
        raise UserError(f"{vpc} has no default subnets{zones}", hint="name some in deploy.yaml under network.subnets")
    return Facts(account, aws.partition, vpc, in_vpc if isinstance(network.subnets, str) else network.subnets)


def _vpc(aws: Aws, vpc: str) -> str:
    if vpc != "default":
        return vpc
    vpcs = aws.call("ec2", "DescribeVpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        raise UserError(
            f"this account has no default VPC in {aws.region}",
            hint="name one in deploy.yaml under network.vpc, with network.subnets, "
            "or make one: aws ec2 create-default-vpc",
        )
    return str(vpcs[0]["VpcId"])


def _subnets(aws: Aws, deploy: Deploy) -> list[tuple[str, str]]:
    """(id, VPC) of the subnets that the file names, or of those that may be the default ones of its VPC: but for those
    in zones that have no Fargate, where a launch now and then would fail.

    An account has one default VPC in a region, so that it needn't be known before its subnets are asked for.
    """
    network, workers = deploy.network, deploy.run.workers
    on_fargate = any(provider in FARGATE for provider in (*deploy.providers, *(workers.capacity if workers else ())))
    if not isinstance(network.subnets, str):
        return [(subnet, GIVEN) for subnet in network.subnets]
    filters = [{"Name": "default-for-az", "Values": ["true"]}]
    if network.vpc != "default":
        filters.append({"Name": "vpc-id", "Values": [network.vpc]})
    subnets = aws.pages("ec2", "DescribeSubnets", "Subnets", Filters=filters)
    return [
        (str(subnet["SubnetId"]), str(subnet["VpcId"]))
        for subnet in subnets
        if not on_fargate or has_fargate(aws.region, str(subnet.get("AvailabilityZoneId", "")))
    ]
