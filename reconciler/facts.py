"""What a deploy takes as given: the account, and the network that it runs in. Read once, before anything is planned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from reconciler.aws import Aws
from reconciler.config import Deploy
from reconciler.errors import UserError


@dataclass(frozen=True)
class Facts:
    """account: its id. vpc, subnets: ids."""

    account: str
    partition: str
    vpc: str
    subnets: tuple[str, ...]


def read_facts(aws: Aws, deploy: Deploy) -> Facts:
    """Read them. Raises UserError when the account isn't the file's, or the network isn't there."""
    network = deploy.network
    account, vpc = aws.together(lambda: aws.account, partial(_vpc, aws, network.vpc))
    if deploy.account and deploy.account != account:
        raise UserError(
            f"these credentials are of account {account}, and deploy.yaml says `account: {deploy.account}`",
            hint="use the credentials of that account (AWS_PROFILE), or change the file",
        )
    return Facts(account, aws.partition, vpc, _subnets(aws, vpc, network.subnets))


def _vpc(aws: Aws, wanted: str) -> str:
    if wanted != "default":
        return wanted
    found = aws.call("ec2", "DescribeVpcs", Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not found:
        raise UserError(
            f"this account has no default VPC in {aws.region}",
            hint="name one in deploy.yaml under network.vpc, with network.subnets, "
            "or make one: aws ec2 create-default-vpc",
        )
    return str(found[0]["VpcId"])


def _subnets(aws: Aws, vpc: str, wanted: tuple[str, ...] | str) -> tuple[str, ...]:
    if not isinstance(wanted, str):
        return wanted
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default-for-az", "Values": ["true"]}]
    found = aws.pages("ec2", "DescribeSubnets", "Subnets", Filters=filters)
    subnets = tuple(sorted(str(one["SubnetId"]) for one in found))
    if not subnets:
        raise UserError(f"{vpc} has no default subnets", hint="name some in deploy.yaml under network.subnets")
    return subnets
