"""Lambda's API of the embedded AWS, as AWS has it: what is kept, what is refused, and who may ask."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.kinds import lambda_function as bundle
from reconciler.local import rest
from tests.local_fixtures import EmbeddedAws, unique

CALL = "lambda:InvokeFunction"


def trust(service: str) -> str:
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": allow})


def role(embedded_aws: EmbeddedAws, service: str = "lambda.amazonaws.com") -> str:
    iam = embedded_aws.client("iam")
    return str(iam.create_role(RoleName=unique("role"), AssumeRolePolicyDocument=trust(service))["Role"]["Arn"])


def make(api: Any, arn: str, **more: Any) -> str:
    """The name of a new function."""
    name = unique("function")
    code = {"ZipFile": bundle.archive()}
    api.create_function(FunctionName=name, Role=arn, Code=code, Runtime=bundle.RUNTIME, Handler=bundle.HANDLER, **more)
    return name


def test_all_of_its_configuration_is_kept_and_changes(embedded_aws: EmbeddedAws) -> None:
    api = embedded_aws.client("lambda")
    name = make(api, role(embedded_aws), DeadLetterConfig={"TargetArn": "arn:aws:sqs:us-east-1:123456789012:q"})

    def live() -> Any:
        return api.get_function(FunctionName=name)["Configuration"]

    assert live()["CodeSha256"] == bundle.code_sha256()
    assert live()["DeadLetterConfig"]["TargetArn"].endswith(":q")
    assert live()["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
    answer = api.update_function_configuration(
        FunctionName=name, DeadLetterConfig={"TargetArn": ""}, TracingConfig={"Mode": "Active"}, Timeout=9
    )
    for configuration in (answer, live()):
        assert "DeadLetterConfig" not in configuration
        assert (configuration["TracingConfig"], configuration["Timeout"], configuration["MemorySize"]) == (
            {"Mode": "Active"},
            9,
            128,
        )
    api.update_function_code(FunctionName=name, ZipFile=bundle.archive(), Architectures=["arm64"])
    assert live()["Architectures"] == ["arm64"]


def test_a_role_that_does_not_trust_lambda_is_refused(embedded_aws: EmbeddedAws) -> None:
    api, good, other = embedded_aws.client("lambda"), role(embedded_aws), role(embedded_aws, "ec2.amazonaws.com")
    name = make(api, good)
    for arn in (other, f"{good}-missing"):
        with pytest.raises(ClientError, match=r"InvalidParameterValueException.*cannot be assumed by Lambda"):
            make(api, arn)
        with pytest.raises(ClientError, match=r"InvalidParameterValueException.*cannot be assumed by Lambda"):
            api.update_function_configuration(FunctionName=name, Role=arn)
    assert api.get_function(FunctionName=name)["Configuration"]["Role"] == good


def test_a_statement_id_is_used_once(embedded_aws: EmbeddedAws) -> None:
    api = embedded_aws.client("lambda")
    statement = {"FunctionName": make(api, role(embedded_aws)), "StatementId": "one"}
    for _ in range(2):
        api.add_permission(**statement, Action=CALL, Principal="events.amazonaws.com")
        with pytest.raises(ClientError, match=r"ResourceConflictException.*provided already exists"):
            api.add_permission(**statement, Action=CALL, Principal="*")
        api.remove_permission(**statement)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        api.get_policy(FunctionName=statement["FunctionName"])


def test_who_asks_is_held_to_the_function_and_the_role(embedded_aws: EmbeddedAws) -> None:
    api, role_arn = embedded_aws.client("lambda"), role(embedded_aws)
    mine, others = make(api, role_arn), make(api, role_arn)
    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{mine}"
    iam, name = embedded_aws.client("iam"), unique("user")
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:*", "Resource": arn}]}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    asked = embedded_aws.new_client("lambda", **keys)
    asked.tag_resource(Resource=arn, Tags={"a": "b"})
    asked.untag_resource(Resource=arn, TagKeys=["a"])
    asked.update_function_configuration(FunctionName=mine, Timeout=9)
    asked.add_permission(FunctionName=mine, StatementId="one", Action=CALL, Principal="events.amazonaws.com")
    asked.remove_permission(FunctionName=mine, StatementId="one")
    refused: list[tuple[str, Any]] = [
        (f"lambda:GetFunction on resource: .*{others}", lambda: asked.get_function(FunctionName=others)),
        (f"lambda:GetPolicy on resource: .*{others}", lambda: asked.get_policy(FunctionName=others)),
        ("lambda:DeleteFunction", lambda: asked.delete_function(FunctionName=others)),
        ("lambda:ListTags", lambda: asked.list_tags(Resource=arn.replace(mine, others))),
        ("lambda:ListFunctions", asked.list_functions),
        (
            f"iam:PassRole on resource: {role_arn}",
            lambda: asked.update_function_configuration(FunctionName=mine, Role=role_arn),
        ),
        ("lambda:CreateFunction", lambda: make(asked, role_arn)),
    ]
    for words, call in refused:
        with pytest.raises(ClientError, match=f"not authorized to perform: {words}"):
            call()
    asked.delete_function(FunctionName=mine)


@pytest.mark.parametrize(
    ("service", "request_line", "body", "expected"),
    [
        ("lambda", "GET /2015-03-31/functions/f", b"", ("GetFunction", {"FunctionName": "f"})),
        ("lambda", "POST /2015-03-31/functions", b'{"FunctionName": "f"}', ("CreateFunction", {"FunctionName": "f"})),
        (
            "lambda",
            "DELETE /2015-03-31/functions/f/policy/one",
            b"",
            ("RemovePermission", {"FunctionName": "f", "StatementId": "one"}),
        ),
        (
            "lambda",
            "POST /2017-03-31/tags/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af",
            b'{"Tags": {}}',
            ("TagResource", {"Tags": {}, "Resource": "arn:aws:lambda:r:1:function:f"}),
        ),
        ("lambda", "GET /2015-03-31/functions/f/aliases", b"", ("ListAliases", {"FunctionName": "f"})),
        ("lambda", "GET /2021-10-31/functions/f/urls", b"", ("ListFunctionUrlConfigs", {"FunctionName": "f"})),
        ("lambda", "DELETE /2015-03-31/event-source-mappings/u", b"", ("DeleteEventSourceMapping", {"UUID": "u"})),
        ("lambda", "GET /2015-03-31/functions/f/provisioned-concurrency", b"", ("", {})),
        ("scheduler", "PUT /schedules/s", b"{}", ("UpdateSchedule", {"GroupName": "default", "Name": "s"})),
        ("ecs", "POST /", b"{}", ("", {})),
    ],
)
def test_operations_are_read_off_requests(service: str, request_line: str, body: bytes, expected: Any) -> None:
    method, path = request_line.split()
    assert rest.operation(service, method, path, "", body) == expected
