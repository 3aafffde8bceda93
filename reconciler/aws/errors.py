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
class Rule:
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
    Rule(Fault.OTHER, "iam", "MalformedPolicyDocument", text='invalid principal in policy: "service"'),
    # A profile has one role: another, or this one by a call whose answer was lost.
    Rule(Fault.ALREADY_THERE, "iam", "LimitExceeded", ("AddRoleToInstanceProfile",)),
    Rule(Fault.NOT_YET, "iam", "MalformedPolicyDocument", text="invalid principal",
         hint="does the principal that the policy names exist?"),
    Rule(Fault.NOT_YET, "iam", "ConcurrentModification"),
    Rule(Fault.NOT_YET, "iam", "EntityTemporarilyUnmodifiable"),
    Rule(Fault.NOT_YET, "iam", "NoSuchEntity", ("Attach", "Put", "Tag", "Update", "Add", "Create"), fresh=True),
    Rule(Fault.NOT_YET, "iam", "DeleteConflict", ("Delete",), budget=30.0, hint="something still uses it"),
    Rule(Fault.ALREADY_THERE, "iam", "EntityAlreadyExists"),
    Rule(Fault.GONE, "iam", "NoSuchEntity"),
    # S3
    Rule(Fault.NOT_YET, "s3", "OperationAborted", ("CreateBucket",), budget=300.0, hint=DELETED_BUCKET),
    Rule(Fault.NOT_YET, "s3", "OperationAborted", budget=300.0),
    Rule(Fault.NOT_YET, "s3", "MalformedPolicy", text="invalid principal"),
    Rule(Fault.NOT_YET, "s3", "NoSuchBucket", ("Put", "CreateMultipartUpload", "upload"), fresh=True),
    Rule(Fault.ALREADY_THERE, "s3", "BucketAlreadyOwnedByYou"),
    Rule(Fault.DENIED, "s3", "403", ("HeadBucket",), hint=FOREIGN_BUCKET),
    Rule(Fault.OTHER, "s3", "301", hint=ELSEWHERE),
    Rule(Fault.OTHER, "s3", "PermanentRedirect", hint=ELSEWHERE),
    Rule(Fault.OTHER, "s3", "BucketNotEmpty", hint="something still writes into it: stop that and run it again"),
    *(Rule(Fault.GONE, "s3", code) for code in ABSENT_S3),
    # ECR
    Rule(Fault.ALREADY_THERE, "ecr", "RepositoryAlreadyExistsException"),
    *(Rule(Fault.GONE, "ecr", code) for code in ABSENT_ECR),
    # ECS
    Rule(Fault.NOT_YET, "ecs", "InvalidParameterException", text="service linked role"),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="was not active", budget=BUSY),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="role is not valid", fresh=True),
    Rule(Fault.NOT_YET, "ecs", "ClientException", text="unable to assume the role", fresh=True),
    Rule(Fault.NOT_YET, "ecs", "AccessDeniedException", PASS, text="iam:passrole", fresh=True),
    *(Rule(Fault.NOT_YET, "ecs", code, MANAGED_CALLS, text=text, fresh=True)
      for code in ("ClientException", "InvalidParameterException") for text in ("role", "instance profile")),
    Rule(Fault.ALREADY_THERE, "ecs", "ClientException", ("CreateCapacityProvider",), text="already exists"),
    Rule(Fault.GONE, "ecs", "ClientException", text="capacity provider does not exist"),
    Rule(Fault.NOT_YET, "ecs", "ClientException", ("DeleteCapacityProvider",), text="in use", budget=BUSY),
    # Another's revision may be just what was to be registered: look before making one more.
    Rule(Fault.ALREADY_THERE, "ecs", "ClientException", ("RegisterTaskDefinition",), text="too many concurrent"),
    *(Rule(Fault.NOT_YET, "ecs", code, budget=BUSY) for code in CLUSTER_IN_USE),
    Rule(Fault.NOT_YET, "ecs", "InvalidParameterException", ("CreateService",), text="still draining", budget=BUSY),
    Rule(Fault.ALREADY_THERE, "ecs", "InvalidParameterException", ("CreateService",), text="not idempotent"),
    Rule(Fault.GONE, "ecs", "ServiceNotFoundException"),
    Rule(Fault.GONE, "ecs", "ServiceNotActiveException"),
    Rule(Fault.GONE, "ecs", "ClusterNotFoundException"),
    Rule(Fault.GONE, "ecs", "ClientException", ("DescribeTaskDefinition",), text="unable to describe task definition"),
    Rule(Fault.GONE, "ecs", "ResourceNotFoundException"),
    # CloudWatch Logs
    Rule(Fault.NOT_YET, "logs", "OperationAbortedException"),
    Rule(Fault.NOT_YET, "logs", "ResourceNotFoundException", ("Put", "Tag"), fresh=True),
    Rule(Fault.ALREADY_THERE, "logs", "ResourceAlreadyExistsException"),
    Rule(Fault.GONE, "logs", "ResourceNotFoundException"),
    # EC2
    Rule(Fault.NOT_YET, "ec2", "DependencyViolation", ("DeleteSecurityGroup",), budget=BUSY,
         hint="a task or network interface still has the group"),
    Rule(Fault.NOT_YET, "ec2", "InvalidGroup.InUse", ("DeleteSecurityGroup",), budget=BUSY),
    Rule(Fault.NOT_YET, "ec2", "InvalidGroup.NotFound", ("Authorize", "Revoke", "CreateTags"), fresh=True),
    Rule(Fault.ALREADY_THERE, "ec2", "InvalidGroup.Duplicate"),
    Rule(Fault.ALREADY_THERE, "ec2", "InvalidPermission.Duplicate"),
    Rule(Fault.GONE, "ec2", "InvalidGroup.NotFound"),
    Rule(Fault.GONE, "ec2", "InvalidGroupId.Malformed"),
    Rule(Fault.GONE, "ec2", "InvalidPermission.NotFound"),
    # SSM
    Rule(Fault.ALREADY_THERE, "ssm", "ParameterAlreadyExists"),
    Rule(Fault.GONE, "ssm", "ParameterNotFound"),
    Rule(Fault.NOT_YET, "ssm", "TooManyUpdates"),
    # EventBridge Scheduler
    Rule(Fault.NOT_YET, "scheduler", "ValidationException", text="to assume the role", fresh=True),
    Rule(Fault.NOT_YET, "scheduler", "ConflictException", ("Update", "Delete")),
    Rule(Fault.ALREADY_THERE, "scheduler", "ConflictException", ("Create",)),
    Rule(Fault.GONE, "scheduler", "ResourceNotFoundException"),
    # Lambda: it tries a role before it takes it, and one update at a time.
    Rule(Fault.NOT_YET, "lambda", "InvalidParameterValueException", text="cannot be assumed by lambda",
         hint="does the role's trust policy name lambda.amazonaws.com?"),
    Rule(Fault.NOT_YET, "lambda", "InvalidParameterValueException", text="execution role does not have permissions",
         hint="does the role allow what the function is to do with it?"),
    Rule(Fault.NOT_YET, "lambda", "InvalidParameterValueException", text="key is invalid for creategrant", fresh=True),
    Rule(Fault.ALREADY_THERE, "lambda", "ResourceConflictException", ("Create", "Add"), text="already exist"),
    Rule(Fault.NOT_YET, "lambda", "ResourceConflictException", budget=BUSY),
    Rule(Fault.NOT_YET, "lambda", "ResourceNotFoundException", ("Add", "Update", "Tag"), fresh=True),
    Rule(Fault.GONE, "lambda", "ResourceNotFoundException"),
    Rule(Fault.GONE, "lambda", "UnknownOperationException", ("List",)),  # a region without function URLs, say
    # SNS, SQS, EventBridge
    Rule(Fault.NOT_YET, "sns", "ConcurrentAccess"),
    Rule(Fault.GONE, "sns", "NotFound"),
    Rule(Fault.GONE, "sns", "ResourceNotFound"),
    Rule(Fault.GONE, "sns", "ResourceNotFoundException"),  # the shape's name, as an emulator has it (MiniStack)
    Rule(Fault.NOT_YET, "sqs", "AWS.SimpleQueueService.QueueDeletedRecently"),
    Rule(Fault.NOT_YET, "sqs", "QueueDeletedRecently"),
    Rule(Fault.ALREADY_THERE, "sqs", "QueueAlreadyExists"),
    Rule(Fault.ALREADY_THERE, "sqs", "QueueNameExists"),
    Rule(Fault.GONE, "sqs", "AWS.SimpleQueueService.NonExistentQueue"),
    Rule(Fault.GONE, "sqs", "QueueDoesNotExist"),
    Rule(Fault.NOT_YET, "events", "ConcurrentModificationException"),
    Rule(Fault.GONE, "events", "ResourceNotFoundException"),
    # Secrets Manager, DynamoDB
    Rule(Fault.GONE, "secretsmanager", "ResourceNotFoundException"),
    Rule(Fault.ALREADY_THERE, "dynamodb", "ResourceInUseException", ("CreateTable",)),
    Rule(Fault.NOT_YET, "dynamodb", "ResourceInUseException"),
    Rule(Fault.NOT_YET, "dynamodb", "LimitExceededException", text="simultaneously"),
    Rule(Fault.GONE, "dynamodb", "ResourceNotFoundException"),
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


def classify(service: str, operation: str, code: str, message: str, *, fresh: bool = False, status: int = 0) -> Rule:
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
    plain = Rule(Fault.OTHER, service, code, hint=CLOCK if late else HINTS.get(code, ""))
    if code in THROTTLING or status == 429:
        return replace(plain, fault=Fault.THROTTLED, budget=300.0)
    if code in BROKEN or failed:
        budget = SHORT if status in NEVER else 30.0
        return replace(plain, fault=Fault.BROKEN, budget=budget, hint="AWS had a failure: run the command again")
    if code in DENIED:
        return replace(plain, fault=Fault.DENIED)
    return plain
