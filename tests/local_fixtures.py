"""A running embedded AWS for tests, and short ways to put an image into it, launch a task and see what came of it.

    from tests.local_fixtures import embedded_aws as embedded_aws  # in a conftest.py or a test module

The server is real: a process of its own behind HTTP, which runs launched tasks as processes. It serves a whole test
session, so a test takes names of its own (`unique`), and the rules it sets are gone after it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest
from botocore.config import Config

from reconciler import local
from reconciler.local.signing import request
from tests.waiting import until

ACCOUNT = "123456789012"
REGION = "us-east-1"
T = TypeVar("T")
_numbers = itertools.count(1)


def unique(prefix: str = "t") -> str:
    """A name that no other test of this session uses."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


class EmbeddedAws:
    """Clients of a running embedded AWS, and what tests do with it again and again."""

    def __init__(self, running: local.LocalAws) -> None:
        self.running = running
        self.endpoint_url = running.endpoint_url
        self.home = running.home
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client that may do everything and tries once."""
        if service not in self._clients:
            self._clients[service] = self.new_client(service, **self.credentials)
        return self._clients[service]

    @property
    def credentials(self) -> dict[str, str]:
        """Its owner's, as boto3's functions take them."""
        keys = self.running.keys
        return {"aws_access_key_id": keys.access_key_id, "aws_secret_access_key": keys.secret_access_key}

    @property
    def session(self) -> Any:
        """A boto3 session that may do everything."""
        return boto3.session.Session(**self.credentials, region_name=REGION)

    def new_client(self, service: str, **credentials: str) -> Any:
        """A boto3 client with these credentials that tries once."""
        session: Any = boto3.session.Session()
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
        return session.client(service, region_name=REGION, endpoint_url=self.endpoint_url, config=config, **credentials)

    def control(self, method: str, name: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """(status, JSON answer) of the control endpoint."""
        keys = self.running.keys
        return request(self.endpoint_url, keys, method, f"/_reconciler/{name}", body, headers=headers)

    def behaviour(self, *rules: Mapping[str, object]) -> None:
        """Set the rules in force (docs/local.md)."""
        status, answer = self.control("POST", "behaviour", list(rules))
        assert status == 200, answer

    def put_image(
        self,
        files: Mapping[str, str],
        entrypoint: Sequence[str] | None = None,
        cmd: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        repository: str | None = None,
        tag: str = "latest",
    ) -> str:
        """Put a process image in place as a build and a push would; returns its reference by digest."""
        repository = repository or unique("repo")
        ecr = self.client("ecr")
        known = {item["repositoryName"] for item in ecr.describe_repositories()["repositories"]}
        if repository not in known:
            ecr.create_repository(repositoryName=repository)
        config = {"entrypoint": entrypoint, "cmd": cmd, "env": dict(env or {})}
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "annotations": {"test": json.dumps([sorted(files.items()), config])},
            }
        )
        digest = hashlib.sha256(manifest.encode()).hexdigest()
        folder = self.home / "images" / digest
        for name, text in files.items():
            path = folder / "rootfs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "rootfs").mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
        ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag, imageDigest=f"sha256:{digest}")
        return f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{repository}@sha256:{digest}"

    def python_image(self, source: str, **options: Any) -> str:
        """An image whose program is this Python source."""
        return self.put_image({"main.py": source}, cmd=["python", "main.py"], **options)

    def cluster(self) -> str:
        """The name of a cluster with FARGATE and FARGATE_SPOT, made if need be."""
        self.client("ecs").create_cluster(clusterName="tests", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        return "tests"

    def subnet(self) -> str:
        """The id of a subnet of the default VPC."""
        return str(self.client("ec2").describe_subnets()["Subnets"][0]["SubnetId"])

    def container(self, image: str, name: str = "main", **more: Any) -> dict[str, Any]:
        """A container definition that logs to the group /tests, which is made on demand."""
        options = {
            "awslogs-group": "/tests",
            "awslogs-region": REGION,
            "awslogs-stream-prefix": "run",
            "awslogs-create-group": "true",
        }
        return {
            "name": name,
            "image": image,
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **more,
        }

    def role(
        self,
        name: str,
        *statements: Mapping[str, object],
        managed: Sequence[str] = (),
        service: str = "ecs-tasks.amazonaws.com",
    ) -> str:
        """The ARN of a role for tasks or a service, with these statements and AWS managed policies; made if need be."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
            for policy in managed:
                iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:aws:iam::aws:policy/{policy}")
            if statements:
                document = json.dumps({"Version": "2012-10-17", "Statement": statements})
                iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=document)
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def register(self, *containers: dict[str, Any], cpu: str = "256", memory: str = "512", **more: Any) -> str:
        """Register a Fargate task definition of a new family, with roles that may do everything; returns the family."""
        family = str(more.pop("family", None) or unique("family"))
        if "executionRoleArn" not in more or "taskRoleArn" not in more:
            everything = self.role("tests-everything", {"Effect": "Allow", "Action": "*", "Resource": "*"})
            more = {"executionRoleArn": everything, "taskRoleArn": everything, **more}
        self.client("ecs").register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu=cpu,
            memory=memory,
            containerDefinitions=list(containers),
            **more,
        )
        return family

    def run_task(self, family: str, **more: Any) -> Any:
        """RunTask's answer."""
        network = {"awsvpcConfiguration": {"subnets": [self.subnet()], "assignPublicIp": "ENABLED"}}
        if "capacityProviderStrategy" not in more:
            more.setdefault("launchType", "FARGATE")
        more.setdefault("networkConfiguration", network)
        return self.client("ecs").run_task(cluster=self.cluster(), taskDefinition=family, **more)

    def launch(self, family: str, **more: Any) -> str:
        """Launch one task; returns its ARN."""
        answer = self.run_task(family, **more)
        assert not answer["failures"], answer["failures"]
        return str(answer["tasks"][0]["taskArn"])

    def launch_python(self, source: str, container: Mapping[str, Any] | None = None, **more: Any) -> str:
        """Launch one task that runs this Python source; returns its ARN."""
        return self.launch(self.register(self.container(self.python_image(source), **(container or {}))), **more)

    def describe(self, arn: str) -> Any:
        """The task as DescribeTasks shows it, with tags."""
        answer = self.client("ecs").describe_tasks(cluster="tests", tasks=[arn], include=["TAGS"])
        assert not answer["failures"], answer["failures"]
        return answer["tasks"][0]

    def in_status(self, arn: str, status: str, seconds: float = 20.0) -> Any:
        """The task once it has this status."""

        def look() -> Any:
            task = self.describe(arn)
            return task if task["lastStatus"] == status else None

        return until(look, f"{status} of {arn}", seconds)

    def finished(self, arn: str, seconds: float = 20.0) -> Any:
        """The task once it has stopped."""
        return self.in_status(arn, "STOPPED", seconds)

    def lines(self, arn: str, container: str = "main") -> list[str]:
        """All lines of a container's log that are there now."""
        logs = self.client("logs")
        found: list[str] = []
        token: dict[str, str] = {}
        stream = f"run/{container}/{arn.split('/')[-1]}"
        while True:
            page = logs.get_log_events(logGroupName="/tests", logStreamName=stream, startFromHead=True, **token)
            found += [event["message"] for event in page["events"]]
            if token.get("nextToken") == page["nextForwardToken"]:
                return found
            token = {"nextToken": page["nextForwardToken"]}


@pytest.fixture(scope="session")
def embedded_aws_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    """A running embedded AWS in a folder of its own, stopped at the end of the session."""
    home: Path = tmp_path_factory.mktemp("local") / "home"
    try:
        yield EmbeddedAws(local.ensure_running(home))
    finally:
        local.stop(home)


@pytest.fixture
def embedded_aws(embedded_aws_session: EmbeddedAws) -> Iterator[EmbeddedAws]:
    """The session's embedded AWS; the rules that the test sets are gone after it."""
    yield embedded_aws_session
    embedded_aws_session.behaviour()
