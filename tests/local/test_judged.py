"""What a task's role may do is what it does: no request reads as one thing and is done as another, none is unjudged."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from reconciler.local.keys import Keys
from tests.local.test_guard import signed, target
from tests.local_fixtures import EmbeddedAws, unique

ANYBODY = "arn:aws:iam::123456789012:role/tests-everything"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# What such a task may well be given: nothing that launches, hands on a role or changes IAM.
MAY: list[dict[str, object]] = [
    {"Effect": "Allow", "Action": ["ecs:ListTasks", "ecs:ListClusters", "ssm:GetParameter", "sqs:*"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["ecs:RunTask"], "Resource": "*"},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::tests-own/*"},
    {"Effect": "Deny", "Action": "ssm:GetParameter", "Resource": "arn:aws:ssm:*:*:parameter/tests/secret"},
]


class Task:
    """What a task has: the credentials of its role, and a way to send whatever it wants."""

    def __init__(self, aws: EmbeddedAws, role: str) -> None:
        self.aws = aws
        credentials = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="task")["Credentials"]
        self.keys = Keys(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])

    def client(self, service: str) -> Any:
        return self.aws.new_client(
            service, aws_access_key_id=self.keys.access_key_id, aws_secret_access_key=self.keys.secret_access_key,
            aws_session_token=self.keys.token,
        )  # fmt: skip

    def send(self, service: str, method: str, path: str, body: bytes = b"", headers: Any = None) -> tuple[int, str]:
        return signed(self.aws, self.keys, service, method, path, body, headers)


@pytest.fixture
def task(embedded_aws: EmbeddedAws) -> Task:
    embedded_aws.role("tests-everything", {"Effect": "Allow", "Action": "*", "Resource": "*"})
    return Task(embedded_aws, embedded_aws.role("tests-little", *MAY))


def refused(answer: tuple[int, str]) -> None:
    status, text = answer
    assert status in (400, 403), text
    assert any(
        word in text for word in ("not authorized", "AccessDenied", "two operations", "UnauthorizedOperation")
    ), text


def smuggled(**more: str) -> bytes:
    return json.dumps({"x": "&" + "&".join(f"{k}={quote(v)}" for k, v in more.items()) + "&"}).encode()


JSON = {"Content-Type": "application/x-amz-json-1.1"}
LIST = target("ListClusters")
PUT_TARGETS = JSON | {"X-Amz-Target": "AWSEvents.PutTargets"}
BECOME = f"Action=AssumeRole&RoleSessionName=s1&RoleArn={ANYBODY}"
RAW: dict[str, tuple[str, str, str, bytes, dict[str, str]]] = {
    "an operation in the address": ("ecs", "POST", "/?Action=CreateCluster&clusterName=s", b"{}", LIST),
    "an operation in words within JSON": (
        "ecs", "POST", "/", smuggled(Action="CreateCluster", clusterName="s"), LIST,
    ),
    "an operation in a header": ("ecs", "POST", "/", b"{}", JSON | {"Action": "CreateCluster"}),
    "an operation as a form": ("ecs", "POST", "/", b"Action=CreateCluster&clusterName=s", LIST | FORM),
    "in query form": ("ecs", "POST", "/?Action=CreateCluster&clusterName=s", b"", {}),
    "in query form, with GET": ("ecs", "GET", "/?Action=CreateCluster&clusterName=s", b"", {}),
    "twice": ("iam", "POST", "/", b"Action=ListRoles&Action=CreateUser&UserName=s&Version=2010-05-08", FORM),
    "without an operation": ("ecs", "POST", "/", b"{}", JSON),
    "in binary form": ("ecs", "POST", "/service/AmazonEC2ContainerServiceV20141113/operation/CreateCluster", b"\xa0",
                       {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}),
    "for another account": ("ecs", "POST", "/", b"{}", target("CreateCluster") | {"X-Moto-Account-Id": "111111111111"}),
    "what isn't JSON": ("ecs", "POST", "/", b"Action=CreateCluster", target("ListClusters")),
    "a function": ("lambda", "POST", "/2015-03-31/functions", b"{}", JSON),
    "a function's call": ("lambda", "POST", "/2015-03-31/functions/f/invocations", b"{}", JSON),
    "a function's call, the old way": ("lambda", "POST", "/2014-11-13/functions/f/invoke-async/", b"{}", JSON),
    "a source of calls": ("lambda", "POST", "/2015-03-31/event-source-mappings/", b"{}", JSON),
    "a layer": ("lambda", "POST", "/2018-10-31/layers/l/versions", b"{}", JSON),
    "a schedule": ("scheduler", "POST", "/schedules/s", b"{}", JSON),
    "a group of schedules": ("scheduler", "POST", "/schedule-groups/s", b"{}", JSON),
    "a rule": ("events", "POST", "/", b'{"Name": "s"}', JSON | {"X-Amz-Target": "AWSEvents.PutRule"}),
    "a target": ("events", "POST", "/", b'{"Rule": "s", "Targets": []}', PUT_TARGETS),
    "a stack": ("cloudformation", "POST", "/", b"Action=CreateStack&StackName=s&TemplateBody={}", FORM),
    "a state machine": ("states", "POST", "/", b"{}", JSON | {"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"}),
    "a job": ("batch", "POST", "/v1/submitjob", b"{}", JSON),
    "a service": ("ecs", "POST", "/", b"{}", target("CreateService")),
    "a start": ("ecs", "POST", "/", b"{}", target("StartTask")),
    "a user": ("iam", "POST", "/", b"Action=CreateUser&UserName=s&Version=2010-05-08", FORM),
    "a policy": ("iam", "POST", "/", b"Action=PutRolePolicy&RoleName=tests-little&PolicyName=a", FORM),
    "another role": ("sts", "POST", "/", BECOME.encode(), FORM),
    "another role, in the address": ("sts", "GET", f"/?{BECOME}", b"", {}),
    "another role, without a key": (
        "sts", "POST", "/",
        f"Action=AssumeRoleWithWebIdentity&WebIdentityToken=abcd&RoleSessionName=s1&RoleArn={ANYBODY}".encode(), FORM,
    ),
    "control": ("reconciler", "POST", "/_reconciler/reset", b"", {}),
    "moto": ("ecs", "POST", "/moto-api/reset", b"", {}),
    "metadata": ("ecs", "GET", "/latest/meta-data/iam/security-credentials/", b"", {}),
    "upper case": ("ECS", "POST", "/", b"{}", target("ListClusters")),
    "S3's part": ("s3", "PUT", "/tests-others/key?uploadId=1&partNumber=1", b"x", {}),
    "S3's rare": ("s3", "PUT", "/tests-others?cors", b"<x/>", {}),
    "S3's replication": ("s3", "PUT", "/tests-others?replication", b"<x/>", {}),
    "S3's deletion": ("s3", "POST", "/tests-own?delete", b"<Delete><Object><Key >key</Key></Object></Delete>", {}),
    "S3's deletion of what?": ("s3", "POST", "/tests-own?delete", b"<Delete", {}),
    "S3's two things": ("s3", "GET", "/tests-others?location&policy", b"", {}),
    "S3's bucket in the host": ("s3", "GET", "/tests-own/key", b"", {"Host": "tests-others.localhost"}),
}  # fmt: skip


@pytest.mark.parametrize("case", RAW)
def test_what_a_task_may_not(task: Task, case: str) -> None:
    before = task.aws.client("ecs").list_clusters()["clusterArns"]
    users = task.aws.client("iam").list_users()["Users"]
    status, text = task.send(*RAW[case])
    assert task.aws.client("ecs").list_clusters()["clusterArns"] == before
    assert task.aws.client("iam").list_users()["Users"] == users
    if case == "an operation in words within JSON":
        assert status == 200  # what was asked for was done, and no more
    else:
        assert status in (400, 403), text


def test_words_within_json_are_no_parameters(task: Task) -> None:
    ssm = task.aws.client("ssm")
    for name in ("/tests/open", "/tests/secret"):
        ssm.put_parameter(Name=name, Value=name, Type="String", Overwrite=True)
    headers = JSON | {"X-Amz-Target": "AmazonSSM.GetParameter"}
    body = {"Name": "/tests/open", "x": "&Name=/tests/secret&"}
    for packed in (json.dumps(body).encode(), gzip.compress(json.dumps(body).encode())):
        more = {"Content-Encoding": "gzip"} if packed[:1] != b"{" else {}
        status, text = task.send("ssm", "POST", "/", packed, headers | more)
        assert status == 200, text
        assert json.loads(text)["Parameter"]["Value"] == "/tests/open"
    refused(task.send("ssm", "POST", "/", json.dumps({"Name": "/tests/secret"}).encode(), headers))


def test_a_launch_hands_on_no_role_that_it_may_not(task: Task) -> None:
    aws = task.aws
    family = aws.register(
        aws.container(aws.python_image("pass")), taskRoleArn=aws.role("tests-little"), executionRoleArn=ANYBODY
    )
    network = {"awsvpcConfiguration": {"subnets": [aws.subnet()], "assignPublicIp": "ENABLED"}}
    for overrides in ({}, {"taskRoleArn": ANYBODY}, {"executionRoleArn": ANYBODY}):
        with pytest.raises(ClientError, match="iam:PassRole"):
            task.client("ecs").run_task(
                cluster=aws.cluster(), taskDefinition=family, launchType="FARGATE", networkConfiguration=network,
                overrides=overrides,
            )  # fmt: skip
    passes: list[dict[str, object]] = [
        *MAY,
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [aws.role("tests-little"), aws.role("p")]},
    ]
    able = Task(aws, aws.role("tests-passes", *passes))
    family = aws.register(
        aws.container(aws.python_image("pass")), taskRoleArn=aws.role("tests-little"), executionRoleArn=aws.role("p")
    )
    given = {"cluster": aws.cluster(), "taskDefinition": family, "launchType": "FARGATE"}
    assert able.client("ecs").run_task(**given, networkConfiguration=network)["tasks"]
    with pytest.raises(ClientError, match="iam:PassRole"):
        able.client("ecs").run_task(**given, networkConfiguration=network, overrides={"taskRoleArn": ANYBODY})


def test_a_role_is_assumed_by_whom_it_trusts(task: Task) -> None:
    iam, name = task.aws.client("iam"), unique("trusting")
    with pytest.raises(ClientError, match="not authorized"):
        task.client("sts").assume_role(RoleArn=ANYBODY, RoleSessionName="task")
    trust = {"Effect": "Allow", "Principal": {"AWS": task.aws.role("tests-little")}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    assert task.client("sts").assume_role(RoleArn=arn, RoleSessionName="task")["Credentials"]
    assert task.client("sts").get_caller_identity()["Arn"].endswith(":assumed-role/tests-little/task")


def test_what_a_task_may(task: Task) -> None:
    task.aws.client("s3").create_bucket(Bucket="tests-own")
    s3 = task.client("s3")
    s3.put_object(Bucket="tests-own", Key="a b", Body=b"x")
    assert s3.get_object(Bucket="tests-own", Key="a b")["Body"].read() == b"x"
    upload = s3.create_multipart_upload(Bucket="tests-own", Key="large")["UploadId"]
    part = s3.upload_part(Bucket="tests-own", Key="large", UploadId=upload, PartNumber=1, Body=b"y")
    s3.complete_multipart_upload(
        Bucket="tests-own", Key="large", UploadId=upload,
        MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]},
    )  # fmt: skip
    assert "clusterArns" in task.client("ecs").list_clusters()
    assert task.client("sqs").create_queue(QueueName="tests-queue")["QueueUrl"]
