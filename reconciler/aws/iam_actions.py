"""The IAM actions that an API operation needs: mostly `service:Operation`, but not in S3, and some need more. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

S3 = {
    "HeadBucket": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "ListBuckets": "ListAllMyBuckets", "HeadObject": "GetObject", "download_file": "GetObject",
    "GetBucketEncryption": "GetEncryptionConfiguration", "PutBucketEncryption": "PutEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock", "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "GetBucketReplication": "GetReplicationConfiguration", "PutBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration", "ListMultipartUploads": "ListBucketMultipartUploads",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
    "upload_file": "PutObject", "CopyObject": "PutObject", "UploadPartCopy": "PutObject",
    "DeleteObjects": "DeleteObject",
}  # fmt: skip
OTHERS = {("lambda", "Invoke"): "InvokeFunction"}  # whose action has another name
# Clients whose IAM prefix is another.
SERVICES = {"s3-transfer": "s3", "s3-upload": "s3", "service-quotas": "servicequotas"}
# What a parameter of an operation needs besides.
WITH: Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]] = {
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


def action_of(service: str, operation: str) -> str:
    """`service:Action`, as a policy statement names it."""
    service = SERVICES.get(service, service)
    name = S3.get(operation) if service == "s3" else OTHERS.get((service, operation))
    return f"{service}:{name or operation}"


def actions_of(service: str, operation: str, params: Mapping[str, Any]) -> frozenset[str]:
    """Every action that a call needs: its own, and what its parameters ask for besides."""
    by_parameter = WITH.get((SERVICES.get(service, service), operation), {})
    also = {action for name, actions in by_parameter.items() if params.get(name) for action in actions}
    return frozenset({action_of(service, operation), *also})
