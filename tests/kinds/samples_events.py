"""Samples of what works when nobody watches."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from reconciler.core.canonical import Policy, policy
from reconciler.kinds import lambda_function as bundle
from reconciler.kinds.events_rule import RuleTarget
from tests.kinds.sample import KEY, OTHER_TAGS, trust
from tests.lab_client import ACCOUNT, REGION, LabHandle


def topic(lab: LabHandle, folder: Path) -> dict[str, Any]:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:sample"
    queues = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("one", "two")]
    for name in ("one", "two"):
        lab.client("sqs").create_queue(QueueName=name)

    def settings(lab: LabHandle) -> None:
        subscriptions = lab.client("sns").list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        subscription_arn = next(
            subscription["SubscriptionArn"] for subscription in subscriptions if subscription["Protocol"] == "sqs"
        )
        letters = json.dumps({"deadLetterTargetArn": queues[1]})
        for name, value in (
            ("FilterPolicy", '{"a": ["b"]}'),
            ("RawMessageDelivery", "true"),
            ("RedrivePolicy", letters),
        ):
            lab.client("sns").set_subscription_attributes(
                SubscriptionArn=subscription_arn, AttributeName=name, AttributeValue=value
            )

    def publish(service: str) -> Any:
        allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": arn}
        return policy({"Version": "2012-10-17", "Statement": allow})

    return {
        "base": {
            "policy": publish("events.amazonaws.com"),
            "subscriptions": ("email one@example.com", f"sqs {queues[0]}"),
        },
        "changes": {
            "policy": Policy(),
            "subscriptions": ("email one@example.com", "email two@example.com", f"sqs {queues[1]}"),
            "kms_key": KEY,
            "tags": OTHER_TAGS,
        },
        "outside": {
            "subscription_settings": settings,
            "subscriptions": lambda lab: lab.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queues[1]),
        },
    }


def queue(lab: LabHandle, folder: Path) -> dict[str, Any]:
    send = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    theirs = lab.client("sqs").create_queue(QueueName="theirs")["QueueUrl"].replace("theirs", "sample")

    def redrive(lab: LabHandle) -> None:
        policy = {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs", "maxReceiveCount": 1}
        lab.client("sqs").set_queue_attributes(QueueUrl=theirs, Attributes={"RedrivePolicy": json.dumps(policy)})

    return {
        "base": {"retention": 1209600},
        "changes": {
            "retention": 60,
            "policy": policy({"Version": "2012-10-17", "Statement": send}),
            "encryption": KEY,
            "tags": OTHER_TAGS,
        },
        "outside": {"attached": redrive},
    }


def events_rule(lab: LabHandle, folder: Path) -> dict[str, Any]:
    first, second = (f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}" for name in ("one", "two"))
    target = RuleTarget(id="one", arn=first)

    def more(lab: LabHandle) -> None:
        lab.client("events").put_targets(Rule="sample", Targets=[{"Id": "more", "Arn": second, "Input": '"x"'}])

    return {
        "base": {"pattern": '{"source": ["aws.ecs"]}', "targets": (target,)},
        "changes": {
            "pattern": '{"detail":{"a":[1]},"source":["aws.ecr"]}',
            "state": "DISABLED",
            "description": "tells",
            "targets": (target.model_copy(update={"arn": second}),),
            "expression": "rate(1 day)",
            "role": f"arn:aws:iam::{ACCOUNT}:role/one",
            "tags": OTHER_TAGS,
        },
        "outside": {"targets": more},
    }


def schedule(lab: LabHandle, folder: Path) -> dict[str, Any]:
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("one", "two")]
    functions = [f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" for name in ("one", "two")]

    def ending(lab: LabHandle) -> None:
        scheduler = lab.client("scheduler")
        live = scheduler.get_schedule(Name="sample")
        keep = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Description")
        target = live["Target"] | {"SqsParameters": {"MessageGroupId": "x"}}
        scheduler.update_schedule(**{key: live[key] for key in keep}, Target=target, EndDate=2000000000)

    return {
        "base": {"expression": "cron(0 4 * * ? *)", "role": roles[0], "target": functions[0]},
        "changes": {
            "expression": "rate(1 day)", "timezone": "Europe/Berlin", "state": "DISABLED", "window": 15,
            "role": roles[1], "target": functions[1], "input": '{"launch":"now"}', "retries": 3, "max_age": 3600,
            "dead_letters": f"arn:aws:sqs:{REGION}:{ACCOUNT}:one", "tags": OTHER_TAGS,
        },
        "outside": {"other": ending},
    }  # fmt: skip


def attach(lab: LabHandle, name: str) -> None:
    """All that can hang on a function, at itself, at a version and at an alias."""
    api, function_name = lab.client("lambda"), {"FunctionName": name}
    lab.client("sqs").create_queue(QueueName="source")
    api.create_event_source_mapping(**function_name, EventSourceArn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:source")
    version = api.publish_version(**function_name)["Version"]
    api.create_alias(**function_name, Name="live", FunctionVersion=version)
    for qualifier in ({}, {"Qualifier": "live"}):
        api.create_function_url_config(**function_name, **qualifier, AuthType="NONE")
        there = {"OnSuccess": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs"}}
        api.put_function_event_invoke_config(**function_name, **qualifier, DestinationConfig=there)
    for qualifier_name in ("live", version):
        api.add_permission(
            **function_name, Qualifier=qualifier_name, StatementId="all", Action="lambda:InvokeFunction", Principal="*"
        )


def a_zip(text: str = "def handle(event, context): pass") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("other.py", text)
    return buffer.getvalue()


def function(lab: LabHandle, folder: Path) -> dict[str, Any]:
    roles = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in ("one", "two")]
    rules = [f"events.amazonaws.com arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}" for name in ("a", "b", "c")]
    for name in ("one", "two"):
        document = trust("lambda.amazonaws.com").text()
        lab.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    api = lab.client("lambda")
    layer = api.publish_layer_version(LayerName="more", Content={"ZipFile": a_zip()})["LayerVersionArn"]

    def other_code(lab: LabHandle) -> None:
        lab.client("lambda").update_function_code(FunctionName="sample", ZipFile=a_zip())

    def everybody(lab: LabHandle) -> None:
        common = {"FunctionName": "sample", "Action": "lambda:InvokeFunction"}
        lab.client("lambda").add_permission(**common, StatementId="mine", Principal="*")
        service, _, source = rules[0].partition(" ")
        lab.client("lambda").add_permission(**common, StatementId="same", Principal=service, SourceArn=source)

    def layers(lab: LabHandle) -> None:
        lab.client("lambda").update_function_configuration(FunctionName="sample", Layers=[layer])

    def other(lab: LabHandle) -> None:
        api = lab.client("lambda")
        api.update_function_code(FunctionName="sample", ZipFile=bundle.archive(), Architectures=["arm64"])
        api.put_function_concurrency(FunctionName="sample", ReservedConcurrentExecutions=1)
        api.update_function_configuration(
            FunctionName="sample", TracingConfig={"Mode": "Active"}, EphemeralStorage={"Size": 1024}, KMSKeyArn=KEY,
            VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
            FileSystemConfigs=[{"Arn": FILES, "LocalMountPath": "/mnt/a"}], SnapStart={"ApplyOn": "PublishedVersions"},
            LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "ERROR", "LogGroup": "elsewhere"},
        )  # fmt: skip

    return {
        "base": {
            "code": bundle.code_sha256(), "runtime": bundle.RUNTIME, "handler": bundle.HANDLER, "role": roles[0],
            "environment": {"DEPLOY": "one", "MORE": "x"}, "invokers": rules[:2], "timeout": 60,
        },
        "changes": {
            "runtime": "python3.12", "handler": "other.handle", "role": roles[1], "timeout": 3, "memory": 256,
            "description": "watches", "environment": {"DEPLOY": "two"},
            "dead_letters": f"arn:aws:sqs:{REGION}:{ACCOUNT}:one", "invokers": tuple(rules[1:]), "tags": OTHER_TAGS,
        },
        "outside": {
            "code": other_code, "invokers": everybody, "layers": layers, "other": other,
            "attached": lambda lab: attach(lab, "sample"),
        },
    }  # fmt: skip


FILES = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
