"""What somebody changes by hand, so that a kind has something to put right."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.lab_client import ACCOUNT, LabHandle

POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/demo-task-policy"
LISTING = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
LESS = json.dumps({"Version": "2012-10-17", "Statement": [LISTING]})
ANYBODY = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}


def role(lab: LabHandle) -> None:
    """Another trust policy, and a policy less."""
    iam = lab.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [ANYBODY]})
    iam.update_assume_role_policy(RoleName="demo-task-role", PolicyDocument=trust)
    iam.detach_role_policy(RoleName="demo-task-role", PolicyArn=POLICY_ARN)


def policy(lab: LabHandle) -> None:
    """Another default version."""
    lab.client("iam").create_policy_version(PolicyArn=POLICY_ARN, PolicyDocument=LESS, SetAsDefault=True)


def cluster(lab: LabHandle) -> None:
    """A capacity provider less."""
    lab.client("ecs").put_cluster_capacity_providers(
        cluster="demo", capacityProviders=["FARGATE"], defaultCapacityProviderStrategy=[]
    )


def task_definition(lab: LabHandle) -> None:
    """Another revision."""
    lab.client("ecs").register_task_definition(
        family="demo", containerDefinitions=[{"name": "demo", "image": "busybox", "memory": 64}]
    )


def security_group(lab: LabHandle) -> None:
    """The way out closed."""
    ec2 = lab.client("ec2")
    group = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["demo"]}])["SecurityGroups"][0]
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])


CHANGES: dict[str, Callable[[LabHandle], None]] = {
    "demo-task-role": role, "demo-task-policy": policy, "cluster": cluster, "task-definition": task_definition,
    "security-group": security_group,
}  # fmt: skip
