"""The table of errors: what each row of it says, and that nothing botocore repeats for nothing is repeated."""

from __future__ import annotations

import pytest

from reconciler.aws.errors import BROKEN, DENIED, QUOTA, RULES, THROTTLING, Fault, classify
from reconciler.aws.iam_actions import action_of

INVALID, CONFLICT = "InvalidParameterValueException", "ResourceConflictException"
ABSENT = "ResourceNotFoundException"
ASSUME = "function cannot be assumed by Lambda."
SEND = "execution role does not have permissions to call SendMessage on SQS"
NOW = "The operation cannot be performed at this time."
LAMBDA = [
    ("lambda", "CreateFunction", INVALID, f"The role defined for the {ASSUME}", False, Fault.NOT_YET, 120),
    ("lambda", "CreateFunction", INVALID, f"The provided {SEND}", False, Fault.NOT_YET, 120),
    ("lambda", "CreateFunction", INVALID, "KMS key is invalid for CreateGrant", True, Fault.NOT_YET, 120),
    ("lambda", "ListFunctionUrlConfigs", "UnknownOperationException", "", False, Fault.GONE, 120),
    ("lambda", "CreateFunction", "UnknownOperationException", "", False, Fault.OTHER, 120),
    ("lambda", "CreateFunction", INVALID, "Unzipped size must be smaller", True, Fault.OTHER, 120),
    ("lambda", "CreateFunction", CONFLICT, "Function already exist: f", False, Fault.ALREADY_THERE, 120),
    (
        "lambda",
        "AddPermission",
        CONFLICT,
        "The statement id (x) provided already exists.",
        False,
        Fault.ALREADY_THERE,
        120,
    ),
    ("lambda", "AddPermission", CONFLICT, f"{NOW} in the following state: Pending", False, Fault.NOT_YET, 600),
    ("lambda", "UpdateFunctionCode", CONFLICT, f"{NOW} An update is in progress", False, Fault.NOT_YET, 600),
    ("lambda", "AddPermission", ABSENT, "Function not found: ...", True, Fault.NOT_YET, 120),
    ("lambda", "AddPermission", ABSENT, "Function not found: ...", False, Fault.GONE, 120),
    ("lambda", "GetPolicy", ABSENT, "", True, Fault.GONE, 120),
    ("lambda", "CreateFunction", "TooManyRequestsException", "Rate exceeded", False, Fault.THROTTLED, 300),
    ("lambda", "GetFunction", "ServiceException", "", False, Fault.BROKEN, 30),
    ("lambda", "UpdateFunctionCode", "CodeStorageExceededException", "", False, Fault.OTHER, 120),
]
ROWS = [
    # service, operation, code, message, fresh, fault, budget
    ("iam", "CreateRole", "MalformedPolicyDocument", "Invalid principal in policy: ...", False, Fault.NOT_YET, 120),
    ("iam", "CreateRole", "MalformedPolicyDocument", "Syntax errors", False, Fault.OTHER, 120),
    ("iam", "GetRole", "NoSuchEntity", "", True, Fault.GONE, 120),
    ("iam", "AttachRolePolicy", "NoSuchEntity", "", True, Fault.NOT_YET, 120),
    ("iam", "AttachRolePolicy", "NoSuchEntity", "", False, Fault.GONE, 120),
    ("iam", "CreateRole", "EntityAlreadyExists", "", False, Fault.ALREADY_THERE, 120),
    ("iam", "CreatePolicyVersion", "LimitExceeded", "", False, Fault.OTHER, 120),
    ("iam", "DeletePolicy", "DeleteConflict", "", False, Fault.NOT_YET, 30),
    ("iam", "GetRole", "Throttling", "", False, Fault.THROTTLED, 300),
    (
        "ecs",
        "CreateCluster",
        "InvalidParameterException",
        "Unable to assume the Service Linked Role",
        False,
        Fault.NOT_YET,
        120,
    ),
    (
        "ecs",
        "RunTask",
        "InvalidParameterException",
        "unable to assume the service linked role",
        False,
        Fault.NOT_YET,
        120,
    ),
    ("ecs", "RunTask", "InvalidParameterException", "No Container Instances", False, Fault.OTHER, 120),
    ("ecs", "PutClusterCapacityProviders", "ClientException", "Cluster was not ACTIVE", False, Fault.NOT_YET, 600),
    ("ecs", "RegisterTaskDefinition", "ClientException", "Role is not valid", True, Fault.NOT_YET, 120),
    ("ecs", "RegisterTaskDefinition", "ClientException", "Role is not valid", False, Fault.OTHER, 120),
    ("ecs", "RegisterTaskDefinition", "AccessDeniedException", "...iam:PassRole...", True, Fault.NOT_YET, 120),
    ("ecs", "RegisterTaskDefinition", "AccessDeniedException", "...iam:PassRole...", False, Fault.DENIED, 120),
    (
        "ecs",
        "RegisterTaskDefinition",
        "ClientException",
        "Too many concurrent attempts to ...",
        False,
        Fault.ALREADY_THERE,
        120,
    ),
    ("ecs", "DeleteCluster", "ClusterContainsTasksException", "", False, Fault.NOT_YET, 600),
    ("ecs", "DescribeTaskDefinition", "ClientException", "Unable to describe task definition.", False, Fault.GONE, 120),
    ("ecs", "RunTask", "ThrottlingException", "Rate exceeded", False, Fault.THROTTLED, 300),
    ("ecs", "CreateService", "InvalidParameterException", "... that is still Draining.", False, Fault.NOT_YET, 600),
    ("ecs", "CreateService", "InvalidParameterException", "... was not idempotent.", False, Fault.ALREADY_THERE, 120),
    ("ecs", "UpdateService", "ServiceNotActiveException", "Service was not ACTIVE.", False, Fault.GONE, 120),
    ("ecs", "DeleteService", "ServiceNotFoundException", "Service not found.", False, Fault.GONE, 120),
    ("sns", "ListTagsForResource", "ResourceNotFound", "Resource does not exist", False, Fault.GONE, 120),
    ("sns", "ListTagsForResource", ABSENT, "Resource not found", False, Fault.GONE, 120),
    ("s3", "CreateBucket", "OperationAborted", "", False, Fault.NOT_YET, 300),
    ("s3", "PutBucketTagging", "NoSuchBucket", "", True, Fault.NOT_YET, 120),
    ("s3", "PutBucketTagging", "NoSuchBucket", "", False, Fault.GONE, 120),
    ("s3", "GetBucketTagging", "NoSuchBucket", "", True, Fault.GONE, 120),
    ("s3", "CreateBucket", "BucketAlreadyOwnedByYou", "", False, Fault.ALREADY_THERE, 120),
    ("s3", "CreateBucket", "BucketAlreadyExists", "", False, Fault.OTHER, 120),
    ("s3", "HeadBucket", "403", "", False, Fault.DENIED, 120),
    ("s3", "HeadBucket", "301", "", False, Fault.OTHER, 120),
    ("s3", "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError", "", False, Fault.GONE, 120),
    ("s3", "PutObject", "503", "", False, Fault.BROKEN, 30),
    ("ecr", "CreateRepository", "RepositoryAlreadyExistsException", "", False, Fault.ALREADY_THERE, 120),
    ("logs", "DeleteLogGroup", "OperationAbortedException", "", False, Fault.NOT_YET, 120),
    ("logs", "CreateLogGroup", "LimitExceededException", "", False, Fault.OTHER, 120),
    ("ec2", "DeleteSecurityGroup", "DependencyViolation", "", False, Fault.NOT_YET, 600),
    ("ec2", "CreateSubnet", "DependencyViolation", "", False, Fault.OTHER, 120),
    ("ec2", "AuthorizeSecurityGroupEgress", "InvalidPermission.Duplicate", "", False, Fault.ALREADY_THERE, 120),
    (
        "scheduler",
        "CreateSchedule",
        "ValidationException",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        True,
        Fault.NOT_YET,
        120,
    ),
    *LAMBDA,
    ("ssm", "PutParameter", "ParameterAlreadyExists", "", False, Fault.ALREADY_THERE, 120),
    ("ssm", "PutParameter", "TooManyUpdates", "", False, Fault.NOT_YET, 120),
    ("dynamodb", "UpdateTable", "ResourceInUseException", "", False, Fault.NOT_YET, 120),
    (
        "dynamodb",
        "CreateTable",
        "LimitExceededException",
        "Only 10 tables can be created simultaneously",
        False,
        Fault.NOT_YET,
        120,
    ),
    ("sts", "GetCallerIdentity", "ExpiredToken", "", False, Fault.OTHER, 120),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}-{'fresh' if row[4] else 'old'}")
def test_row(row: tuple[str, str, str, str, bool, Fault, float]) -> None:
    service, operation, code, message, fresh, fault, budget = row
    rule = classify(service, operation, code, message, fresh=fresh)
    assert (rule.fault, rule.budget) == (fault, budget)


def test_a_quota_is_never_taken_for_a_throttle() -> None:
    assert not QUOTA & (THROTTLING | BROKEN | DENIED)
    for code in QUOTA:
        assert classify("iam", "CreateRole", code, "").fault is Fault.OTHER


def test_every_rule_can_be_reached() -> None:
    """A rule behind a more general one would never count."""
    for rule in RULES:
        operation = rule.operations[0] if rule.operations else "Anything"
        assert classify(rule.service, operation, rule.code, rule.text, fresh=rule.fresh) == rule


def test_texts_are_lower_case() -> None:
    assert all(rule.text == rule.text.lower() for rule in RULES)


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("iam", "GetRole", "iam:GetRole"),
        ("s3", "HeadBucket", "s3:ListBucket"),
        ("s3", "PutBucketEncryption", "s3:PutEncryptionConfiguration"),
        ("s3", "upload_file", "s3:PutObject"),
        ("s3", "PutBucketTagging", "s3:PutBucketTagging"),
    ],
)
def test_actions(service: str, operation: str, action: str) -> None:
    assert action_of(service, operation) == action
