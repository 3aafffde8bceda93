"""The judge of requests refuses what AWS refuses, and nothing else; a request of any process comes before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.aws.service_models import SERVICES
from reconciler.config import names
from reconciler.local.request_model import broken, pattern
from tests.config.test_rules import GOOD
from tests.request_rules import judge, model

TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
}


def role(**more: Any) -> dict[str, Any]:
    return {"RoleName": "r", "AssumeRolePolicyDocument": json.dumps(TRUST), **more}


def policy(**more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **more}
    return {"PolicyName": "p", "PolicyDocument": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def bucket_policy(**more: Any) -> dict[str, Any]:
    whole = json.loads(policy(Principal="*", **more)["PolicyDocument"])
    return {"Bucket": "b", "Policy": json.dumps(whole)}


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
STOP = ":scheduler:::aws-sdk:ecs:stopTask"


def schedule(target: str = FUNCTION, given: str = "{}", **more: Any) -> dict[str, Any]:
    whole = {"Arn": target, "RoleArn": "arn:aws:iam::123456789012:role/r", "Input": given}
    usual = {"Name": "s", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, "Target": whole}
    return usual | more


def definition(container: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "family": "f", "requiresCompatibilities": ["FARGATE"], "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "main", "image": "x", **(container or {})}], **more,
    }  # fmt: skip


CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("iam", "CreateRole", role(), ""),
    ("iam", "CreateRole", role(Description="for tasks, a role"), ""),
    ("iam", "CreateRole", role(RoleName="a b"), "regular expression"),
    ("iam", "CreateRole", role(RoleName="x" * 65), "less than or equal to 64"),
    ("iam", "CreateRole", role(Description="tab\x08"), "regular expression"),
    ("iam", "CreateRole", role(MaxSessionDuration=60), "greater than or equal to 3600"),
    ("iam", "CreateRole", {"RoleName": "r"}, "Value null at 'assumeRolePolicyDocument'"),
    ("iam", "CreateRole", role(Colour="red"), "'colour' is no member"),
    ("iam", "CreateRole", role(Tags=[{"Key": "aws:x", "Value": "1"}]), "is AWS's"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]), "Duplicate tag keys"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "v" * 257}]), "256"),
    ("iam", "CreatePolicy", policy(), ""),
    ("iam", "CreatePolicy", policy(Sid="Not-plain"), "more than letters and digits"),
    ("iam", "CreatePolicy", policy(Resource=[]), "an empty Resource"),
    ("iam", "CreatePolicy", policy(Resource="b/*"), "must be in ARN format"),
    ("iam", "CreatePolicy", policy(Action="GetObject"), "prefaced by a vendor"),
    ("iam", "CreatePolicy", policy(Resource="arn:aws:s3:::b/\u4e2d"), ""),
    ("iam", "CreatePolicy", policy(Resource=[f"arn:aws:s3:::b/{n:050}" for n in range(110)]), "PolicySize: 6144"),
    ("ssm", "PutParameter", {"Name": "/a/b", "Value": "x", "Type": "String"}, ""),
    ("ssm", "PutParameter", {"Name": "/a/b@c", "Value": "x", "Type": "String"}, "letters, digits"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x" * 4097, "Type": "String"}, "4096"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "{{x}}", "Type": "String"}, "nest another parameter"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x", "Type": "Text"}, "enum value set"),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a"}, ""),
    ("logs", "CreateLogGroup", {"logGroupName": "/ecs/a b"}, "regular expression"),
    ("ecr", "CreateRepository", {"repositoryName": "Upper"}, "regular expression"),
    ("scheduler", "CreateSchedule", {"Name": "a b", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow":
     {"Mode": "OFF"}, "Target": {"Arn": "a", "RoleArn": "arn:aws:iam::123456789012:role/r"}}, "regular expression"),
    ("ecs", "RunTask", {"taskDefinition": "t", "count": 1, "overrides": {"containerOverrides": [{"name": "m",
     "environment": [{"name": "A", "value": "x" * 8192}]}]}}, "8192"),
    ("iam", "CreateRole", role(RoleName="r\u00e9"), "regular expression"),  # Java's \w is ASCII's
    ("iam", "CreateRole", role(Tags=[{"Key": "gr\u00f6\u00dfe", "Value": "a b+@"}]), ""),
    ("iam", "CreateRole", role(Tags=[{"Key": "a*", "Value": ""}]), "regular expression"),
    ("iam", "CreateRole", role(Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]), "case insensitive"),
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{"}, "isn't JSON"),
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}, "no Statement"),
    ("iam", "CreatePolicy", policy(Action="S3:GetObject"), ""),
    ("iam", "CreatePolicy", policy(Sid=""), ""),
    ("iam", "CreatePolicy", policy(Condition={}), ""),
    ("iam", "CreatePolicy", policy(Condition={"ForAnyValue:StringNotLikeIfExists": {"aws:TagKeys": "a"}}), ""),
    ("iam", "CreatePolicy", policy(Condition={"numericlessthan": {"s3:max-keys": 5}, "Null": {"aws:x": "true"}}), ""),
    ("iam", "CreatePolicy", policy(Condition={"StringEqual": {"aws:RequestedRegion": "a"}}), "'StringEqual' is no"),
    ("iam", "CreatePolicy", policy(Condition={"NullIfExists": {"aws:x": "true"}}), "'NullIfExists' is no"),
    ("iam", "CreatePolicy", policy(Condition={"Bool": {"SecureTransport": "true"}}), "'SecureTransport' isn't one"),
    ("iam", "CreateRole", role(AssumeRolePolicyDocument=json.dumps({"Statement": [{**TRUST["Statement"][0],
     "Condition": {"StringIs": {"aws:SourceAccount": "1"}}}]})), "'StringIs' is no"),
    ("iam", "CreatePolicy", policy(Effect="Maybe"), "Effect"),
    ("iam", "CreatePolicy", policy(Action=5, Resource=None), ""),
    ("iam", "CreatePolicy", {"PolicyName": "p", "PolicyDocument": "[" * 100_000}, "isn't JSON"),
    ("logs", "TagLogGroup", {"logGroupName": "a", "tags": {"a": "b\u2028\u3000c"}}, ""),
    ("logs", "TagLogGroup", {"logGroupName": "a", "tags": {"a": "b\nc"}}, "regular expression"),
    ("iam", "CreatePolicy", policy(Principal="*"), "principal"),
    ("iam", "PutRolePolicy", {"RoleName": "r", **policy(Resource="*")}, ""),
    ("iam", "PutRolePolicy", {"RoleName": "r", "PolicyName": "p", "PolicyDocument": json.dumps(TRUST)}, "resources"),
    ("iam", "GetRole", {"RoleName": 5}, "not a string"),
    ("iam", "TagRole", {"RoleName": "r", "Tags": "x"}, "not a list"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x" * 4097, "Type": "String", "Tier": "Advanced"}, ""),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x", "Type": "String", "Policies": "[]"}, "advanced tier"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "", "Type": "String"}, "can't be empty"),
    ("ssm", "PutParameter", {"Name": "/a", "Value": "x", "Type": "String", "Overwrite": True,
     "Tags": [{"Key": "a", "Value": "b"}]}, "together"),
    ("logs", "PutRetentionPolicy", {"logGroupName": "a", "retentionInDays": 30}, ""),
    ("logs", "PutRetentionPolicy", {"logGroupName": "a", "retentionInDays": 31}, "enum value set"),
    ("ecr", "PutImage", {"repositoryName": "ab", "imageManifest": "{}", "imageTag": "a:b"}, "imageTag"),
    ("ecr", "CreateRepository", {"repositoryName": "ab", "tags": [{"Key": "a?", "Value": ""}]}, "only letters"),
    ("ec2", "CreateSecurityGroup", {"GroupName": "my group ", "Description": "d"}, ""),
    ("ec2", "CreateSecurityGroup", {"GroupName": "sg-mine", "Description": "d"}, "GroupName"),
    ("ec2", "CreateSecurityGroup", {"GroupName": "a", "Description": "a \u00e9"}, "GroupDescription"),
    ("ec2", "CreateSecurityGroup", {"GroupName": "a", "Description": "d", "TagSpecifications": [
     {"ResourceType": "security-group", "Tags": [{"Key": "aws:a", "Value": "?"}]}]}, "is AWS's"),
    ("s3", "CreateBucket", {"Bucket": "my.bucket"}, ""),
    ("s3", "CreateBucket", {"Bucket": "b", "CreateBucketConfiguration": {"LocationConstraint": "xx-new-1"}}, "bucket"),
    ("s3", "CreateBucket", {"Bucket": "bbb", "CreateBucketConfiguration": {"LocationConstraint": "xx-new-1"}}, ""),
    ("s3", "CreateBucket", {"Bucket": "192.168.1.1"}, "bucket is not valid"),
    ("s3", "PutObject", {"Bucket": "b", "Key": "\u00e9" * 512}, ""),
    ("s3", "PutObject", {"Bucket": "b", "Key": "\u00e9" * 512 + "x"}, "too long"),
    ("s3", "PutObject", {"Bucket": "b", "Key": "k", "Metadata": {"a": "\u00e9"}}, "ASCII"),
    ("s3", "PutBucketTagging", {"Bucket": "b", "Tagging": {"TagSet": [{"Key": "a", "Value": "1"}] * 2}}, "Duplicate"),
    ("s3", "PutBucketPolicy", {"Bucket": "b", "Policy": json.dumps(TRUST)}, ""),
    ("s3", "PutBucketPolicy", {"Bucket": "b", "Policy": "{}"}, "no Statement"),
    ("s3", "PutBucketLifecycleConfiguration", {"Bucket": "b", "LifecycleConfiguration": {"Rules": [
     {"Status": "Enabled", "Filter": {"Prefix": "a"}}]}}, "At least one action"),
    ("s3", "PutBucketLifecycleConfiguration", {"Bucket": "b", "LifecycleConfiguration": {"Rules": [
     {"Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 0}}]}}, "positive integer"),
    ("s3", "PutBucketLifecycleConfiguration", {"Bucket": "b", "LifecycleConfiguration": {"Rules": [
     {"Status": "Enabled", "Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}]}}, ""),
    ("s3", "PutBucketEncryption", {"Bucket": "b", "ServerSideEncryptionConfiguration": {"Rules": [
     {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256", "KMSMasterKeyID": "k"}}]}}, "not applicable"),
    ("s3", "PutBucketPolicy", bucket_policy(Sid="Allow get requests from www.example.com."), ""),
    ("s3", "PutBucketPolicy", bucket_policy(Effect="allow"), "Allow or Deny"),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "python3.13"}, ""),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "python3.99"}, ""),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "nodejs98.x"}, ""),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "python3"}, "at 'runtime'"),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Runtime": "C#"}, "at 'runtime'"),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Environment": {"Variables": {"AWS_REGION": "x"}}},
     "reserved keys"),
    ("lambda", "UpdateFunctionConfiguration", {"FunctionName": "f", "Environment":
     {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/x"}}}, ""),
    ("events", "PutRule", {"Name": "r", "EventPattern": "x" * 2049}, "too long"),
    ("sns", "CreateTopic", {"Name": "a b"}, "Topic Name"),
    ("sns", "CreateTopic", {"Name": "a.fifo"}, ""),
    ("sns", "Publish", {"TopicArn": "t", "Message": "m", "Subject": "a\nb"}, "Subject"),
    ("sns", "Publish", {"TopicArn": "t", "Message": "m", "Subject": "s" * 101}, "Subject"),
    ("sns", "Publish", {"TopicArn": "t", "Message": "m", "Subject": "gr\u00fcn \u4e2d"}, ""),
    ("sns", "Subscribe", {"TopicArn": "t", "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:123456789012:a.fifo"},
     ""),
    ("sns", "Publish", {"TopicArn": "t", "Message": "\u00e9" * 131_073}, "too long"),
    ("sns", "Subscribe", {"TopicArn": "t", "Protocol": "email", "Endpoint": "nobody"}, "Email address"),
    ("sns", "Subscribe", {"TopicArn": "t", "Protocol": "sqs", "Endpoint": "q"}, "endpoint ARN"),
    ("sqs", "CreateQueue", {"QueueName": "a.b"}, "alphanumeric"),
    ("scheduler", "CreateSchedule", schedule(), ""),
    ("scheduler", "CreateSchedule", schedule(ScheduleExpression="cron(0 6 * * *)"), "Invalid Schedule Expression"),
    ("scheduler", "CreateSchedule", schedule(ScheduleExpressionTimezone="Mars/North"), "Timezone"),
    ("scheduler", "CreateSchedule", schedule(FlexibleTimeWindow={"Mode": "FLEXIBLE"}), "MaximumWindowInMinutes"),
    ("scheduler", "CreateSchedule", schedule(f"arn:aws-cn{STOP}", '{"task": 1}'), "PascalCase"),
    ("scheduler", "CreateSchedule", schedule(f"arn:aws{STOP}", '{"Task": "t"}'), ""),
    ("ecs", "CreateCluster", {"clusterName": "a b"}, "Invalid identifier"),
    ("ecs", "CreateCluster", {"clusterName": "a", "defaultCapacityProviderStrategy": [
     {"capacityProvider": "FARGATE", "base": 1}, {"capacityProvider": "FARGATE_SPOT", "base": 1}]}, "with a base"),
    ("ecs", "RunTask", {"taskDefinition": "t", "capacityProviderStrategy": [
     {"capacityProvider": "FARGATE", "weight": 0}, {"capacityProvider": "FARGATE_SPOT", "weight": 0}]},
     "greater than 0"),
    ("ecs", "CreateCapacityProvider", {"name": "ecs-own", "cluster": "c"}, "capacity provider name is invalid"),
    ("ecs", "CreateCapacityProvider", {"name": "my-own", "cluster": "c"}, ""),
    ("ecs", "RunTask", {"taskDefinition": "t", "count": 11}, "between 1 and 10"),
    ("ecs", "RunTask", {"taskDefinition": "t", "startedBy": "a b"}, "startedBy"),
    ("ecs", "RunTask", {"taskDefinition": "t", "group": "service:x"}, "reserved"),
    ("ecs", "RunTask", {"taskDefinition": "t", "overrides": {"ephemeralStorage": {"sizeInGiB": 20}}}, "21 and 200"),
    ("ecs", "RunTask", {"taskDefinition": "t", "networkConfiguration": {"awsvpcConfiguration": {
     "subnets": ["s"] * 17}}}, "at most 16"),
    ("ecs", "DescribeTasks", {"tasks": []}, "cannot be empty"),
    ("ecs", "DescribeTasks", {"tasks": ["t"] * 101}, "more than 100"),
    ("ecs", "DescribeServices", {"services": ["t"] * 11}, "more than 10"),
    ("ecs", "DescribeClusters", {}, ""),
    ("ecs", "ListTasks", {"startedBy": "a", "family": "f"}, "only filter"),
    ("ecs", "RegisterTaskDefinition", definition(), ""),
    ("ecs", "RegisterTaskDefinition", definition(family="a.b"), "Family contains"),
    ("ecs", "RegisterTaskDefinition", definition(memory="4096"), "No Fargate configuration"),
    ("ecs", "RegisterTaskDefinition", definition(executionRoleArn=""), "can't be empty"),
    ("ecs", "RegisterTaskDefinition", definition(ephemeralStorage={"sizeInGiB": 201}), "21 and 200"),
    ("ecs", "RegisterTaskDefinition", definition({"image": "a/" + "b" * 254}), "at most 255"),
    ("ecs", "RegisterTaskDefinition", definition({"image": "a/" + "b" * 254 + "@sha256:" + "0" * 64}), ""),
    ("ecs", "RegisterTaskDefinition", definition({"environment": [{"name": "A", "value": "1"}] * 2}), "unique"),
    ("ecs", "RegisterTaskDefinition", definition({"stopTimeout": 121}), "120 seconds"),
    ("ecs", "RegisterTaskDefinition", definition({"stopTimeout": 1}), "at least 2 seconds"),
    ("ecs", "RegisterTaskDefinition", definition({"stopTimeout": 2}), ""),
    ("ecs", "RegisterTaskDefinition", definition({"resourceRequirements": [{"type": "GPU", "value": "1"}]}), "GPU"),
    ("ecs", "RegisterTaskDefinition", definition({"logConfiguration": {"logDriver": "awslogs", "options": {
     "awslogs-groop": "g"}}}, executionRoleArn="r"), "disallows options: awslogs-groop"),
    ("ecs", "RegisterTaskDefinition", definition({"essential": False}), "essential container"),
    ("ecs", "RegisterTaskDefinition", definition({"dependsOn": [{"containerName": "b", "condition": "START"}]}),
     "dependency"),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "params", "problem"), CASES)
def test_a_request(service: str, operation: str, params: dict[str, Any], problem: str) -> None:
    found = judge(service, operation, params)
    if problem:
        assert any(problem in one for one in found), found
    else:
        assert found == []


# Of the file's rules those that AWS's own models have too: the file takes nothing that the model doesn't.
OF_MODEL: dict[str, tuple[str, str]] = {
    "ROLE": ("iam", "roleNameType"), "USER": ("iam", "userNameType"), "POLICY": ("iam", "policyNameType"),
    "IAM_TEXT": ("iam", "roleDescriptionType"), "TAG_KEY": ("iam", "tagKeyType"), "TAG_VALUE": ("iam", "tagValueType"),
    "ACCESS_KEY": ("iam", "accessKeyIdType"), "REPOSITORY": ("ecr", "RepositoryName"), "IMAGE_TAG": ("ecr", "ImageTag"),
    "TAG_PATTERN": ("ecr", "ImageTagMutabilityExclusionFilterValue"), "LOG_GROUP": ("logs", "LogGroupName"),
    "SCHEDULE": ("scheduler", "Name"), "EXPRESSION": ("scheduler", "ScheduleExpression"),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_MODEL)
def test_a_rule_of_the_file_takes_what_the_model_takes(name: str) -> None:
    rule, (service, shape) = getattr(names, name), OF_MODEL[name]
    shapes = model(service)["shapes"] | {"one": {"type": "structure", "members": {"it": {"shape": shape}}}}
    texts = ["a" * n for n in range(1, rule.longest + 2)] + [f"a{chr(n)}a" for n in range(0x180)]
    taken = [text for text in [*texts, *GOOD.get(name, ())] if rule.problem(text) is None]
    assert taken
    assert not [text for text in taken if list(broken(service, shapes, "one", {"it": text}))]


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_a_service_can_be_read(service: str) -> None:
    """A pattern that can't be read refuses nothing."""
    found = {one["pattern"] for one in model(service)["shapes"].values() if "pattern" in one}
    assert not [one for one in found if pattern(one) is None]


@pytest.mark.parametrize(
    ("java", "right", "wrong"),
    [
        (r"[\w+=]+", "aZ_9+=", "\u00e9"),
        (r"[\w-_]*", "a-_", "a+"),
        (r"[\w-\/.]{2}", "-/", "a,"),
        (r"^\d{2}$", "12", "\u0661\u0662"),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "\u4e2d \u00a0\u0661-", "a*"),
        (r"\p{L}+", "\u00e9", "!"),
        (r"[[a]+", "[a", "b"),
        (r"[^\[]+", "a", "["),
        (r"[\p{Graph}]+", "!~", "\u00e9"),
        (r"a.b", "a\nb", "ab"),
    ],
)
def test_a_pattern_of_java(java: str, right: str, wrong: str) -> None:
    found = pattern(java)
    assert found is not None
    assert found.fullmatch(right)
    assert not found.fullmatch(wrong)
