"""The life of every kind in an account: absent, made, as wanted, each change and back, deleted, deleted again.

The contract of tests/kinds, with values that harm nobody, and through `Actor`, which waits until AWS shows what was
written: a real account does so later than an embedded one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.config.file_checksums import sha256_of
from reconciler.core.canonical import Policy, policy
from reconciler.core.capacity import Weight
from reconciler.core.container import Container
from reconciler.core.diff import diff
from reconciler.core.spec import OWNER_TAG, Spec
from reconciler.engine.act import Actor
from reconciler.kinds import KINDS
from reconciler.kinds import lambda_function as bundle
from reconciler.kinds.ec2_security_group import EVERYWHERE, PortRule
from reconciler.kinds.s3_bucket import BLOCKS, Expiry
from tests.live.account import STOP, Account

# What isn't tried, and why.
LEFT_OUT = {
    "oidc-provider": "there is one for each host in an account, and this account's own may be in use",
    "user": "its access keys are credentials that would leave the account",
    "image": "the main job pushes one",
    "service": "it runs a task for as long as it is there, which costs something",
    "capacity-provider": "it needs two roles and a profile, and may launch an instance, which costs something",
    "schedule": "it needs a role, a cluster and a task that it could launch, which cost something",
}
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
Made = tuple[dict[str, Any], dict[str, Any]]


def document(action: str, prefix: str) -> Any:
    statement = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{prefix}/*"}
    return policy({"Version": "2012-10-17", "Statement": statement})


def trust(service: str) -> Any:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy({"Version": "2012-10-17", "Statement": statement})


def a_policy(account: Account, folder: Path) -> Made:
    return {"document": document("s3:GetObject", account.prefix)}, {
        "document": document("s3:PutObject", account.prefix)
    }


def a_role(account: Account, folder: Path) -> Made:
    base = {"trust": trust("ecs-tasks.amazonaws.com"), "managed_policies": (EXECUTION,)}
    inline = {"one": document("s3:GetObject", account.prefix)}
    return base, {"trust": trust("scheduler.amazonaws.com"), "managed_policies": (), "inline_policies": inline}


def a_bucket(account: Account, folder: Path) -> Made:
    base = {"region": account.region, "public_access_block": BLOCKS, "versioning": True}
    return base, {"versioning": False, "lifecycle": (Expiry(prefix="runs/", expire_days=30),)}


def bucket_for(account: Account, purpose: str) -> str:
    bucket = f"{account.prefix}-{purpose}"
    where = (
        {} if account.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": account.region}}
    )
    account.client("s3").create_bucket(Bucket=bucket, **where)
    return bucket


def an_object(account: Account, folder: Path) -> Made:
    bucket = bucket_for(account, "objects")
    paths = [folder / name for name in ("one.csv", "two.csv")]
    paths[0].write_text("a\n1\n")
    paths[1].write_text("a\n1\n2\n")
    first, second = ({"file": str(path), "sha256": sha256_of(path), "size": path.stat().st_size} for path in paths)
    return {"name": f"{bucket}/data/one.csv", **first}, {"sha256": second}


def a_folder(account: Account, folder: Path) -> Made:
    bucket = bucket_for(account, "folders")
    names = ("a.csv", "sub/b c+d.csv", "empty")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("" if name == "empty" else name)
    sums = {name: sha256_of(folder / name) for name in names}
    paths = {name: str(folder / name) for name in names}
    size = sum((folder / name).stat().st_size for name in names)
    first = {"files": {name: sums[name] for name in names[:2]}, "size": size}
    return {"name": f"{bucket}/data/", "paths": paths, **first}, {"files": sums}


def a_repository(account: Account, folder: Path) -> Made:
    return {"scan_on_push": True, "keep_images": 10}, {"scan_on_push": False, "keep_images": 3}


def a_log_group(account: Account, folder: Path) -> Made:
    return {"name": f"/ecs/{account.prefix}", "retention_in_days": 7}, {"retention_in_days": None}


def an_instance_profile(account: Account, folder: Path) -> Made:
    """Roles that are in no other profile."""
    roles = [f"{account.prefix}-{name}" for name in ("one", "two")]
    for name in roles:
        account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com").text())
    tags = {OWNER_TAG: account.prefix, "more": "x"}
    return {"role": roles[0]}, {"role": roles[1], "tags": tags}


def a_security_group(account: Account, folder: Path) -> Made:
    vpcs = account.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    if not vpcs:
        pytest.skip("the account has no default VPC in this region")
    rule = PortRule(protocol="tcp", from_port=443, to_port=443, place="10.0.0.0/8")
    return {"description": "a test", "vpc": vpcs[0]["VpcId"], "egress": (EVERYWHERE,)}, {"egress": (rule,)}


def a_cluster(account: Account, folder: Path) -> Made:
    base = {
        "capacity_providers": ("FARGATE", "FARGATE_SPOT"),
        "default_strategy": (Weight(provider="FARGATE", weight=1),),
    }
    return base, {"default_strategy": (Weight(provider="FARGATE", base=1, weight=2),)}


def a_task_definition(account: Account, folder: Path) -> Made:
    container = Container(name="main", image="public.ecr.aws/docker/library/busybox:1", command=("true",))
    base = {"cpu": 256, "memory": 512, "containers": (container,)}
    return base, {"memory": 1024}


def a_parameter(account: Account, folder: Path) -> Made:
    tags = {OWNER_TAG: account.prefix, "more": "x"}
    return {"name": f"/{account.prefix}/ETA", "initial": {"ETA": "0.1"}}, {"tags": tags}


def a_queue(account: Account, folder: Path) -> Made:
    return {"retention": 1209600}, {"retention": 3600}


def a_topic(account: Account, folder: Path) -> Made:
    arn = f"arn:aws:sns:{account.region}:{account.number}:{account.prefix}"
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
    }
    return {"policy": policy({"Version": "2012-10-17", "Statement": allow})}, {"policy": Policy()}


def a_rule(account: Account, folder: Path) -> Made:
    return {"pattern": '{"source": ["rlive.nothing"]}'}, {"state": "DISABLED", "description": "a test"}


def a_function(account: Account, folder: Path) -> Made:
    """One that nobody calls."""
    name = f"{account.prefix}-function"
    document = trust("lambda.amazonaws.com").text()
    role = account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    rules = [f"events.amazonaws.com arn:aws:events:{account.region}:{account.number}:rule/{n}" for n in ("one", "two")]
    base = {
        "code": bundle.code_sha256(), "runtime": bundle.RUNTIME, "handler": bundle.HANDLER, "role": role,
        "environment": {"DEPLOY": "one"}, "invokers": rules[:1],
    }  # fmt: skip
    tags = {OWNER_TAG: account.prefix, "more": "x"}
    return base, {"timeout": 60, "environment": {}, "invokers": tuple(rules[1:]), "tags": tags}


SAMPLES: dict[str, Callable[[Account, Path], Made]] = {
    "policy": a_policy, "role": a_role, "bucket": a_bucket, "object": an_object, "folder": a_folder,
    "repository": a_repository, "log-group": a_log_group, "security-group": a_security_group, "cluster": a_cluster,
    "task-definition": a_task_definition, "parameter": a_parameter, "queue": a_queue, "topic": a_topic, "rule": a_rule,
    "function": a_function, "instance-profile": an_instance_profile,
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_life(name: str, account: Account, tmp_path: Path) -> None:
    account.budget.check()
    kind = next(kind for kind in KINDS if kind.spec.kind == name)
    values, changes = SAMPLES[name](account, tmp_path)
    base: Spec = kind.spec(**{"name": account.prefix, "tags": {OWNER_TAG: account.prefix}} | values)
    aws, reader = account.aws(), account.aws(read_only=True)
    actor = Actor(aws, {name: kind}, account.prefix, frozenset(), STOP)
    assert kind.observe(reader, [base]) == {}
    there = actor.make(base, None)
    assert diff(base, kind.observe(reader, [base])[base.name].spec) == ()
    for field, value in changes.items():
        want = base.model_copy(update=value if isinstance(value, dict) and field in value else {field: value})
        for wanted in (want, base):
            assert diff(wanted, there.spec), field
            there = actor.make(wanted, there)
            assert diff(wanted, there.spec) == ()
    for _ in range(2):
        actor.delete(there)
    assert kind.observe(reader, [base]) == {}


def test_every_kind_is_tried_or_has_a_reason_not_to_be() -> None:
    assert {kind.spec.kind for kind in KINDS} | {"image"} == SAMPLES.keys() | LEFT_OUT.keys()
