"""The guide's deployment as a person makes it by hand, step by step, with its names and values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

P = "aig130-p2"
BUCKET, KEY = f"{P}-ml-data-bucket", "data/btc_1h_data_2018_to_2025.csv"
EXECUTION_ROLE, TASK_ROLE = f"{P}-ecs-task-execution-role", f"{P}-ecs-task-role"
REPOSITORY, CLUSTER, FAMILY, GROUP = f"{P}-ml-pipeline-ecr", f"{P}-ml-cluster", f"{P}-ml-task", f"{P}-ml-sg"
USER, LOG_GROUP = f"github-actions-{P}", f"/ecs/{FAMILY}"
DATA = b"Open time,Open,High,Low,Close,Volume\n" + b"2024-01-01 00:00:00,1,2,0.5,1.5,10\n" * 50
OBJECTS = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def _policy(*statements: tuple[list[str], str | list[str]]) -> str:
    listed = [{"Effect": "Allow", "Action": actions, "Resource": where} for actions, where in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": listed})


REGISTRY = [
    "ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage",
    "ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
]  # fmt: skip
TASKS = [
    "ecs:UpdateService", "ecs:DescribeServices", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition",
    "ecs:RunTask", "ecs:DescribeTasks",
]  # fmt: skip
ROLES = [f"arn:aws:iam::*:role/{EXECUTION_ROLE}", f"arn:aws:iam::*:role/{TASK_ROLE}"]


def make(client: Callable[[str], Any]) -> None:
    """Steps 2 to 8. client: gives a boto3 client of a service."""
    iam(client("iam"), client("sts").get_caller_identity()["Account"])
    storage(client("s3"), client("ecr"))
    cluster(client("ecs"), client("sts").get_caller_identity()["Account"])
    network(client("logs"), client("ec2"))


def iam(iam: Any, account: str) -> None:
    """Steps 2 and 3: roles, the task's policy, and a user with a key for GitHub Actions."""
    for role in (EXECUTION_ROLE, TASK_ROLE):
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))
    managed = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.attach_role_policy(RoleName=EXECUTION_ROLE, PolicyArn=managed)
    reads = _policy((["s3:GetObject", "s3:ListBucket"], OBJECTS))
    iam.create_policy(PolicyName=f"{P}-s3-access-policy", PolicyDocument=reads)
    iam.attach_role_policy(RoleName=TASK_ROLE, PolicyArn=f"arn:aws:iam::{account}:policy/{P}-s3-access-policy")
    iam.create_user(UserName=USER)
    iam.create_access_key(UserName=USER)
    pushes = _policy(
        (REGISTRY, "*"), (TASKS, "*"), (["s3:PutObject", "s3:GetObject", "s3:ListBucket"], OBJECTS),
        (["iam:PassRole"], ROLES),
    )  # fmt: skip
    iam.create_policy(PolicyName=f"{P}-github-actions-policy", PolicyDocument=pushes)
    iam.attach_user_policy(UserName=USER, PolicyArn=f"arn:aws:iam::{account}:policy/{P}-github-actions-policy")


def storage(s3: Any, ecr: Any) -> None:
    """Steps 4 and 5: the bucket with the data, and the image's repository."""
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=DATA)
    ecr.create_repository(repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": True})


def cluster(ecs: Any, account: str) -> None:
    """Steps 6 and 7: the cluster and the task definition."""
    ecs.create_cluster(
        clusterName=CLUSTER,
        capacityProviders=["FARGATE", "FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1, "base": 0}],
    )
    ecs.register_task_definition(**task_definition(account))


def task_definition(account: str) -> dict[str, Any]:
    """The task definition as it is registered."""
    variables = {"USE_S3": "true", "S3_BUCKET": BUCKET, "S3_KEY": KEY, "AWS_DEFAULT_REGION": "us-east-1"}
    options = {
        "awslogs-group": LOG_GROUP,
        "awslogs-region": "us-east-1",
        "awslogs-stream-prefix": "ecs",
        "awslogs-create-group": "true",
    }
    container = {
        "name": "ml-pipeline-container",
        "image": f"{account}.dkr.ecr.us-east-1.amazonaws.com/{REPOSITORY}:latest",
        "essential": True,
        "environment": [{"name": name, "value": value} for name, value in variables.items()],
        "logConfiguration": {"logDriver": "awslogs", "options": options},
    }
    return {
        "family": FAMILY,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "1024",
        "memory": "2048",
        "executionRoleArn": f"arn:aws:iam::{account}:role/{EXECUTION_ROLE}",
        "taskRoleArn": f"arn:aws:iam::{account}:role/{TASK_ROLE}",
        "containerDefinitions": [container],
    }


def network(logs: Any, ec2: Any) -> None:
    """Step 8: the log group and the security group."""
    logs.create_log_group(logGroupName=LOG_GROUP)
    logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=7)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "isDefault", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    ec2.create_security_group(GroupName=GROUP, Description="Security group for AIG130 P2 ML ECS tasks", VpcId=vpc)
