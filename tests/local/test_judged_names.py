"""A request is judged by the resource that it is about, whatever else it names, however a role writes it."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from reconciler.local.keys import Keys
from tests.local.test_guard import send, signed
from tests.local_fixtures import ACCOUNT, REGION, EmbeddedAws

PLANTED = "planted-secret-value"
JSON = {"Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WEB_IDENTITY = (
    f"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::{ACCOUNT}:role/tests-everything"
    "&RoleSessionName=s1&WebIdentityToken=abcd"
).encode()


def _on(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


# The rights of one deploy, called tests-own, on what is its own.
OWN: list[dict[str, object]] = [
    {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
     "Resource": "arn:aws:s3:::tests-mine/*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::tests-mine/denied/*"},
    {"Effect": "Allow", "Action": ["ssm:GetParameter*", "ssm:PutParameter", "ssm:DeleteParameter*"],
     "Resource": _on("ssm", "parameter/tests-own/*")},
    {"Effect": "Deny", "Action": "ssm:GetParameter*", "Resource": _on("ssm", "parameter/tests-own/denied")},
    {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": _on("secretsmanager", "secret:tests-own-*")},
    {"Effect": "Allow", "Action": "logs:*", "Resource": _on("logs", "log-group:/tests-own:*")},
    {"Effect": "Allow", "Action": "events:*", "Resource": _on("events", "rule/tests-own")},
    {"Effect": "Allow", "Action": "sqs:*", "Resource": _on("sqs", "tests-own")},
    {"Effect": "Allow", "Action": "sns:*", "Resource": _on("sns", "tests-own")},
    {"Effect": "Allow", "Action": "ecs:*", "Resource": [
        _on("ecs", "service/tests/tests-own"), _on("ecs", "task/tests-own/*"), _on("ecs", "cluster/tests-own")]},
    {"Effect": "Allow", "Action": "lambda:*", "Resource": _on("lambda", "function:tests-own")},
    {"Effect": "Allow", "Action": "scheduler:*", "Resource": _on("scheduler", "schedule/tests-own/*")},
    {"Effect": "Allow", "Action": "iam:*", "Resource": f"arn:aws:iam::{ACCOUNT}:role/tests-own"},
]  # fmt: skip
OTHERS_QUEUE, OTHERS_TOPIC = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/tests-owner", _on("sns", "tests-owner")


def _json(target: str, **body: object) -> tuple[str, str, bytes, dict[str, str]]:
    return "POST", "/", json.dumps(body).encode(), JSON | {"X-Amz-Target": target}


def _form(**fields: str) -> tuple[str, str, bytes, dict[str, str]]:
    return "POST", "/", "&".join(f"{name}={value}" for name, value in fields.items()).encode(), FORM


def _put_copy(source: str) -> tuple[str, str, bytes, dict[str, str]]:
    return "PUT", "/tests-mine/copy", b"", {"x-amz-copy-source": source}


ECS, SSM, LOGS = "AmazonEC2ContainerServiceV20141113", "AmazonSSM", "Logs_20140328"
OTHERS: dict[str, tuple[str, tuple[str, str, bytes, dict[str, str]]]] = {
    "a copy of another bucket's": ("s3", _put_copy("tests-others/secret")),
    "a copy, with a host before it": ("s3", _put_copy("//tests-mine/tests-others/secret")),
    "a copy, with a scheme before it": ("s3", _put_copy("s3://tests-mine/tests-others/secret")),
    "a copy of what is denied, with a host": ("s3", _put_copy("//tests-mine/tests-mine/denied/secret")),
    "a copy of what is denied, encoded": ("s3", _put_copy("tests-mine%2Fdenied%2Fsecret")),
    "a parameter beside its own": (
        "ssm", _json(f"{SSM}.GetParameter", Names=["/tests-own/x"], Name="/tests-others/secret", WithDecryption=True)),
    "parameters beside its own": (
        "ssm", _json(f"{SSM}.GetParameters", Name="/tests-own/x", Path="/tests-own", Names=["/tests-others/secret"])),
    "a parameter's history": (
        "ssm", _json(f"{SSM}.GetParameterHistory", Names=["/tests-own/x"], Name="/tests-others/secret")),
    "all parameters": ("ssm", _json(f"{SSM}.GetParametersByPath", Path="", Recursive=True)),
    "all parameters below /": ("ssm", _json(f"{SSM}.GetParametersByPath", Path="/", Recursive=True)),
    "all parameters, with a name": ("ssm", _json(f"{SSM}.GetParametersByPath", Name="/tests-own/x", Path="/")),
    "all parameters, with names": ("ssm", _json(f"{SSM}.GetParametersByPath", Names=["/tests-own/x"], Path="/")),
    "a version of a denied parameter": ("ssm", _json(f"{SSM}.GetParameter", Name="/tests-own/denied:1")),
    "a denied parameter's ARN": (
        "ssm", _json(f"{SSM}.GetParameter", Name=_on("ssm", "parameter/tests-own/denied:1"))),
    "another parameter, written": (
        "ssm", _json(f"{SSM}.PutParameter", Names=["/tests-own/x"], Name="/tests-others/secret", Value="x",
                     Overwrite=True)),
    "tags of a parameter": (
        "ssm", _json(f"{SSM}.AddTagsToResource", ResourceType="Parameter", ResourceId="/tests-others/secret", Tags=[])),
    "another secret": ("secretsmanager", _json("secretsmanager.GetSecretValue", SecretId="tests-others")),
    "other secrets": ("secretsmanager", _json("secretsmanager.BatchGetSecretValue", SecretIdList=["tests-others"])),
    "a log group, by its identifier": (
        "logs", _json(f"{LOGS}.FilterLogEvents", logGroupIdentifier="/tests-others")),
    "log groups of a query": (
        "logs", _json(f"{LOGS}.StartQuery", logGroupNames=["/tests-own", "/tests-others"], queryString="x",
                      startTime=0, endTime=1)),
    "another rule": ("events", _json("AWSEvents.PutTargets", Rule="tests-owner", Targets=[])),
    "another rule, disabled": ("events", _json("AWSEvents.DisableRule", Name="tests-owner")),
    "another queue": ("sqs", _json("AmazonSQS.ReceiveMessage", QueueUrl=OTHERS_QUEUE)),
    "another topic": ("sns", _form(Action="Publish", Version="2010-03-31", TopicArn=OTHERS_TOPIC, Message="x")),
    "another service": ("ecs", _json(f"{ECS}.UpdateService", cluster="tests", service="tests-owner", desiredCount=9)),
    "another service, described": ("ecs", _json(f"{ECS}.DescribeServices", cluster="tests", services=["tests-owner"])),
    "another cluster's task": (
        "ecs", _json(f"{ECS}.StopTask", clusterName="tests-own", tasks=["x"], cluster="tests", task="x")),
    "another cluster": ("ecs", _json(f"{ECS}.DeleteCluster", clusterName="tests-own", cluster="tests")),
    "another function's code": (
        "lambda", ("PUT", "/2015-03-31/functions/tests-owner/code",
                   json.dumps({"Resource": _on("lambda", "function:tests-own")}).encode(), JSON)),
    "another group's schedule": (
        "scheduler", ("DELETE", "/schedules/x?groupName=default", b'{"GroupName": "tests-own"}', JSON)),
    "another role's trust": (
        "iam", _form(Action="UpdateAssumeRolePolicy", Version="2010-05-08", RoleName="tests-everything",
                     OpenIDConnectProviderArn=f"arn:aws:iam::{ACCOUNT}:role/tests-own", PolicyDocument="x")),
    "another region": ("iam", ("GET", "/?Action=ListRoles&Version=2010-05-08&x=.aws.amazonaws.com", b"", {})),
}  # fmt: skip


@pytest.fixture(scope="module")
def own(embedded_aws_session: EmbeddedAws) -> Keys:
    """The keys of a deploy's role; what is another's is there."""
    aws = embedded_aws_session
    aws.role("tests-everything", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    s3, ssm, secrets = aws.client("s3"), aws.client("ssm"), aws.client("secretsmanager")
    for bucket, key in (("tests-mine", "denied/secret"), ("tests-others", "secret")):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key=key, Body=PLANTED)
    for name in ("/tests-others/secret", "/tests-own/denied"):
        ssm.put_parameter(Name=name, Value=PLANTED, Type="SecureString", Overwrite=True)
    ssm.put_parameter(Name="/tests-own/x", Value="x", Type="String", Overwrite=True)
    for name in ("tests-others", "tests-own-x"):
        with contextlib.suppress(ClientError):
            secrets.create_secret(Name=name, SecretString=PLANTED if name == "tests-others" else "x")
    aws.client("events").put_rule(Name="tests-owner", EventPattern="{}")
    with contextlib.suppress(ClientError):  # it is there where others were tested between two tests of this file
        aws.client("logs").create_log_group(logGroupName="/tests-others")
    aws.client("ecs").create_cluster(clusterName="tests-own")
    aws.cluster()
    return _keys(aws, aws.role("tests-own", *OWN))


def _keys(aws: EmbeddedAws, role: str) -> Keys:
    credentials = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="task")["Credentials"]
    return Keys(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_anothers(embedded_aws: EmbeddedAws, own: Keys, case: str) -> None:
    service, asked = OTHERS[case]
    status, text = signed(embedded_aws, own, service, *asked)
    assert status in (400, 403), text
    assert "not authorized" in text, text
    assert PLANTED not in text


@pytest.mark.parametrize("authorization", [None, "", " "])
@pytest.mark.parametrize("body", [WEB_IDENTITY, b'{"Name": "/tests-others/secret"}'])
def test_an_address_of_s3_leads_to_s3(
    embedded_aws: EmbeddedAws, own: Keys, authorization: str | None, body: bytes
) -> None:
    headers = FORM if body is WEB_IDENTITY else JSON | {"X-Amz-Target": f"{SSM}.GetParameter"}
    request = AWSRequest("POST", f"{embedded_aws.endpoint_url}/", headers=dict(headers))
    credentials = Credentials(own.access_key_id, own.secret_access_key, own.token)
    S3SigV4QueryAuth(credentials, "s3", REGION, expires=60).add_auth(request)
    given = dict(request.headers.items()) | ({} if authorization is None else {"Authorization": authorization})
    _, text = send(embedded_aws, "POST", request.url.removeprefix(embedded_aws.endpoint_url), body, given)
    assert "SecretAccessKey" not in text
    assert PLANTED not in text


def test_versions_are_deleted_by_whom_that_is_allowed(embedded_aws: EmbeddedAws, own: Keys) -> None:
    s3 = embedded_aws.client("s3")
    s3.put_bucket_versioning(Bucket="tests-mine", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="tests-mine", Key="kept", Body=b"x")["VersionId"]
    for start, key in (("<VersionId >", "kept"), ("<VersionId\n>", "kept"), ("<VersionId>", " kept ")):
        body = f"<Delete><Object><Key>{key}</Key>{start}{version}</VersionId></Object></Delete>".encode()
        status, text = signed(embedded_aws, own, "s3", "POST", "/tests-mine?delete", body)
        assert (status, "s3:DeleteObjectVersion" in text) == (403, True), text
    assert s3.get_object(Bucket="tests-mine", Key="kept", VersionId=version)["Body"].read() == b"x"


def test_what_is_denied_is_not_deleted_with_blanks_around_it(embedded_aws: EmbeddedAws, own: Keys) -> None:
    body = b"<Delete><Object><Key> denied/secret </Key></Object></Delete>"
    status, _ = signed(embedded_aws, own, "s3", "POST", "/tests-mine?delete", body)
    assert status == 403


def test_what_is_its_own(embedded_aws: EmbeddedAws, own: Keys) -> None:
    keys = {"aws_access_key_id": own.access_key_id, "aws_secret_access_key": own.secret_access_key}

    def client(service: str) -> Any:
        return embedded_aws.new_client(service, **keys, aws_session_token=own.token)

    s3 = client("s3")
    s3.put_object(Bucket="tests-mine", Key="a b+c;d", Body=b"x")
    s3.copy_object(Bucket="tests-mine", Key="copy", CopySource={"Bucket": "tests-mine", "Key": "a b+c;d"})
    assert s3.get_object(Bucket="tests-mine", Key="copy")["Body"].read() == b"x"
    s3.delete_objects(Bucket="tests-mine", Delete={"Objects": [{"Key": "copy"}, {"Key": "a b+c;d"}]})
    ssm = client("ssm")
    ssm.put_parameter(Name="/tests-own/x", Value="y", Type="String", Overwrite=True)
    assert ssm.get_parameter(Name="/tests-own/x")["Parameter"]["Value"] == "y"
    assert ssm.get_parameter(Name="/tests-own/x:1")["Parameter"]["Value"] in "xy"
    assert ssm.get_parameters(Names=["/tests-own/x"])["Parameters"]
    assert client("secretsmanager").get_secret_value(SecretId="tests-own-x")["SecretString"] == "x"
    events = client("events")
    events.put_rule(Name="tests-own", EventPattern="{}")
    events.describe_rule(Name="tests-own")
    events.put_targets(Rule="tests-own", Targets=[{"Id": "x", "Arn": _on("sqs", "tests-own")}])
    url = client("sqs").create_queue(QueueName="tests-own")["QueueUrl"]
    client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert client("sqs").receive_message(QueueUrl=url)["Messages"]
    topic = client("sns").create_topic(Name="tests-own")["TopicArn"]
    client("sns").publish(TopicArn=topic, Message="x")
    assert client("iam").get_role(RoleName="tests-own")["Role"]


def test_a_name_within_another_does_not_trust(embedded_aws: EmbeddedAws, own: Keys) -> None:
    iam = embedded_aws.client("iam")
    principals = [f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:role/tests-own-admin"]
    trust = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="tests-trusts-admin", AssumeRolePolicyDocument=document)
    body = f"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::{ACCOUNT}:role/tests-trusts-admin"
    status, text = signed(embedded_aws, own, "sts", "POST", "/", f"{body}&RoleSessionName=s1".encode(), FORM)
    assert status == 403, text
