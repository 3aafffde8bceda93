"""Whoever may write the record, and nothing else, has nothing deleted by it."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.spec import Address
from reconciler.engine.ownership_record import read_record, valid
from reconciler.kinds import KINDS
from tests.engine.project import Project
from tests.engine.start import Start
from tests.lab_client import LabHandle

PATH = "/reconciler/tiny/record"
SAID = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
DOCUMENT = json.dumps({"Version": "2012-10-17", "Statement": [SAID]})
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
OTHERS = [{"Key": "reconciler:deploy", "Value": "another"}]
# What somebody else has in the account, without a tag and with another deploy's, as the record then names it.
THEIRS = {
    "bucket payroll": False, "role admin": False, "policy payroll": False, "user alice": False,
    "repository payroll": False, "log-group /payroll": False, "cluster payroll": False, "parameter /payroll": False,
    "security-group payroll": False, "object payroll/2026.csv": False, "bucket other-data": True, "role other": True,
    "object other-data/2026.csv": True,
}  # fmt: skip
WEIRD = [
    "", " ", "nonsense", "role", "role ", "role \x1b[2J", "role ../../admin", f"role {'x' * 3000}", "bucket *",
    "bucket tiny\x00", "object nobucket", "object /", "security-group \x07", "parameter //", "parameter /a b",
    "service x", "image UPPER", "unheard-of thing", "__class__ x", "oidc-provider ://", "policy a/b", "log-group ",
    "\u2028role x", "rôle x", '{"role": "x"}', "[" * 3000,
]  # fmt: skip


def forge(project: Project, *lines: str) -> None:
    """Add lines to the record, as somebody with ssm:PutParameter would."""
    ssm = project.lab.client("ssm")
    for number in range(0, len(lines), 20):
        text = "\n".join(lines[number : number + 20])[:4096] or "\n"
        ssm.put_parameter(Name=f"{PATH}/9{number}", Value=text, Type="String", Overwrite=True)


def make_theirs(project: Project) -> None:
    client = project.lab.client
    for name in ("payroll", "other-data"):
        client("s3").create_bucket(Bucket=name)
        client("s3").put_object(Bucket=name, Key="2026.csv", Body=b"secret")
    client("s3").put_bucket_tagging(Bucket="other-data", Tagging={"TagSet": OTHERS})
    client("iam").create_role(RoleName="admin", AssumeRolePolicyDocument=TRUST)
    client("iam").create_role(RoleName="other", AssumeRolePolicyDocument=TRUST, Tags=OTHERS)
    client("iam").create_policy(PolicyName="payroll", PolicyDocument=DOCUMENT)
    client("iam").create_user(UserName="alice")
    client("ecr").create_repository(repositoryName="payroll")
    client("logs").create_log_group(logGroupName="/payroll")
    client("ecs").create_cluster(clusterName="payroll")
    client("ssm").put_parameter(Name="/payroll", Value="1", Type="String")
    vpc = client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    client("ec2").create_security_group(GroupName="payroll", Description="-", VpcId=vpc)


def deletions(project: Project) -> list[dict[str, Any]]:
    """The calls that took something away, but for the record's own parts."""
    verbs = ("Delete", "Detach", "Remove", "Deregister", "BatchDelete", "Put", "Untag")
    rows = [row for row in project.lab.log() if row["op"].startswith(verbs) and row["service"] != "ssm"]
    return [row for row in rows if "payroll" in json.dumps(row) or "other" in json.dumps(row)]


def make(project: Project) -> None:
    project.ok("apply")
    make_theirs(project)
    forge(project, *THEIRS)
    project.lab.zero()


@pytest.fixture(scope="module")
def start(kept_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Start:
    return Start(kept_lab, tmp_path_factory.mktemp("start"), make)


@pytest.fixture
def forged(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A deployment whose record names what is somebody else's."""
    return start.again(tmp_path, monkeypatch)


def left(project: Project) -> set[str]:
    """Which of THEIRS are there."""
    client = project.lab.client
    names = {f"bucket {bucket['Name']}" for bucket in client("s3").list_buckets()["Buckets"]}
    names |= {f"object {name}/2026.csv" for name in ("payroll", "other-data")
              if f"bucket {name}" in names and "Contents" in client("s3").list_objects_v2(Bucket=name)}  # fmt: skip
    names |= {f"role {role['RoleName']}" for role in client("iam").list_roles()["Roles"]}
    names |= {f"user {user['UserName']}" for user in client("iam").list_users()["Users"]}
    names |= {f"policy {policy['PolicyName']}" for policy in client("iam").list_policies(Scope="Local")["Policies"]}
    names |= {
        f"repository {repository['repositoryName']}"
        for repository in client("ecr").describe_repositories()["repositories"]
    }
    names |= {f"log-group {group['logGroupName']}" for group in client("logs").describe_log_groups()["logGroups"]}
    clusters = client("ecs").describe_clusters(clusters=["payroll"])["clusters"]
    names |= {f"cluster {cluster['clusterName']}" for cluster in clusters if cluster["status"] == "ACTIVE"}
    names |= {f"parameter {parameter['Name']}" for parameter in client("ssm").describe_parameters()["Parameters"]}
    names |= {f"security-group {g['GroupName']}" for g in client("ec2").describe_security_groups()["SecurityGroups"]}
    return names & THEIRS.keys()


def test_destroy_deletes_nothing_that_only_the_record_names(forged: Project) -> None:
    shown = forged.ok("destroy", "--yes", "--delete-data", "--json")
    held = {f"{step['kind']} {step['name']}": step["held"] for step in shown.json["plan"]["steps"] if "held" in step}
    assert set(held) == {name for name, tagged in THEIRS.items() if not tagged}
    assert all("pass --confirm" in why for why in held.values())
    assert left(forged) == set(THEIRS)
    clusters = forged.lab.client("ecs").describe_clusters(clusters=["tiny"])["clusters"]
    assert "ACTIVE" not in [cluster["status"] for cluster in clusters]


def test_prune_deletes_nothing_that_only_the_record_names(forged: Project) -> None:
    forged.ok("apply", "--prune", "--delete-data")
    assert left(forged) == set(THEIRS)
    assert deletions(forged) == []


def test_recover_makes_nothing_ours(forged: Project) -> None:
    forged.ok("recover")
    forged.ok("destroy", "--yes", "--delete-data")
    assert left(forged) == set(THEIRS)


def test_what_is_confirmed_goes_and_nothing_else(forged: Project) -> None:
    forged.ok("destroy", "--yes", "--confirm", "bucket.payroll", "--confirm", "role.admin")
    assert left(forged) == set(THEIRS) - {"role admin"}, "what holds data needs --delete-data as well"
    forged.ok("destroy", "--yes", "--delete-data", "--confirm", "bucket.payroll")
    assert left(forged) == set(THEIRS) - {"role admin", "bucket payroll", "object payroll/2026.csv"}


def test_another_deploys_is_never_deleted(forged: Project) -> None:
    sure = [part for name in THEIRS for part in ("--confirm", name.replace(" ", ".", 1))]
    forged.ok("destroy", "--yes", "--delete-data", *sure)
    assert left(forged) == {name for name, tagged in THEIRS.items() if tagged}


def test_yes_confirms_nothing_and_a_confirmation_is_an_address(project: Project) -> None:
    for wrong in ("payroll", "bucket.", "role.a b", "bucket.*"):
        refused = project.run("destroy", "--yes", "--confirm", wrong)
        assert refused.code == 2
        assert f"--confirm {wrong}: it is written KIND.NAME" in refused.err


def test_a_record_of_nonsense_is_harmless(project: Project) -> None:
    project.ok("apply")
    steps = project.plan("--prune")
    for line in WEIRD:
        forge(project, line)
        assert project.plan("--prune") == steps, repr(line)
    project.ok("apply", "--prune")
    shown = project.ok("destroy", "--yes", "--delete-data").out
    assert "\x1b" not in shown
    assert "\x07" not in shown


NAMES = {
    "oidc-provider": "token.actions.githubusercontent.com", "policy": "a-policy", "role": "a_role+=,.@-", "user": "a",
    "bucket": "a-bucket.1", "object": "a-bucket/data/ä b.csv", "folder": "a-bucket/data/ä b/",
    "repository": "team/a", "image": "team/a", "log-group": "/ecs/a", "security-group": "a b (c)",
    "parameter": "/a/b.c", "cluster": "a", "task-definition": "a_b",
    "service": "a/b", "queue": "a-dead-letters", "schedule": "a.b", "topic": "a-runs", "function": "a-watcher",
    "rule": "a-tasks", "capacity-provider": "a/a-managed", "instance-profile": "a-instances",
}  # fmt: skip


def test_every_kind_has_names(project: Project) -> None:
    assert NAMES.keys() == {kind.spec.kind for kind in KINDS} | {"image"}
    assert all(valid(Address(kind, name)) for kind, name in NAMES.items())
    assert all(not valid(Address(kind, f"{name}\x1b[2J")) for kind, name in NAMES.items())
    forge(project, *(f"{kind} {name}" for kind, name in NAMES.items()))
    assert read_record(project.lab.aws(), "tiny") == {Address(kind, name) for kind, name in NAMES.items()}


@given(st.sampled_from([*NAMES, "unheard-of"]), st.text(string.printable + "\x1b\x9b\u2028", max_size=80))
def test_no_name_in_the_record_reaches_a_terminal_raw(kind: str, name: str) -> None:
    assert not valid(Address(kind, name)) or name.isprintable()
