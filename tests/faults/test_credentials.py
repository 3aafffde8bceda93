"""Credentials that botocore has to ask for: by `aws sso login`, with its real client against a server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore
import pytest

from reconciler.aws import clients
from reconciler.aws.calls import Aws
from reconciler.aws.service_models import KNOWN
from reconciler.core.errors import UserError
from tests.serving import serving

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
    with serving(server):
        yield Machine(tmp_path, f"http://127.0.0.1:{server.server_port}")


def test_who_has_logged_in_may_go_on(machine: Machine) -> None:
    machine.log_in("good")
    report = machine.run("doctor")[1]
    assert "OK    credentials: from AWS IAM Identity Center, until 2100-01-01 00:00 UTC" in report
    assert "OK    account: 123456789012 (arn:aws:sts::123456789012:assumed-role/Trainer/me)" in report


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


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"AWS_METADATA_SERVICE_TIMEOUT": "abc"}, "check AWS_METADATA_SERVICE_TIMEOUT and"),  # botocore: int() of 'abc'
        ({"AWS_STS_REGIONAL_ENDPOINTS": "foo"}, "check AWS_STS_REGIONAL_ENDPOINTS and"),
        ({"AWS_DEFAULTS_MODE": "foo"}, "check AWS_DEFAULTS_MODE and"),
        ({"AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "x"}, "check AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES and"),
        ({"AWS_PROFILE": "gone"}, "check AWS_PROFILE and"),
        (
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/gone",
            },
            "check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE and",
        ),
        (
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/gone", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci"},
            "check AWS_WEB_IDENTITY_TOKEN_FILE and",
        ),
        ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "no-slash"}, "look at AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"}, "look at AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ],
)
def test_a_wrong_value_is_told_with_the_variable_that_has_it(
    environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **environ}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as told:
        _ = Aws("us-east-1").account
    assert told.value.hint.removesuffix(" ~/.aws/config") == said


def test_a_program_that_gives_none(machine: Machine) -> None:
    code, told = machine.run("plan", AWS_PROFILE="failing")
    said = "error: no AWS credentials: Error when retrieving credentials from custom-process\n"
    assert (code, told) == (2, f"{said}  check AWS_PROFILE and ~/.aws/config\n")


def test_every_service_that_botocore_asks_for_credentials_is_known() -> None:
    """Its loader of models knows only those, and would say that there is no such service."""
    services = set()
    for name in ("credentials.py", "tokens.py", "utils.py"):
        text = (Path(botocore.__file__).parent / name).read_text()
        services |= set(
            re.findall(r"(?:client_creator|create_client|nested_client)\([^)\"']*[\"']([a-z-]+)[\"']", text)
        )
    assert services >= {"sts", "sso", "sso-oidc"}
    assert services <= set(KNOWN)
    session = clients.new_session("a", "b")
    for name in services:
        assert session.create_client(name, region_name="eu-west-1").meta.endpoint_url.startswith("https://")


PROFILES = (
    CONFIG.replace("[default]", "[profile sso]").replace("[profile failing]", "[profile false]")
    + """\
[profile nojson]
credential_process = echo hello
[profile list]
credential_process = echo '[1]'
[profile failing]
credential_process = sh -c 'echo no ticket >&2; exit 3'
[profile gone]
credential_process = /no/such/program
[profile ended]
credential_process = echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b", "SessionToken": "c", \
"Expiration": "2020-01-01T00:00:00Z"}'
[profile null]
credential_process = echo '{"Version": 1, "AccessKeyId": null, "SecretAccessKey": "hidden1"}'
[profile number]
credential_process = echo '{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": 12}'
[profile quote]
credential_process = echo 'hidden1
[profile base]
aws_access_key_id = AKIAX
aws_secret_access_key = b
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/x
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/me
"""
)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hidden1"}
URI = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
CANNOT_WORK = [
    ({**KEYS, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE\n"}, "the access key ends with a line break; set it anew"),
    ({**KEYS, "AWS_SECRET_ACCESS_KEY": "hidden1\r\n"}, "the secret access key ends with a line break; set it anew"),
    ({**KEYS, "AWS_SESSION_TOKEN": " hidden1"}, "the session token begins or ends with a space; set it anew"),
    ({**KEYS, "AWS_ACCESS_KEY_ID": "AKIA\u00e9"}, "the access key has characters that no key has; set it anew"),
    ({**KEYS, "AWS_ENDPOINT_URL": "127.0.0.1:99"}, "AWS_ENDPOINT_URL: '127.0.0.1:99' is no URL"),
    ({**KEYS, "AWS_ENDPOINT_URL": "http://"}, "AWS_ENDPOINT_URL: 'http://' is no URL"),
    ({**KEYS, "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "no:1"}, "AWS_ENDPOINT_URL_S3: 'no:1' is no URL"),
    ({**KEYS, "AWS_ENDPOINT_URL": "http://[1"}, "AWS_ENDPOINT_URL: 'http://[1' is no URL"),
    ({URI: "http://example.com/x"}, "Unsupported host 'example.com'"),
    ({"AWS_PROFILE": "nojson"}, "what hands them out answered something else than credentials in JSON"),
    ({"AWS_PROFILE": "list"}, "what hands them out answered something else than credentials in JSON"),
    ({"AWS_PROFILE": "failing"}, "Error when retrieving credentials from custom-process: no ticket"),
    ({"AWS_PROFILE": "gone"}, "/no/such/program: No such file or directory"),
    ({"AWS_PROFILE": "ended"}, "they have ended, and new ones that were asked for had too"),
    ({"AWS_PROFILE": "null"}, "the access key that was handed out isn't text"),
    ({"AWS_PROFILE": "number"}, "the secret access key that was handed out isn't text"),
    ({"AWS_PROFILE": "quote"}, "the credential_process of this profile has a quote that isn't closed"),
    ({"AWS_PROFILE": "sso"}, "what was kept of the last login can't be read"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "latin", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ci"},
     "the file of the token has something else in it"),
    ({URI: "http://127.0.0.1:9/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\nb"}, "the token for them, or the answer"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "marked"}, "marked:1: it begins with a byte order mark"),
    ({"AWS_PROFILE": "mfa"}, "this profile wants an MFA code, and there is no terminal to ask at"),
    ({"AWS_PROFILE": "of-nobody"}, "The config profile (of-nobody) could not be found"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "twice"}, "twice:4: this section is there twice"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "no-section"}, "no-section:1: there is no [section] before this line"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "words"}, "words:2: this is neither [section] nor key = value"),
    ({"AWS_SHARED_CREDENTIALS_FILE": "latin"}, "latin:3: this isn't UTF-8"),
]  # fmt: skip


def test_a_file_that_is_named_and_is_not_there_is_said(machine: Machine) -> None:
    told = machine.run("plan", AWS_CONFIG_FILE="/no/such", AWS_SHARED_CREDENTIALS_FILE="/")[1]
    assert told.splitlines()[1:] == [
        "  AWS_CONFIG_FILE names /no/such, which is no file; AWS_SHARED_CREDENTIALS_FILE names /, which is no file"
    ]


def test_a_profile_without_a_region_asks_for_its_role_in_that_of_the_file(machine: Machine) -> None:
    (machine.home / ".aws/config").write_text(PROFILES.replace("mfa_serial", "role_session_name = me #"))
    told = machine.run("plan", AWS_PROFILE="mfa")[1]
    assert told.startswith("error: no AWS credentials: who was asked for them gave an answer that isn't AWS's\n"), told


@pytest.fixture
def configured(machine: Machine) -> Machine:
    (machine.home / ".aws/config").write_text(PROFILES)
    keys = "aws_access_key_id = hidden1\n"
    (machine.home / "twice").write_text(f"[default]\n{keys}[a]\n[default]\n{keys}")
    (machine.home / "no-section").write_text(keys)
    (machine.home / "marked").write_text(f"\ufeff[default]\n{keys}")
    machine.log_in("good")
    kept = next((machine.home / ".aws/sso/cache").iterdir())
    kept.write_text(kept.read_text()[:20])
    (machine.home / "words").write_text("[default]\nhidden1\n")
    (machine.home / "latin").write_bytes(f"[default]\n{keys}# caf\u00e9\n".encode("latin-1"))
    return machine


@pytest.mark.share(4)
@pytest.mark.parametrize(("environ", "said"), CANNOT_WORK)
def test_what_cannot_work_is_one_message_at_once(environ: dict[str, str], said: str, configured: Machine) -> None:
    code, told = configured.run("plan", **{"AWS_EC2_METADATA_DISABLED": "true", **environ})
    assert code == 2, told
    assert told.startswith("error: ")
    assert said in told.splitlines()[0]
    assert "waiting" not in told, "it was tried again"
    assert "bug of ours" not in told
    assert "hidden1" not in told
    assert len(told.splitlines()) <= 3


@pytest.mark.share(4)
@pytest.mark.parametrize(("environ", "said"), CANNOT_WORK[8:14])
def test_doctor_says_the_same(environ: dict[str, str], said: str, configured: Machine) -> None:
    told = configured.run("doctor", **environ)[1]
    assert f"NG    credentials: {said}" in told
    assert "bug of ours" not in told


def test_the_embedded_aws_asks_no_file_and_no_variable(configured: Machine) -> None:
    """Nor a proxy, which has no way to this machine."""
    (configured.home / ".aws/config").write_text("[default]\n[default]\n")
    file = configured.home / "deploy.yaml"
    file.write_text("name: tiny\nimage: {uri: nginx}\n")
    inherited = {name: value for environ, _ in CANNOT_WORK for name, value in environ.items() if name != "AWS_PROFILE"}
    inherited |= dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    inherited |= {"AWS_RETRY_MODE": "of-nobody", "AWS_USE_FIPS_ENDPOINT": "true", "AWS_MAX_ATTEMPTS": "many"}
    try:
        for profile in ("of-nobody", "nojson"):
            code, told = configured.run("plan", "--local", AWS_PROFILE=profile, LC_ALL="C", **inherited)
            assert code == 0, told
            assert "embedded AWS on this machine" in told
    finally:
        configured.run("local", "stop")
