"""What the file lets be of what others attached: it isn't shown, stays when the rest is taken away, and goes at last.

Through the kinds against AWS's APIs over HTTP, as `test_contract.py` does it for everything that isn't allowed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.allow import Allow
from reconciler.core.attached import where
from reconciler.core.diff import diff
from tests.kinds.sample import READ_ONLY, document
from tests.kinds.samples import sample
from tests.lab_client import ACCOUNT, REGION, LabHandle

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:theirs"
OTHER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:other"
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


def both_ways(lab: LabHandle) -> None:
    """Results of both kinds go elsewhere, and failures still elsewhere."""
    there = {"OnSuccess": {"Destination": QUEUE}, "OnFailure": {"Destination": OTHER}}
    lab.client("lambda").put_function_event_invoke_config(
        FunctionName="sample", DestinationConfig=there, MaximumRetryAttempts=1
    )


def destinations(lab: LabHandle) -> Any:
    (config,) = lab.client("lambda").list_function_event_invoke_configs(FunctionName="sample")[
        "FunctionEventInvokeConfigs"
    ]
    return [config["DestinationConfig"], config["MaximumRetryAttempts"]]


def two_buckets(lab: LabHandle) -> None:
    rules = [
        {"ID": name, "Status": "Enabled", "Priority": number, "Filter": {}, "DeleteMarkerReplication": {
            "Status": "Disabled"}, "Destination": {"Bucket": f"arn:aws:s3:::{name}"}}
        for number, name in enumerate(("backup", "theirs"), 1)
    ]  # fmt: skip
    configuration = {"Role": f"arn:aws:iam::{ACCOUNT}:role/copies", "Rules": rules}
    lab.client("s3").put_bucket_replication(Bucket="sample", ReplicationConfiguration=configuration)


def copied_to(lab: LabHandle) -> Any:
    configuration = lab.client("s3").get_bucket_replication(Bucket="sample")["ReplicationConfiguration"]
    return [rule["Destination"]["Bucket"] for rule in configuration["Rules"]]


def two_places(lab: LabHandle) -> None:
    told = [{"QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]} for arn in (QUEUE, OTHER)]
    configuration = {"QueueConfigurations": told, "EventBridgeConfiguration": {}}
    lab.client("s3").put_bucket_notification_configuration(Bucket="sample", NotificationConfiguration=configuration)


def told(lab: LabHandle) -> Any:
    configuration = lab.client("s3").get_bucket_notification_configuration(Bucket="sample")
    queues = [queue["QueueArn"] for queue in configuration.get("QueueConfigurations", ())]
    return [*queues, *(["eventbridge"] if "EventBridgeConfiguration" in configuration else [])]


def policies(who: str) -> Callable[[LabHandle], None]:
    def do(lab: LabHandle) -> None:
        iam, key = lab.client("iam"), {f"{who}Name": "sample"}
        verb = who.lower()
        for arn in (ADMIN, READ_ONLY):
            getattr(iam, f"attach_{verb}_policy")(**key, PolicyArn=arn)
        for name in ("theirs", "more"):
            getattr(iam, f"put_{verb}_policy")(**key, PolicyName=name, PolicyDocument=document().text())
        getattr(iam, f"put_{verb}_permissions_boundary")(**key, PermissionsBoundary=ADMIN)

    return do


def left(who: str) -> Callable[[LabHandle], Any]:
    def look(lab: LabHandle) -> Any:
        iam, verb, key = lab.client("iam"), who.lower(), {f"{who}Name": "sample"}
        attached = getattr(iam, f"list_attached_{verb}_policies")(**key)["AttachedPolicies"]
        live = getattr(iam, f"get_{verb}")(**key)[who]
        bound = live.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", "")
        inline = {*getattr(iam, f"list_{verb}_policies")(**key)["PolicyNames"]} & {"theirs", "more"}
        return [{attachment["PolicyArn"] for attachment in attached} & {ADMIN, READ_ONLY}, inline, bound]

    return look


def subscribe(lab: LabHandle) -> None:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:sample"
    for name in ("theirs", "other"):
        lab.client("sqs").create_queue(QueueName=name)
        lab.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")


def subscribed(lab: LabHandle) -> Any:
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:sample"
    subscriptions = lab.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return sorted({subscription["Endpoint"] for subscription in subscriptions} & {QUEUE, OTHER})


# Kind, what others do, what the file lets be, how it is looked at, and what is left of it.
CASES: dict[str, tuple[str, Callable[[LabHandle], None], tuple[str, ...], Callable[[LabHandle], Any], Any]] = {
    "one of two buckets": ("bucket", two_buckets, ("arn:aws:s3:::backup",), copied_to, ["arn:aws:s3:::backup"]),
    "one of three that are told": ("bucket", two_places, (QUEUE,), told, [QUEUE]),
    "EventBridge": ("bucket", two_places, ("eventbridge", OTHER), told, [OTHER, "eventbridge"]),
    "one of two destinations": (
        "function", both_ways, (QUEUE,), destinations, [{"OnSuccess": {"Destination": QUEUE}}, 1]),
    "a role's policies": (
        "role", policies("Role"), (ADMIN, "theirs"), left("Role"), [{ADMIN}, {"theirs"}, ADMIN]),
    "a user's policies": (
        "user", policies("User"), (READ_ONLY, "more"), left("User"), [{READ_ONLY}, {"more"}, ""]),
    "one of two subscriptions": ("topic", subscribe, (QUEUE,), subscribed, [QUEUE]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=[name.replace(" ", "-") for name in CASES])
def test_what_is_allowed_stays_and_the_rest_goes(
    case: tuple[Any, Any, Any, Any, Any], lab: LabHandle, tmp_path: Path
) -> None:
    name, do, allow, look, expected = case
    aws = lab.aws()
    example = sample(name, lab, tmp_path)
    example.kind.create(aws, example.base)
    do(lab)
    want = example.base.model_copy(update={"allow": tuple(sorted(allow))})
    seen = example.kind.observe(aws, [want])[want.name]
    changes = diff(want, seen.spec)
    assert changes
    shown = json.dumps([change.before for change in changes])
    assert not any(f'"{text}"' in shown or f" {text}" in shown for text in allow)
    example.kind.update(aws, want, seen, changes)
    assert look(lab) == expected
    after = example.kind.observe(aws, [want])[want.name]
    assert diff(want, after.spec) == ()
    # Deleted with what was allowed.
    example.kind.delete(aws, after)
    assert example.kind.observe(aws, [want]) == {}


def test_where_is_the_second_word() -> None:
    assert [where(text) for text in ("replication arn:b (disabled)", "alias live 3", "odd", "")] == [
        "arn:b", "live", "", "",
    ]  # fmt: skip


def test_every_kind_that_can_allow_has_its_field() -> None:
    from reconciler.core.attached import OpenSpec
    from reconciler.kinds import KINDS

    kinds = {kind.spec.kind.replace("-", "_") for kind in KINDS if issubclass(kind.spec, OpenSpec)}
    assert set(Allow.model_fields) == kinds
