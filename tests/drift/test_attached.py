"""docs/attached.md has every operation of AWS that asks about a resource of a kind, as read or with why it isn't."""

from __future__ import annotations

import re
from functools import cache

import botocore
import pytest
from botocore.session import get_session

from reconciler.kinds import KINDS
from tests.lab_client import ROOT

PAGE = ROOT / "docs" / "attached.md"
WRITTEN_FOR = (1, 44, 5)  # botocore's version: an older one lacks operations that the page has
READS = ("Get", "List", "Describe", "Head", "BatchGet")
# By kind: of which services, by which parameters an operation names such a resource, and by which it is about a part.
ASKED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "role": (("iam", "RoleName", ""),),
    "user": (("iam", "UserName", ""),),
    "policy": (("iam", "PolicyArn", ""),),
    "oidc-provider": (("iam", "OpenIDConnectProviderArn", ""),),
    "bucket": (("s3", "Bucket", "Key"), ("s3control", "Bucket", "")),
    "object": (("s3", "Key", ""),),
    "repository": (
        ("ecr", "repositoryName repositoryNames resourceArn", "imageId imageIds imageDigest layerDigest subjectId"),
    ),
    "image": (("ecr", "imageId imageIds layerDigest subjectId", ""), ("ecr", "lifecyclePolicyText", "")),
    "log-group": (
        (
            "logs",
            "logGroupName logGroupIdentifier logGroupNames logGroupIdentifiers logGroupNamePrefix resourceArn",
            "",
        ),
    ),
    "security-group": (("ec2", "GroupId GroupIds SecurityGroupIds", "NetworkInterfaceId"),),
    "parameter": (("ssm", "Name Names ResourceId ResourceArn", "DocumentVersion AssociationId VersionName"),),
    "instance-profile": (("iam", "InstanceProfileName", ""),),
    "capacity-provider": (("ecs", "capacityProviders resourceArn", "clusters"),),
    "cluster": (("ecs", "cluster clusters clusterArn resourceArn", ""),),
    "task-definition": (("ecs", "taskDefinition familyPrefix family", ""),),
    "service": (("ecs", "service services serviceName resourceArn", ""),),
    "queue": (("sqs", "QueueUrl QueueName", ""),),
    "topic": (("sns", "TopicArn ResourceArn SubscriptionArn", ""),),
    "function": (("lambda", "FunctionName Resource", ""),),
    "rule": (("events", "Rule ResourceARN", ""),),
    "schedule": (("scheduler", "GroupName", ""),),
}
# What takes the same parameters and is about something else, or is found by none of them.
OTHERS = {
    "ec2": {"DescribeInstanceTopology", "DescribePlacementGroups"},
    "ssm": {"DescribeDocumentPermission", "ListDocumentMetadataHistory", "ListDocumentVersions"},
}
BESIDES = {
    "security-group": {"DescribeNetworkInterfaces"},  # by a filter
    "rule": {"DescribeRule"},  # by `Name`, as many others are
}
# Where else a kind's calls are.
SHARED = {"iam_role": ("iam",), "iam_user": ("iam",), "lambda_function": ("function_attached",)}


@cache
def asked(kind: str) -> frozenset[str]:
    """The operations that ask about a resource of a kind, by botocore's complete models."""
    operations: set[str] = set(BESIDES.get(kind, ()))
    session = get_session()
    for service, names, parts in ASKED[kind]:
        model = session.get_service_model(service)
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape if name.startswith(READS) else None
            members = set(shape.members) if shape is not None else set()
            if members & {*names.split()} and not members & {*parts.split()} and name not in OTHERS.get(service, ()):
                operations.add(name if service != "s3control" else f"s3control:{name}")  # which has names of S3's
    return frozenset(operations)


def page() -> dict[str, dict[str, str]]:
    """By kind: what the page says of each operation."""
    texts: dict[str, dict[str, str]] = {}
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("### "):
            section = line.removeprefix("### ")
        elif section and line.startswith("| `"):
            operations, text = line.strip("| ").split(" | ")
            for operation in re.findall(r"`([\w:]+)`", operations):
                assert operation not in texts.setdefault(section, {}), operation
                texts[section][operation] = text
    return texts


OWN = [kind for kind in KINDS if kind.spec.kind != "folder"]  # of which nothing is anybody's but its objects


def test_every_kind_is_on_the_page() -> None:
    assert sorted(page()) == sorted(ASKED) == sorted({*(kind.spec.kind for kind in OWN), "image"})


@pytest.mark.parametrize("kind", ASKED)
def test_every_operation_that_asks_about_it_is_on_the_page(kind: str) -> None:
    texts = page()[kind]
    new = sorted(asked(kind) - texts.keys())
    assert not new, f"docs/attached.md, {kind}: say of these whether they are read, and why not"
    if tuple(int(part) for part in botocore.__version__.split(".")[:3]) >= WRITTEN_FOR:
        assert not sorted(texts.keys() - asked(kind)), "AWS has no such operations"


@pytest.mark.parametrize("kind", OWN, ids=lambda kind: str(kind.spec.kind))
def test_what_is_said_to_be_read_is_asked_and_the_other_way_round(kind: object) -> None:
    module = type(kind).__module__
    names = {module, *(f"reconciler.kinds.{name}" for name in SHARED.get(module.rpartition(".")[2], ()))}
    files = [ROOT / f"{name.replace('.', '/')}.py" for name in names]
    text = "\n".join(file.read_text() for file in files)
    who = "User" if module.endswith("user") else "Role"
    called = set(re.findall(r'"([A-Z]\w+)"', text.replace("{kind}", who)))
    for operation, says in page()[kind.spec.kind].items():  # type: ignore[attr-defined]
        assert (operation in called) is says.startswith("read"), (operation, says)
