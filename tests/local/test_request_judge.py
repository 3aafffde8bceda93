"""The embedded AWS refuses what AWS refuses, in each service's own way; a test fails for what a process of it sent."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import weakref
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local import plain_requests, request_judge
from tests import request_rules
from tests.local_fixtures import REGION, EmbeddedAws

CREATE = {"HTTP_X_AMZ_TARGET": "Logs_20140328.CreateLogGroup"}
BAD = "import boto3; boto3.client('iam').get_role(RoleName='a b')"
SAID = "iam:GetRole: Value 'a b' at 'roleName' failed to satisfy constraint"
WORDS = "1 validation error detected: Value 'a b' at '{}' failed to satisfy constraint: Member must satisfy regular"
CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("iam", "get_role", {"RoleName": "a b"}, "ValidationError", WORDS.format("roleName")),
    ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{"}, "MalformedPolicyDocument", "Syntax"),
    ("logs", "create_log_group", {"logGroupName": "a b"}, "InvalidParameterException", WORDS.format("logGroupName")),
    ("ecr", "create_repository", {"repositoryName": "a b"}, "InvalidParameterException",
     WORDS.format("repositoryName")),
    ("ecs", "create_cluster", {"clusterName": "a b"}, "InvalidParameterException", "Invalid identifier"),
    ("ecs", "describe_tasks", {"tasks": []}, "InvalidParameterException", "Tasks cannot be empty"),
    ("events", "put_rule", {"Name": "a b", "ScheduleExpression": "rate(1 day)"}, "ValidationException",
     WORDS.format("name")),
    ("lambda", "get_function", {"FunctionName": "a b"}, "ValidationException", WORDS.format("functionName")),
    ("scheduler", "get_schedule", {"Name": "a b"}, "ValidationException", WORDS.format("name")),
    ("ssm", "put_parameter", {"Name": "/a", "Value": "{{x}}", "Type": "String"}, "ValidationException", "nest another"),
    ("sns", "create_topic", {"Name": "a b"}, "InvalidParameter", "Topic Name"),
    ("sqs", "create_queue", {"QueueName": "a b"}, "InvalidParameterValue", "alphanumeric"),
    ("ec2", "create_security_group", {"GroupName": "sg-x", "Description": "d"}, "InvalidParameterValue", "GroupName"),
    ("s3", "create_bucket", {"Bucket": "Upper"}, "InvalidBucketName", "not valid"),
    ("s3", "create_bucket", {"Bucket": "own-123456789012-us-east-1-an"}, "InvalidBucketName", "not valid"),
    ("s3", "create_bucket", {"Bucket": "shared", "BucketNamespace": "account-regional"}, "InvalidBucketName", "not"),
    ("s3", "head_object", {"Bucket": "bbb", "Key": "k" * 1025}, "400", "Bad Request"),
    ("s3", "put_bucket_versioning", {"Bucket": "bbb", "VersioningConfiguration": {"Status": "On"}}, "InvalidArgument",
     "enum value set"),
    ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "a b"}, "ValidationError",
     WORDS.format("roleSessionName")),
]  # fmt: skip


@pytest.mark.any_request
@pytest.mark.parametrize(("service", "operation", "params", "code", "words"), CASES)
def test_it_is_refused_as_the_service_refuses(
    embedded_aws: EmbeddedAws, service: str, operation: str, params: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(embedded_aws.client(service), operation)(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code
    assert words in error["Message"]


def test_a_bad_request_of_a_process_fails_the_test(embedded_aws: EmbeddedAws) -> None:
    """A process that this one starts, as a command line or a function of Lambda's is."""
    keys = embedded_aws.running.keys
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
        "AWS_ENDPOINT_URL": embedded_aws.endpoint_url, "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
    }  # fmt: skip
    with pytest.raises(AssertionError, match=SAID), request_rules.judged():
        subprocess.run([sys.executable, "-c", BAD], env=environment, capture_output=True, check=False)
    with request_rules.judged():
        pass  # what was told once isn't told again


def test_a_bad_request_of_a_task_fails_the_test(embedded_aws: EmbeddedAws) -> None:
    """Which the ECS agent of the embedded AWS starts, and nobody here."""
    with pytest.raises(AssertionError, match=SAID), request_rules.judged():
        embedded_aws.finished(embedded_aws.launch_python(BAD))


def environ(path: str, headers: dict[str, str], body: io.BytesIO) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "PUT" if path != "/" else "POST", "PATH_INFO": path, "RAW_URI": path, "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": body,
        "CONTENT_LENGTH": str(len(body.getvalue())), **headers,
    }  # fmt: skip


class Held(io.BytesIO):
    """A body that can be referred to weakly."""


class Content(io.BytesIO):
    """What fails when it is read."""

    def read(self, *args: Any) -> bytes:
        raise AssertionError("the content of an object was read")


@pytest.mark.any_request
def test_the_content_of_an_object_is_not_read() -> None:
    asked = environ("/bucket/key", {"HTTP_X_AMZ_META_A": "\u00e9"}, Content(b"x" * 100))
    refused = request_judge.refusal(asked, "s3")
    assert refused is not None
    assert b"ASCII" in refused.body
    assert request_judge.refusal(environ("/bucket/key", {}, Content(b"x" * 100)), "s3") is None


def test_the_judges_hold_nothing_of_a_request_afterwards() -> None:
    """Nor does it wait for the garbage collector."""
    asked = environ("/2015-03-31/functions/f/code", {"CONTENT_TYPE": "application/json"}, Held(b"{}"))
    body = weakref.ref(asked["wsgi.input"])
    gc.disable()
    try:
        request_judge.refusal(asked, "lambda")
        plain_requests._by_route(asked, "lambda", {})
        del asked
        assert body() is None
    finally:
        gc.enable()


@pytest.mark.any_request
@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        (
            CREATE,
            b'{"logGroupName": "a b"}',
            "InvalidParameterException",
        ),
        (CREATE, b'{"logGroupName": 5}', "SerializationException"),
        (CREATE, b'{"logGroupName": "a", "more": 1}', None),
        (CREATE, b"{}", "InvalidParameterException"),
        ({"HTTP_X_AMZ_TARGET": "Logs_20140328.Whatever"}, b"{}", None),
        (CREATE, b"no JSON", "SerializationException"),
        (CREATE, b"[]", "SerializationException"),
        (CREATE, b"[" * 100_000, "SerializationException"),
        ({}, b"", None),
    ],
)
def test_a_request_is_left_as_it_is(headers: dict[str, str], body: bytes, code: str | None) -> None:
    """What can't be read is passed on; the rest can be read again."""
    asked = environ("/", {"CONTENT_TYPE": "application/x-amz-json-1.1", **headers}, io.BytesIO(body))
    before = dict(asked)
    refused = request_judge.refusal(asked, "logs")
    assert (json.loads(refused.body)["__type"] if refused else None) == code
    assert asked == before
    assert asked["wsgi.input"].read() == body
