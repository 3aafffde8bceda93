"""`doctor`: each problem is seen and said with what to do, no secret is shown, and nobody is waited for."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import socketserver
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from reconciler.checks import doctor
from tests.cli.test_json import holds
from tests.command import main
from tests.engine.project import DEPLOY
from tests.faults.case import error
from tests.faults.test_permissions import IS_ME, simulate
from tests.lab_client import LabHandle
from tests.serving import serving


class Machine:
    """A folder, an environment, and the command."""

    def __init__(self, folder: Path, lab: LabHandle) -> None:
        self.folder, self.lab = folder, lab
        (folder / "deploy.yaml").write_text(DEPLOY)
        (folder / "prices.csv").write_text("a,b\n1,2\n")
        (folder / "bin").mkdir()
        iam = lab.client("iam")
        iam.create_user(UserName="someone")
        iam.attach_user_policy(UserName="someone", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        self.secret = key["SecretAccessKey"]
        lab.zero()
        self.environ = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder),
            "XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"],
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": lab.url, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def program(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        (self.folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / "bin" / name).chmod(0o755)

    def doctor(self, *arguments: str, **environ: str | None) -> tuple[int, str]:
        """(exit code, output); a variable that is None isn't set."""
        given = {k: v for k, v in {**self.environ, **environ}.items() if v is not None}
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, given, clear=True), contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        ):  # fmt: skip
            code = main(["doctor", *arguments])
        text = out.getvalue() + err.getvalue()
        assert self.secret not in text
        assert "bug of ours" not in text
        return code, text

    def line(self, check: str, **environ: str | None) -> str:
        """What it says of one check, with its fix."""
        lines = self.doctor(**environ)[1].splitlines()
        at = next(i for i, line in enumerate(lines) if line[6:].startswith(f"{check}: "))
        return "\n".join(lines[at : at + 2] if lines[at].startswith("NG") else lines[at : at + 1])


@pytest.fixture
def machine(lab: LabHandle, tmp_path: Path) -> Machine:
    return Machine(tmp_path, lab)


def test_all_is_well(machine: Machine, lab: LabHandle) -> None:
    code, text = machine.doctor()
    assert code == 0, text
    assert "OK    credentials: from the environment; they don't end" in text
    assert "OK    account: 123456789012 (" in text
    assert "OK    region: us-east-1, as the file says" in text
    assert "OK    clock: right to the second" in text
    assert "OK    permissions to plan: all that a plan reads was read" in text
    assert "SKIP  Docker or Podman: not needed: image.uri names an image that exists" in text
    holds("doctor", machine.doctor("--json")[1])
    assert all(row["op"].startswith(("Get", "List", "Describe", "Head", "Simulate")) or "HEAD" in row["op"]
               for row in lab.log())  # fmt: skip


def test_without_network_it_says_so_soon(machine: Machine) -> None:
    code, text = machine.doctor(AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert code == 1
    assert "NG    account: AWS doesn't answer: " in text
    assert "fix: is something there to answer?" in text
    assert "SKIP  clock: AWS doesn't answer: " in text
    assert "SKIP  permissions to plan: AWS doesn't say who asks" in text


def test_credentials(machine: Machine, lab: LabHandle) -> None:
    none: dict[str, Any] = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    assert machine.line("credentials", **none).startswith("NG    credentials: none were found\n      fix: run `aws con")
    unknown = machine.line("credentials", AWS_PROFILE="nobody")
    assert "The config profile (nobody) could not be found\n      fix: check AWS_PROFILE" in unknown
    assert "NG    credentials: Partial credentials" in machine.line("credentials", AWS_SECRET_ACCESS_KEY=None)
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))
    held = {
        "Version": 1,
        "AccessKeyId": "ASIA",
        "SecretAccessKey": machine.secret,
        "SessionToken": "t",
        "Expiration": soon,
    }
    (machine.folder / "keys.json").write_text(json.dumps(held))
    (machine.folder / ".aws").mkdir()
    (machine.folder / ".aws" / "config").write_text(
        f"[profile short]\nregion = us-east-1\ncredential_process = cat {machine.folder / 'keys.json'}\n"
    )
    ending = machine.line("credentials", **none, AWS_PROFILE="short")
    assert ending.startswith("NG    credentials: from a credential process, until ")
    assert "renew them before a deployment" in ending
    lab.rules(error("sts", "GetCallerIdentity", "ExpiredToken", "The token has expired", times=-1, status=403))
    refused = machine.line("account")
    assert refused.startswith("NG    account: AWS refuses the credentials: The token has expired")
    assert "aws sso login" in refused


def test_the_account_and_the_file(machine: Machine) -> None:
    (machine.folder / "deploy.yaml").write_text(DEPLOY + 'account: "999999999999"\n')
    assert "and the file says 999999999999\n      fix: use the credentials of that account" in machine.line("account")
    (machine.folder / "deploy.yaml").write_text(DEPLOY + "environments: {eu: {region: eu-west-1}}\n")
    assert "OK    region: eu-west-1, as the file says" in machine.doctor("--env", "eu")[1]
    (machine.folder / "deploy.yaml").write_text("name: tiny\nnmae: x\n")
    assert machine.line("deploy.yaml").startswith("NG    deploy.yaml: ")
    (machine.folder / "deploy.yaml").unlink()
    (machine.folder / "deploy.yaml").symlink_to("/proc/self/mem")  # which not even root can read
    assert "the file can't be read" in machine.line("deploy.yaml")
    (machine.folder / "deploy.yaml").unlink()
    assert machine.line("deploy.yaml").startswith("SKIP  deploy.yaml: not there")
    assert machine.line("region").startswith("NG    region: none is set\n      fix: set AWS_REGION")
    assert machine.line("region", AWS_DEFAULT_REGION="eu-west-1").startswith("OK    region: eu-west-1")


def test_the_clock(machine: Machine, lab: LabHandle) -> None:
    lab.ahead(400)  # it answers in whole seconds
    behind = machine.line("clock")
    assert re.match(r"NG    clock: (399|400|401) s behind AWS's\n      fix: set it", behind)
    lab.ahead(-60)
    assert re.match(r"OK    clock: (59|60|61) s ahead of AWS's$", machine.line("clock"))


@pytest.mark.parametrize(
    "date", [b"HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"hello\r\n"]
)
def test_an_answer_that_tells_no_time(date: bytes) -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(date)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server, serving(server):
        assert doctor.clock(f"http://127.0.0.1:{server.server_address[1]}/").state == "SKIP"


def test_permissions_to_plan(machine: Machine, lab: LabHandle) -> None:
    lab.rules(IS_ME, simulate("iam:GetRole", "s3:ListBucket"))
    missing = machine.line("permissions to plan")
    assert missing.startswith(
        "NG    permissions to plan: missing: iam:GetRole, s3:ListBucket\n      fix: python -m reconc"
    )
    lab.rules(IS_ME, simulate())
    assert machine.line("permissions to plan").endswith("says IAM's simulator")
    lab.rules(error("ecs", "DescribeClusters", "AccessDeniedException", times=-1))
    assert "ecs:DescribeClusters" in machine.line("permissions to plan")


def test_the_container_engine(machine: Machine) -> None:
    text = DEPLOY.replace("  uri: python:3.13-slim\n", "  context: .\n")
    (machine.folder / "deploy.yaml").write_text(text)
    (machine.folder / "Dockerfile").write_text("FROM scratch\n")
    only = {"PATH": str(machine.folder / "bin")}
    assert machine.line("Docker or Podman", **only).startswith(
        "NG    Docker or Podman: neither docker nor podman is on"
    )
    machine.program("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    assert "Cannot connect to the Docker daemon" in machine.line("Docker or Podman", **only)
    assert "start the engine" in machine.line("Docker or Podman", **only)
    machine.program("docker", '[ "$1" = version ] && echo "28.2.2 28.2.2"')
    assert machine.line("Docker or Podman", **only).startswith("OK    Docker or Podman: Docker 28.2.2")


def test_git(machine: Machine) -> None:
    only = {"PATH": str(machine.folder / "bin")}
    assert machine.line("git", **only).startswith("SKIP  git: isn't installed, and nothing here asks for it")
    with (machine.folder / "deploy.yaml").open("a") as file:
        file.write("tags: {commit: '${git.sha:-none}'}\n")
    assert machine.line("git", **only) == "NG    git: isn't installed\n      fix: install git"
    assert machine.line("git").startswith("OK    git: there; this folder has no commit")
