"""Whatever the file says and whatever is there: apply, then the plan is empty, and a second apply writes nothing."""

# ruff: noqa: E501  (strategies read best in whole lines)
from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.engine.project import Project, use
from tests.lab_client import ACCOUNT, REGION, LabHandle
from tests.share import examples

SIZES = [(256, 512), (256, 2048), (1024, 2048), (1024, 8192), (4096, 8192), (8192, 16384)]
SECRET = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/token"
KMS = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
words = st.sampled_from(["a", "b c", "x=1", "é", "--flag", "{}", "$HOME", "0", "true"])
texts = st.dictionaries(st.sampled_from(["A", "B", "LONG_NAME", "DB_PASSWORD"]), words, max_size=3)
paths = st.lists(st.sampled_from(["data/*", "runs/*", "data/one.csv", "*"]), max_size=2, unique=True)


def some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys."""
    return st.fixed_dictionaries({}, optional=parts)


rules = st.lists(
    st.tuples(st.sampled_from(["", "runs/", "data/"]), st.integers(1, 400), st.sampled_from(["expire", "noncurrent", "abort_upload"])),
    max_size=3, unique_by=lambda rule: rule[0],
).map(lambda found: [{"prefix": prefix, f"{what}_days": days} for prefix, days, what in found])  # fmt: skip
encryption = st.sampled_from(
    [{}, {"encryption": "AES256"}, {"encryption": "aws:kms"}, {"encryption": "aws:kms", "kms_key": KMS}]
)
bucket = st.builds(
    lambda one, other: one | other,
    some(versioning=st.booleans(), block_public_access=st.booleans(), lifecycle=rules, name=st.just("NAME-bucket")),
    encryption,
)
# Without immutable tags: that a fixed tag should move to another image is refused, here as by AWS.
repository = some(scan_on_push=st.booleans(), keep_images=st.sampled_from([None, 1, 30]))
image = st.one_of(
    st.just({"uri": "python:3.13-slim"}),
    st.builds(
        lambda tags, repo: {"context": ".", "tags": tags, "repository": repo},
        st.lists(st.sampled_from(["v1", "v2"]), min_size=1, unique=True),
        repository,
    ),
)
size = st.sampled_from(SIZES).map(lambda pair: {"cpu": pair[0], "memory": pair[1]})
task = st.builds(
    lambda one, other: one | other,
    size,
    some(
        container=st.sampled_from(["main", "other"]), platform=st.sampled_from(["X86_64", "ARM64"]),
        ephemeral_storage=st.sampled_from([None, 21, 200]), command=st.lists(words, min_size=1, max_size=3),
        entrypoint=st.lists(words, min_size=1, max_size=2), environment=texts, stop_timeout=st.integers(2, 120),
        secrets=st.sampled_from([{}, {"API_TOKEN": SECRET}]),
        role=some(read=paths, write=paths, description=st.just("for training"), name=st.just("NAME-role")),
    ),
)  # fmt: skip
ci = st.one_of(
    st.none(),
    st.fixed_dictionaries({"github": st.fixed_dictionaries({"repository": st.sampled_from(["o/r", "o/other"])})}),
    st.fixed_dictionaries({"user": some(access_keys=st.integers(0, 1))}),
)
values = st.sampled_from([0.1, "x y", {"value": 3, "give_as": "environment"}, {"value": 4, "name": "/NAME/other"}])
strategy = st.sampled_from([["FARGATE"], ["FARGATE_SPOT"], ["FARGATE", "FARGATE_SPOT"]]).map(
    lambda names: [{"provider": name, "weight": number} for number, name in enumerate(names, 1)]
)
deploys = st.fixed_dictionaries(
    {"data": st.builds(lambda b, f: {"bucket": b, "files": f}, bucket, st.sampled_from([[], ["one.csv"], ["one.csv", "two.csv"]])),
     "image": image, "task": task},
    optional={
        "tags": st.dictionaries(st.sampled_from(["team", "Cost Center", "é"]), st.sampled_from(["x", "", "a/b"]), max_size=2),
        "logs": some(retention_days=st.sampled_from([None, 1, 7, 3653]), stream_prefix=st.just("other")),
        "cluster": some(container_insights=st.booleans(), default_strategy=strategy),
        "network": some(security_group=some(description=st.sampled_from(["one", "two"]))),
        "ci": ci,
        "parameters": st.dictionaries(st.sampled_from(["ETA", "MAX_TOKENS"]), values, max_size=2),
        "service": some(desired_count=st.just(0), circuit_breaker=st.booleans()).map(lambda s: {"desired_count": 0} | s),
    },
)  # fmt: skip


def text(name: str, deploy: dict[str, Any]) -> str:
    """The file."""
    return str(yaml.safe_dump({"name": name, "run": {"when": "never"}} | deploy)).replace("NAME", name)


MORE = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})


# What may be there before: by hand, of the names that the file will use, or of a deploy that somebody spoiled.
def other_role(lab: LabHandle, name: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    iam = lab.client("iam")
    iam.create_role(RoleName=f"{name}-task-execution-role", AssumeRolePolicyDocument=document, Description="mine")
    iam.put_role_policy(RoleName=f"{name}-task-execution-role", PolicyName="more", PolicyDocument=MORE)


def other_logs(lab: LabHandle, name: str) -> None:
    lab.client("logs").create_log_group(logGroupName=f"/ecs/{name}", tags={"reconciler": "not"})


def other_cluster(lab: LabHandle, name: str) -> None:
    lab.client("ecs").create_cluster(clusterName=name)


def other_bucket(lab: LabHandle, name: str) -> None:
    s3, found = lab.client("s3"), f"{name}-data-{ACCOUNT}"
    s3.create_bucket(Bucket=found)
    s3.put_object(Bucket=found, Key="data/one.csv", Body=b"somebody's")
    s3.delete_public_access_block(Bucket=found)


def other_repository(lab: LabHandle, name: str) -> None:
    lab.client("ecr").create_repository(repositoryName=name, imageTagMutability="IMMUTABLE")


BY_HAND = [other_role, other_logs, other_cluster, other_bucket, other_repository]


def spoil(lab: LabHandle, name: str) -> None:
    """Take some of a deploy away, and change some."""
    ecs, logs = lab.client("ecs"), lab.client("logs")
    for service in ecs.list_services(cluster=name)["serviceArns"]:
        ecs.delete_service(cluster=name, service=service, force=True)
    ecs.delete_cluster(cluster=name)
    logs.delete_log_group(logGroupName=f"/ecs/{name}")
    iam, role = lab.client("iam"), f"{name}-task-execution-role"
    iam.untag_role(RoleName=role, TagKeys=["reconciler:deploy"])
    iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


starts: st.SearchStrategy[Any] = st.one_of(
    st.just([]),
    st.lists(st.sampled_from(BY_HAND), min_size=1, max_size=3, unique=True),
    st.tuples(st.just("deploy"), deploys),
    st.tuples(st.just("spoiled"), deploys),
)


@pytest.fixture(scope="module")
def project(lab_session: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    lab_session.reset()
    with pytest.MonkeyPatch.context() as patch:
        found = use(lab_session, tmp_path_factory.mktemp("any"), patch)
        patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        patch.setenv("RECONCILER_LOCAL_HOME", str(lab_session.home))
        found.write("one.csv", "a,b\n1,2\n")
        found.write("two.csv", "a,b\n1,2\n3,4\n")
        found.write("hello.txt", "hello\n")
        found.write("Dockerfile", 'FROM scratch\nCOPY hello.txt .\nCMD ["cat", "hello.txt"]\n')
        yield found


numbers = itertools.count(1)
ALL = ("--adopt", "--prune", "--delete-data")


def apply(project: Project, *options: str) -> None:
    done = project.run("apply", "--local", "--skip-run", *options)
    assert done.code == 0, done.out + done.err


PLAIN: dict[str, Any] = {"data": {"files": ["one.csv"]}, "image": {"context": ".", "tags": ["v1"]}, "task": {}}
BARE: dict[str, Any] = {"data": {}, "image": {"uri": "python:3.13-slim"}, "task": {"cpu": 256, "memory": 512}}


@example(deploy=BARE, start=("deploy", PLAIN | {"ci": {"github": {"repository": "o/r"}}}))
@example(deploy=PLAIN, start=BY_HAND)
@example(deploy=PLAIN | {"network": {"security_group": {"description": "two"}}}, start=("spoiled", PLAIN))
@given(deploy=deploys, start=starts)
@settings(
    max_examples=examples(8), phases=[Phase.explicit, Phase.generate], deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
def test_apply_converges_and_then_rests(project: Project, deploy: dict[str, Any], start: Any) -> None:
    name = f"any{next(numbers)}"
    if start and start[0] in ("deploy", "spoiled"):
        project.write("deploy.yaml", text(name, start[1]))
        apply(project)
        if start[0] == "spoiled":
            spoil(project.lab, name)
    else:
        for one in start:
            one(project.lab, name)
    project.write("deploy.yaml", text(name, deploy))
    apply(project, *ALL)
    assert project.todo("--local") == {}
    project.lab.zero()
    apply(project, *ALL)
    reads = ("Get", "List", "Describe", "Head", "BatchGet")
    assert [row["op"] for row in project.lab.log() if not row["op"].startswith(reads)] == []
    assert Path(project.folder / "deploy.yaml").exists()
