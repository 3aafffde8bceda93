"""Fault cases: ECR, CloudWatch Logs, EC2, SSM, and what every service has. Data only."""

from tests.faults.case import EVER, Case, error, lose, reset

EXPIRED = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)"

OTHERS = (
    Case(
        "a created repository's answer is lost",
        ("repository",),
        (lose("ecr", "CreateRepository"),),
        calls={"CreateRepository": 1},
    ),
    Case(
        "ECR breaks for a moment",
        ("repository",),
        (error("ecr", "CreateRepository", "ServerException", times=2, status=500),),
    ),
    Case(
        "a log group's change is aborted",
        ("log-group",),
        (error("logs", "CreateLogGroup", "OperationAbortedException"),),
    ),
    Case(
        "a new log group has no retention yet",
        ("log-group",),
        (error("logs", "PutRetentionPolicy", "ResourceNotFoundException"),),
    ),
    Case(
        "a log group is deleted while it is changed",
        ("log-group",),
        act="destroy",
        rules=(error("logs", "DeleteLogGroup", "OperationAbortedException"),),
    ),
    Case(
        "the quota of log groups",
        ("log-group",),
        (error("logs", "CreateLogGroup", "LimitExceededException", times=EVER),),
        fails="LimitExceededException.*quota",
        calls={"CreateLogGroup": 1},
        wait=(0, 0),
    ),
    Case(
        "a created log group's answer is lost",
        ("log-group",),
        (lose("logs", "CreateLogGroup"),),
        calls={"CreateLogGroup": 1},
    ),
    Case(
        "a task's interface has the group for a while",
        ("security-group",),
        act="destroy",
        rules=(error("ec2", "DeleteSecurityGroup", "DependencyViolation", times=10),),
        wait=(20, 100),
    ),
    Case(
        "an interface has the group for ever",
        ("security-group",),
        act="destroy",
        rules=(error("ec2", "DeleteSecurityGroup", "DependencyViolation", times=EVER),),
        fails="DependencyViolation.*network interface",
        wait=(580, 640),
    ),
    Case(
        "a created group's answer is lost",
        ("security-group",),
        (lose("ec2", "CreateSecurityGroup"),),
        calls={"CreateSecurityGroup": 1},
    ),
    Case("a rule's answer is lost", ("security-group",), (lose("ec2", "AuthorizeSecurityGroupEgress"),), act="change"),
    Case("EC2 throttles", ("security-group",), (error("ec2", "*", "RequestLimitExceeded", times=6, status=503),)),
    Case(
        "EC2 denies a read",
        (),
        (error("ec2", "DescribeSecurityGroups", "UnauthorizedOperation", "You are not authorized", EVER, 403),),
        act="plan",
        fails="denied ec2:DescribeSecurityGroups.*add this policy",
        wait=(0, 0),
    ),
    Case(
        "S3 denies a read of another name",
        (),
        (error("s3", "GetBucketEncryption", "AccessDenied", "Access Denied", EVER, 403),),
        act="plan",
        fails="denied s3:GetEncryptionConfiguration.*add this policy",
        wait=(0, 0),
    ),
    Case("parameters are updated too often", ("log-group",), (error("ssm", "PutParameter", "TooManyUpdates"),)),
    Case(
        "the record can't be read at once",
        ("log-group",),
        (error("ssm", "GetParametersByPath", "ThrottlingException"),),
    ),
    Case("a read's answer is lost", (), (lose("*", "*", 10),), act="plan"),
    Case("connections are reset", (), (reset("*", "*", 10),), act="plan"),
    Case(
        "a service is down",
        (),
        (error("ec2", "DescribeVpcs", "ServiceUnavailable", times=EVER, status=503),),
        act="plan",
        fails="ServiceUnavailable.*run the command again",
        wait=(25, 45),
    ),
    Case(
        "the credentials have expired",
        (),
        (error("sts", "*", "ExpiredToken", "expired", EVER, 403),),
        act="plan",
        fails="aws sso login",
        wait=(0, 0),
    ),
    Case(
        "the clock is wrong",
        (),
        (error("sts", "*", "SignatureDoesNotMatch", EXPIRED, EVER, 403),),
        act="plan",
        fails="clock of this machine",
        wait=(0, 0),
    ),
    Case(
        "a code that nobody knows",
        ("log-group",),
        (error("logs", "CreateLogGroup", "SomethingNew", "whatever", EVER),),
        fails="logs:CreateLogGroup failed: SomethingNew: whatever",
        calls={"CreateLogGroup": 1},
        wait=(0, 0),
    ),
)
