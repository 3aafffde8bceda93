"""Credentials that botocore has to ask for: by `aws sso login`, with its real client against a server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore
import pytest

from reconciler.aws import clients
from reconciler.aws.service_models import KNOWN

ROOT = Path(__file__).parents[2]
CONFIG = """\
[default]
sso_session = work
sso_account_id = 123456789012
sso_role_name = Trainer
region = us-east-1
[sso-session work]
sso_region = us-east-1
sso_start_url = https://work.awsapps.com/start
sso_registration_scopes = sso:account:access
[profile failing]
credential_process = /bin/false
"""
IDENTITY = b"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:sts::123456789012:assumed-role/Trainer/me</Arn><UserId>X</UserId><Account>123456789012</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetCallerIdentityResponse>
"""


class Server(BaseHTTPRequestHandler):
    """IAM Identity Center and STS."""

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        keys = {"accessKeyId": "ASIASSO", "secretAccessKey": "s", "sessionToken": "t", "expiration": 4102444800000}
        sso = self.path.startswith("/federation/credentials?role_name=Trainer&account_id=123456789012")
        token, signed = self.headers.get("x-amz-sso_bearer_token"), self.headers.get("Authorization", "")
        good = token == "good" if sso else "ASIASSO" in signed and "/sts/" in signed
        body = json.dumps({"roleCredentials": keys}).encode() if sso else IDENTITY
        body = body if good else b'{"message": "Session token not found or invalid"}' if sso else b""
        self.send_response(200 if good else 401)
        self.send_header("x-amzn-requestid", "1")
        if not good:
            self.send_header("x-amzn-errortype", "UnauthorizedException")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Nothing."""


class Machine:
    """Somebody's machine, whose ~/.aws/config names an SSO session."""

    def __init__(self, home: Path, url: str) -> None:
        self.home, self.url = home, url
        (home / ".aws" / "sso" / "cache").mkdir(parents=True)
        (home / ".aws" / "config").write_text(CONFIG)
        (home / "deploy.yaml").write_text("name: tiny\nimage: {uri: nginx}\n")

    def log_in(self, token: str) -> None:
        """What `aws sso login` leaves."""
        name = hashlib.sha1(b"work", usedforsecurity=False).hexdigest()
        kept = {"accessToken": token, "expiresAt": "2099-01-01T00:00:00Z", "startUrl": "https://work.awsapps.com/start"}
        (self.home / ".aws" / "sso" / "cache" / f"{name}.json").write_text(json.dumps(kept))

    def run(self, *arguments: str, **environ: str) -> tuple[int, str]:
        """A command, in a process of its own, since botocore looks for its home once: exit code, what it prints."""
        given = {
            "HOME": str(self.home), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        command = [sys.executable, "-m", "reconciler", *arguments]
        done = subprocess.run(command, cwd=self.home, env=given | environ, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield Machine(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def test_who_has_logged_in_may_go_on(machine: Machine) -> None:
    machine.log_in("good")
    said = machine.run("doctor")[1]
    assert "OK    credentials: from AWS IAM Identity Center, until 2100-01-01 00:00 UTC" in said
    assert "OK    account: 123456789012 (arn:aws:sts::123456789012:assumed-role/Trainer/me)" in said


@pytest.mark.parametrize(
    ("token", "said"), [("", "Error loading SSO Token: Token for work does not exist"), ("old", "The SSO session")]
)
def test_who_has_not_is_told_how(token: str, said: str, machine: Machine) -> None:
    if token:
        machine.log_in(token)
    code, told = machine.run("plan")
    assert code == 2
    assert told.startswith(f"error: no AWS credentials: {said}")
    assert told.endswith("\n  run `aws sso login` for the same AWS_PROFILE, then this again\n")
    assert "Traceback" not in told


def test_a_program_that_gives_none(machine: Machine) -> None:
    code, told = machine.run("plan", AWS_PROFILE="failing")
    said = "error: no AWS credentials: Error when retrieving credentials from custom-process\n"
    assert (code, told) == (2, f"{said}  check AWS_PROFILE and ~/.aws/config\n")


def test_every_service_that_botocore_asks_for_credentials_is_known() -> None:
    """Its loader of models knows only those, and would say that there is no such service."""
    found = set()
    for name in ("credentials.py", "tokens.py", "utils.py"):
        text = (Path(botocore.__file__).parent / name).read_text()
        found |= set(re.findall(r"(?:client_creator|create_client|nested_client)\([^)\"']*[\"']([a-z-]+)[\"']", text))
    assert found >= {"sts", "sso", "sso-oidc"}
    assert found <= set(KNOWN)
    session = clients.new_session("a", "b")
    for name in found:
        assert session.create_client(name, region_name="eu-west-1").meta.endpoint_url.startswith("https://")
