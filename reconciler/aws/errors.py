"""What AWS's error codes mean, in one table. Pure: nothing here calls AWS.

A code is matched before a message, and a message only where the code says too little. The first rule that matches
counts, so what is special stands before what is general. docs/decisions/aws-errors.md says why each is as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Fault(Enum):
    """What an error means for the caller."""

    NOT_YET = "not yet"  # eventual consistency or a state in between: try again within the budget
    THROTTLED = "throttled"  # slow down and try again
    BROKEN = "broken"  # AWS failed, or the answer was lost: try again, briefly
    ALREADY_THERE = "already there"
    GONE = "gone"
    DENIED = "denied"
    OTHER = "other"


@dataclass(frozen=True)
class ErrorRule:
    """An error that means the same wherever these match.

    operations: the beginnings of those that it holds for; empty for all. text: a part of the message, without case.
    fresh: only while something that this run made a short time ago is named by the call.
    budget: seconds that NOT_YET, THROTTLED or BROKEN may last. hint: what the user can do.
    """

    fault: Fault
    service: str
    code: str
    operations: tuple[str, ...] = ()
    text: str = ""
    fresh: bool = False
    budget: float = 120.0
    hint: str = ""


# The condition of a write doesn't hold: what is there was changed, made or deleted meanwhile.
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409", "NoSuchKey")
SHORT = 5.0  # seconds for what won't get better by waiting
BUSY = 600.0  # seconds for what AWS takes minutes for: a cluster's change, a task's network interface
PASS = (
    "RegisterTaskDefinition",
    "RunTask",
    "CreateSchedule",
    "UpdateSchedule",
    "CreateCapacityProvider",
    "UpdateCapacityProvider",
)  # calls that hand a role over
MANAGED_CALLS = ("CreateCapacityProvider", "UpdateCapacityProvider")  # which look at two roles and a profile
ABSENT_S3 = (
    "NoSuchBucket", "NoSuchKey", "404", "NotFound", "NoSuchLifecycleConfiguration", "NoSuchTagSet",
    "NoSuchPublicAccessBlockConfiguration", "ServerSideEncryptionConfigurationNotFoundError", "NoSuchBucketPolicy",
    "NoSuchUpload", "OwnershipControlsNotFoundError", "NoSuchVersion", "ReplicationConfigurationNotFoundError",
)  # fmt: skip
ABSENT_ECR = (
    "RepositoryNotFoundException", "LifecyclePolicyNotFoundException", "RepositoryPolicyNotFoundException",
    "ImageNotFoundException", "ScanNotFoundException",
)  # fmt: skip
CLUSTER_IN_USE = (
    "ResourceInUseException", "UpdateInProgressException", "ClusterContainsTasksException",
    "ClusterContainsServicesException", "ClusterContainsContainerInstancesException",
    "ClusterContainsCapacityProviderException",
)  # fmt: skip
FOREIGN_BUCKET = (
    "the bucket of this name may belong to another account: names are unique in all of AWS, so choose another under "
    "data.bucket.name; if it is yours, you may not see it"
)
ELSEWHERE = "the bucket is in another region: choose another name under data.bucket.name, or set `region` to its region"

DELETED_BUCKET = (
    "a bucket of this name is still being deleted, and S3 frees a name minutes later, at times an hour: wait, or "
    "choose another under data.bucket.name"
)

RULES = (
    # IAM: a principal, role or version that was made a moment ago isn't seen everywhere yet.
    # A service of AWS is there or never will be.
    ErrorRule(Fault.OTHER, "iam", "MalformedPolicyDocument", text='invalid principal in policy: "service"'),
    # A profile has one role: another, or this one by a call whose answer was lost.
    ErrorRule(Fault.ALREADY_THERE, "iam", "LimitExceeded", ("AddRoleToInstanceProfile",)),
    ErrorRule(Fault.NOT_YET, "iam", "MalformedPolicyDocument", text="invalid principal",
              hint="does the principal that the policy names exist?"),
    ErrorRule(Fault.NOT_YET, "iam", "ConcurrentModification"),
    ErrorRule(Fault.NOT_YET, "iam", "EntityTemporarilyUnmodifiable"),
    ErrorRule(Fault.NOT_YET, "iam", "NoSuchEntity", ("Attach", "Put", "Tag", "Update", "Add", "Create"), fresh=True),
    ErrorRule(Fault.NOT_YET, "iam", "DeleteConflict", ("Delete",), budget=30.0, hint="something still uses it"),
    ErrorRule(Fault.ALREADY_THERE, "iam", "EntityAlreadyExists"),
    ErrorRule(Fault.GONE, "iam", "NoSuchEntity"),
    # S3
    ErrorRule(Fault.NOT_YET, "s3", "OperationAborted", ("CreateBucket",), budget=300.0, hint=DELETED_BUCKET),
    ErrorRule(Fault.NOT_YET, "s3", "OperationAborted", budget=300.0),
    ErrorRule(Fault.NOT_YET, "s3", "MalformedPolicy", text="invalid principal"),
    ErrorRule(Fault.NOT_YET, "s3", "NoSuchBucket", ("Put", "CreateMultipartUpload", "upload"), fresh=True),
    ErrorRule(Fault.ALREADY_THERE, "s3", "BucketAlreadyOwnedByYou"),
    ErrorRule(Fault.DENIED, "s3", "403", ("HeadBucket",), hint=FOREIGN_BUCKET),
    ErrorRule(Fault.OTHER, "s3", "301", hint=ELSEWHERE),
    ErrorRule(Fault.OTHER, "s3", "PermanentRedirect", hint=ELSEWHERE),
    ErrorRule(Fault.OTHER, "s3", "BucketNotEmpty", hint="something still writes into it: stop that and run it again"),
    *(ErrorRule(Fault.GONE, "s3", code) for code in ABSENT_S3),
    # ECR
    ErrorRule(Fault.ALREADY_THERE, "ecr", "RepositoryAlreadyExistsException"),
    *(ErrorRule(Fault.GONE, "ecr", code) for code in ABSENT_ECR),
    # ECS
    ErrorRule(Fault.NOT_YET, "ecs", "InvalidParameterException", text="service linked role"),
    ErrorRule(Fault.NOT_YET, "ecs", "ClientException", text="was not active", budget=BUSY),
    ErrorRule(Fault.NOT_YET, "ecs", "ClientException", text="role is not valid", fresh=True),
    ErrorRule(Fault.NOT_YET, "ecs", "ClientException", text="unable to assume the role", fresh=True),
    ErrorRule(Fault.NOT_YET, "ecs", "AccessDeniedException", PASS, text="iam:passrole", fresh=True),
    *(ErrorRule(Fault.NOT_YET, "ecs", code, MANAGED_CALLS, text=text, fresh=True)
      for code in ("ClientException", "InvalidParameterException") for text in ("role", "instance profile")),
    ErrorRule(Fault.ALREADY_THERE, "ecs", "ClientException", ("CreateCapacityProvider",), text="already exists"),
    ErrorRule(Fault.GONE, "ecs", "ClientException", text="capacity provider does not exist"),
    ErrorRule(Fault.NOT_YET, "ecs", "ClientException", ("DeleteCapacityProvider",), text="in use", budget=BUSY),
    # Another's revision may be just what was to be registered: look before making one more.
    ErrorRule(Fault.ALREADY_THERE, "ecs", "ClientException", ("RegisterTaskDefinition",), text="too many concurrent"),
    *(ErrorRule(Fault.NOT_YET, "ecs", code, budget=BUSY) for code in CLUSTER_IN_USE),
    ErrorRule(Fault.NOT_YET, "ecs", "InvalidParameterException", ("CreateService",), text="still draining",
              budget=BUSY),
    ErrorRule(Fault.ALREADY_THERE, "ecs", "InvalidParameterException", ("CreateService",), text="not idempotent"),
    ErrorRule(Fault.GONE, "ecs", "ServiceNotFoundException"),
    ErrorRule(Fault.GONE, "ecs", "ServiceNotActiveException"),
    ErrorRule(Fault.GONE, "ecs", "ClusterNotFoundException"),
    ErrorRule(Fault.GONE, "ecs", "ClientException", ("DescribeTaskDefinition",),
              text="unable to describe task definition"),
    ErrorRule(Fault.GONE, "ecs", "ResourceNotFoundException"),
    # CloudWatch Logs
    ErrorRule(Fault.NOT_YET, "logs", "OperationAbortedException"),
    ErrorRule(Fault.NOT_YET, "logs", "ResourceNotFoundException", ("Put", "Tag"), fresh=True),
    ErrorRule(Fault.ALREADY_THERE, "logs", "ResourceAlreadyExistsException"),
    ErrorRule(Fault.GONE, "logs", "ResourceNotFoundException"),
    # EC2
    ErrorRule(Fault.NOT_YET, "ec2", "DependencyViolation", ("DeleteSecurityGroup",), budget=BUSY,
              hint="a task or network interface still has the group"),
    ErrorRule(Fault.NOT_YET, "ec2", "InvalidGroup.InUse", ("DeleteSecurityGroup",), budget=BUSY),
    ErrorRule(Fault.NOT_YET, "ec2", "InvalidGroup.NotFound", ("Authorize", "Revoke", "CreateTags"), fresh=True),
    ErrorRule(Fault.ALREADY_THERE, "ec2", "InvalidGroup.Duplicate"),
    ErrorRule(Fault.ALREADY_THERE, "ec2", "InvalidPermission.Duplicate"),
    ErrorRule(Fault.GONE, "ec2", "InvalidGroup.NotFound"),
    ErrorRule(Fault.GONE, "ec2", "InvalidGroupId.Malformed"),
    ErrorRule(Fault.GONE, "ec2", "InvalidPermission.NotFound"),
    # SSM
    ErrorRule(Fault.ALREADY_THERE, "ssm", "ParameterAlreadyExists"),
    ErrorRule(Fault.GONE, "ssm", "ParameterNotFound"),
    ErrorRule(Fault.NOT_YET, "ssm", "TooManyUpdates"),
    # EventBridge Scheduler
    ErrorRule(Fault.NOT_YET, "scheduler", "ValidationException", text="to assume the role", fresh=True),
    ErrorRule(Fault.NOT_YET, "scheduler", "ConflictException", ("Update", "Delete")),
    ErrorRule(Fault.ALREADY_THERE, "scheduler", "ConflictException", ("Create",)),
    ErrorRule(Fault.GONE, "scheduler", "ResourceNotFoundException"),
    # Lambda: it tries a role before it takes it, and one update at a time.
    ErrorRule(Fault.NOT_YET, "lambda", "InvalidParameterValueException", text="cannot be assumed by lambda",
              hint="does the role's trust policy name lambda.amazonaws.com?"),
    ErrorRule(Fault.NOT_YET, "lambda", "InvalidParameterValueException",
              text="execution role does not have permissions",
              hint="does the role allow what the function is to do with it?"),
    ErrorRule(Fault.NOT_YET, "lambda", "InvalidParameterValueException", text="key is invalid for creategrant",
              fresh=True),
    ErrorRule(Fault.ALREADY_THERE, "lambda", "ResourceConflictException", ("Create", "Add"), text="already exist"),
    ErrorRule(Fault.NOT_YET, "lambda", "ResourceConflictException", budget=BUSY),
    ErrorRule(Fault.NOT_YET, "lambda", "ResourceNotFoundException", ("Add", "Update", "Tag"), fresh=True),
    ErrorRule(Fault.GONE, "lambda", "ResourceNotFoundException"),
    ErrorRule(Fault.GONE, "lambda", "UnknownOperationException", ("List",)),  # a region without function URLs, say
    # SNS, SQS, EventBridge
    ErrorRule(Fault.NOT_YET, "sns", "ConcurrentAccess"),
    ErrorRule(Fault.GONE, "sns", "NotFound"),
    ErrorRule(Fault.GONE, "sns", "ResourceNotFound"),
    ErrorRule(Fault.GONE, "sns", "ResourceNotFoundException"),  # the shape's name, as an emulator has it (MiniStack)
    ErrorRule(Fault.NOT_YET, "sqs", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ErrorRule(Fault.NOT_YET, "sqs", "QueueDeletedRecently"),
    ErrorRule(Fault.ALREADY_THERE, "sqs", "QueueAlreadyExists"),
    ErrorRule(Fault.ALREADY_THERE, "sqs", "QueueNameExists"),
    ErrorRule(Fault.GONE, "sqs", "AWS.SimpleQueueService.NonExistentQueue"),
    ErrorRule(Fault.GONE, "sqs", "QueueDoesNotExist"),
    ErrorRule(Fault.NOT_YET, "events", "ConcurrentModificationException"),
    ErrorRule(Fault.GONE, "events", "ResourceNotFoundException"),
    # Secrets Manager, DynamoDB
    ErrorRule(Fault.GONE, "secretsmanager", "ResourceNotFoundException"),
    ErrorRule(Fault.ALREADY_THERE, "dynamodb", "ResourceInUseException", ("CreateTable",)),
    ErrorRule(Fault.NOT_YET, "dynamodb", "ResourceInUseException"),
    ErrorRule(Fault.NOT_YET, "dynamodb", "LimitExceededException", text="simultaneously"),
    ErrorRule(Fault.GONE, "dynamodb", "ResourceNotFoundException"),
)  # fmt: skip

THROTTLING = {
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
    "RequestLimitExceeded", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "EC2ThrottledException", "Throttled",
}  # fmt: skip
# With whatever status. All else that AWS answers with 500 and more is its failure too, whatever the code.
BROKEN = {
    "InternalError", "InternalException", "InternalFailure", "InternalServerError", "InternalServerException",
    "InternalServiceError", "InternalServiceException", "InternalServiceFault", "ServiceException", "ServiceFailure",
    "ServiceUnavailable", "ServiceUnavailableException", "ServerException", "Unavailable",
    "RequestTimeout", "RequestTimeoutException",
}  # fmt: skip
NEVER = (501, 505)  # statuses of what AWS, or an emulator, doesn't have: another try is of little use
DENIED = {
    "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
    "AuthorizationErrorException", "UnauthorizedAccess", "403", "Forbidden", "AllAccessDisabled",
}  # fmt: skip
CREDENTIALS = {
    "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "SignatureDoesNotMatch", "ExpiredToken",
    "ExpiredTokenException", "InvalidAccessKeyId", "IncompleteSignature", "InvalidToken",
    "MissingAuthenticationToken", "InvalidSignatureException",
}  # fmt: skip
QUOTA = {
    "LimitExceeded", "LimitExceededException", "ServiceQuotaExceededException", "ResourceLimitExceeded",
    "ResourceLimitExceededException", "SecurityGroupLimitExceeded", "RulesPerSecurityGroupLimitExceeded",
    "TooManyBuckets", "ParameterLimitExceeded", "CodeStorageExceededException",
}  # fmt: skip
CLOCK = "the clock of this machine is wrong: set it"
HINTS = {
    **dict.fromkeys(CREDENTIALS, "the credentials are wrong or have expired: run `aws configure` or `aws sso login`"),
    **dict.fromkeys(QUOTA, "a quota of the account is used up: delete what isn't needed, or ask for more"),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"), CLOCK),
    "OptInRequired": "the account isn't signed up for this service or region: enable it in the AWS console",
}


def classify(
    service: str, operation: str, code: str, message: str, *, fresh: bool = False, status: int = 0
) -> ErrorRule:
    """What an error means. fresh: whether the call names something that this run made a short time ago.

    status: HTTP's. One of 500 and more says nothing of whether the call was done, so no rule for a code counts there.
    """
    status = status or (int(code) if code.isdigit() else 0)  # an answer to HEAD has no other code
    failed = status >= 500
    for rule in () if failed else RULES:
        if rule.service == service and rule.code == code and (fresh or not rule.fresh):
            if rule.operations and not operation.startswith(rule.operations):
                continue
            if rule.text in message.lower():
                return rule
    late = any(words in message.lower() for words in ("signature expired", "signature not yet current"))
    plain = ErrorRule(Fault.OTHER, service, code, hint=CLOCK if late else HINTS.get(code, ""))
    if code in THROTTLING or status == 429:
        return replace(plain, fault=Fault.THROTTLED, budget=300.0)
    if code in BROKEN or failed:
        budget = SHORT if status in NEVER else 30.0
        return replace(plain, fault=Fault.BROKEN, budget=budget, hint="AWS had a failure: run the command again")
    if code in DENIED:
        return replace(plain, fault=Fault.DENIED)
    return plain
