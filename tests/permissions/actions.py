"""Every IAM action that a call needs: that of its operation, and those that its parameters need in addition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.aws.iam_actions import SERVICES, action_of

# By operation and parameter.
IN_ADDITION: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
    ("iam", "CreateOpenIDConnectProvider"): {"Tags": ("iam:TagOpenIDConnectProvider",)},
    ("iam", "CreatePolicy"): {"Tags": ("iam:TagPolicy",)},
    ("iam", "CreateRole"): {"Tags": ("iam:TagRole",)},
    ("iam", "CreateUser"): {"Tags": ("iam:TagUser",)},
    ("ecr", "CreateRepository"): {"tags": ("ecr:TagResource",)},
    ("logs", "CreateLogGroup"): {"tags": ("logs:TagResource",)},
    ("ec2", "CreateSecurityGroup"): {"TagSpecifications": ("ec2:CreateTags",)},
    ("ecs", "CreateCluster"): {"tags": ("ecs:TagResource",)},
    ("ecs", "RegisterTaskDefinition"): {
        "tags": ("ecs:TagResource",), "taskRoleArn": ("iam:PassRole",), "executionRoleArn": ("iam:PassRole",)},
    ("ecs", "RunTask"): {"tags": ("ecs:TagResource",), "taskDefinition": ("iam:PassRole",)},
    ("ecs", "CreateService"): {"tags": ("ecs:TagResource",)},
    ("ecs", "CreateCapacityProvider"): {
        "tags": ("ecs:TagResource",), "managedInstancesProvider": ("iam:PassRole",)},
    ("ecs", "UpdateCapacityProvider"): {"managedInstancesProvider": ("iam:PassRole",)},
    ("iam", "CreateInstanceProfile"): {"Tags": ("iam:TagInstanceProfile",)},
    ("ssm", "PutParameter"): {"Tags": ("ssm:AddTagsToResource",)},
    ("sqs", "CreateQueue"): {"tags": ("sqs:TagQueue",)},
    ("sns", "CreateTopic"): {"Tags": ("sns:TagResource",)},
    ("events", "PutRule"): {"Tags": ("events:TagResource",)},
    ("scheduler", "CreateSchedule"): {"Target": ("iam:PassRole",)},
    ("scheduler", "UpdateSchedule"): {"Target": ("iam:PassRole",)},
    ("lambda", "CreateFunction"): {"Tags": ("lambda:TagResource",), "Role": ("iam:PassRole",)},
    ("lambda", "UpdateFunctionConfiguration"): {"Role": ("iam:PassRole",)},
    ("lambda", "GetFunction"): {"FunctionName": ("lambda:ListTags",)},  # without it the answer has no tags
    ("s3", "DeleteObject"): {"VersionId": ("s3:DeleteObjectVersion",)},
    ("s3", "DeleteObjects"): {"Delete": ("s3:DeleteObjectVersion",)},
    ("s3", "HeadObject"): {"VersionId": ("s3:GetObjectVersion",)},
    ("s3", "CopyObject"): {"CopySource": ("s3:GetObjectVersion",)},
    ("s3", "UploadPartCopy"): {"CopySource": ("s3:GetObjectVersion",)},
    ("s3", "CreateMultipartUpload"): {"Bucket": ("s3:AbortMultipartUpload",)},  # when it is given up
}  # fmt: skip


def actions_of(service: str, operation: str, params: Mapping[str, Any]) -> frozenset[str]:
    """Every action that a call needs: its operation's, and what its parameters need in addition."""
    by_parameter = IN_ADDITION.get((SERVICES.get(service, service), operation), {})
    also = {action for name, actions in by_parameter.items() if params.get(name) for action in actions}
    return frozenset({action_of(service, operation), *also})
