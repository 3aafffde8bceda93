"""A CI job takes its role by itself and keeps it: real connections; the clock is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.session import Session

from reconciler.aws.calls import Aws
from reconciler.aws.credentials import NoRole, RoleRefused
from reconciler.aws.job_role import JobRole, chosen, session_name
from reconciler.core.errors import ReconcilerError, Unreachable, UserError
from reconciler.core.job_token import missing
from reconciler.core.secret import KNOWN
from reconciler.image.docker import all_engines
from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.federation import CUT, HOST, HOUR, SECRET, Federation, federation
from tests.lab_client import LabHandle

ROLE = "arn:aws:iam::123456789012:role/tiny-ci"
WHO = "arn:aws:sts::123456789012:assumed-role/tiny-ci/tiny-77"
IN_CHINA = "arn:aws-cn:iam::123456789012:role/path/x"
JOB = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
TRUST = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
"Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/HOST"}, "Condition": {"StringEquals": {
"HOST:sub": ["repo:owner/tiny:ref:refs/heads/main"], "HOST:aud": "sts.amazonaws.com"}}}]}""".replace("HOST", HOST)


class Time:
    """A clock that goes on when it is told to, and whose sleep is that."""

    def __init__(self) -> None:
        self.seconds = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def github(lab: LabHandle, clock: Time) -> Iterator[Federation]:
    lab.client("iam").create_role(RoleName="tiny-ci", AssumeRolePolicyDocument=TRUST)
    with federation(lab.client, clock.now) as made:
        yield made


def role_of(github: Federation, clock: Time) -> JobRole:
    none = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "none")
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    return JobRole(
        github.environment(ROLE),
        lambda: Session().create_client("sts", "us-east-1", endpoint_url=github.url, config=config, **none),
        lambda: datetime.fromtimestamp(clock.now(), UTC),
        clock.sleep,
    )


def test_credentials_last_for_five_hours_of_a_job(github: Federation, clock: Time) -> None:
    credentials = role_of(github, clock).load()
    assert credentials is not None
    used, began = set(), clock.now()
    while clock.now() < began + 5 * HOUR:
        if began + 40 * 60 < clock.now() < began + 58 * 60:
            github.answers = [503, 503, 503, 503]  # GitHub fails while the credentials still do
        key = credentials.get_frozen_credentials().access_key
        assert github.sessions[key] > clock.now(), "an ended one would be used"
        used.add(key)
        clock.seconds += 60
    assert len(used) in (6, 7)
    assert set(github.names) == {"tiny-77"}
    assert len(github.tokens) == len(used)


def test_a_long_outage_is_one_that_is_waited_for(github: Federation, clock: Time, lab: LabHandle) -> None:
    """Whoever watches a task waits for AWS in the same way."""
    session = Session()
    session.get_component("credential_provider").insert_before("env", role_of(github, clock))
    with Aws("us-east-1", session=session, endpoint_url=lab.url, clock=clock) as aws:
        assert aws.call("sts", "GetCallerIdentity")["Arn"] == WHO
        clock.seconds += HOUR
        github.answers = [503] * 8
        assert aws.call("sts", "GetCallerIdentity")["Arn"] == WHO
        clock.seconds += HOUR
        github.answers = [500] * 500
        with pytest.raises(Unreachable, match="GitHub gives this job no token: GitHub answered 500"):
            aws.call("sts", "GetCallerIdentity")
        assert len(github.answers) < 490, "it was tried again"
        github.answers, github.refusals = [], [(403, "AccessDenied")] * 9
        clock.seconds += HOUR
        with pytest.raises(RoleRefused):  # which waiting doesn't end
            aws.call("sts", "GetCallerIdentity")
        assert len(github.refusals) == 8


@pytest.mark.parametrize(
    ("answers", "refusals", "kind", "says"),
    [
        ([503, 429, b"", 200], [], None, ""),
        ([403], [], UserError, "GitHub gives this job no token: GitHub answered 403"),
        ([302], [], UserError, "GitHub answered 302"),
        ([500] * 4, [], NoRole, "GitHub answered 500 run the command again"),
        ([b"<html>"] * 4, [], NoRole, "GitHub's answer isn't JSON"),
        ([b"[" * 60_000] * 4, [], NoRole, "GitHub's answer isn't JSON"),
        ([CUT] * 4, [], NoRole, "GitHub doesn't answer: IncompleteRead"),
        ([b"[]"] * 4, [], NoRole, "GitHub's answer has no token"),
        ([b'{"value": "a\\nb"}'] * 4, [], NoRole, "GitHub's answer has no token"),
        ([], [(400, "InvalidIdentityToken")], UserError, "that makes the provider in IAM"),
        ([], [(400, "ExpiredTokenException")], UserError, "let the job run again"),
        ([], [(403, "AccessDenied")], RoleRefused, "the role's trust has to name whom the token names"),
        ([], [(503, "ServiceUnavailable")], NoRole, "sts:AssumeRoleWithWebIdentity failed: ServiceUnavailable"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said(
    answers: list[int | bytes], refusals: list[tuple[int, str]], kind: type[ReconcilerError] | None, says: str,
    github: Federation, clock: Time,
) -> None:  # fmt: skip
    github.answers, github.refusals = list(answers), list(refusals)
    if kind is None:
        credentials = role_of(github, clock).load()
        assert credentials is not None
        assert KNOWN.hide(f"{credentials.secret_key} {github.tokens[0]} {credentials.token}").count("hidden") == 3
        return
    with pytest.raises(kind) as raised:
        role_of(github, clock).load()
    assert type(raised.value) is kind
    told = f"{raised.value.message} {raised.value.hint}"
    assert says in told
    assert not any(secret in told for secret in (SECRET, *github.tokens))


def test_another_branch_may_not(github: Federation, clock: Time) -> None:
    github.subject = "repo:owner/tiny:ref:refs/heads/other"
    with pytest.raises(RoleRefused, match="Not authorized"):
        role_of(github, clock).load()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (JOB | {"AWS_ROLE_ARN": ROLE}, ROLE),
        (JOB | {"AWS_ROLE_ARN": f" {ROLE}\n"}, ROLE),
        (JOB | {"AWS_ROLE_ARN": IN_CHINA}, IN_CHINA),
        (JOB | {"AWS_ROLE_ARN": ""}, ""),
        (JOB, ""),
        (JOB | {"AWS_ROLE_ARN": ROLE, "GITHUB_ACTIONS": ""}, ""),
        (JOB | {"AWS_ROLE_ARN": ROLE, "AWS_PROFILE": "mine"}, ""),
        (JOB | {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "token"}, ""),
        (JOB | {"AWS_ROLE_ARN": ROLE, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, ""),
    ],
)  # fmt: skip
def test_which_role_a_job_takes(environ: dict[str, str], expected: str) -> None:
    assert chosen(environ) == expected


@pytest.mark.parametrize("role", ["tiny-ci", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x", f"{ROLE} x"])
def test_what_is_no_role(role: str) -> None:
    with pytest.raises(UserError, match="is no role's ARN"):
        chosen(JOB | {"AWS_ROLE_ARN": role})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, ""),
        (JOB | {"AWS_ROLE_ARN": ROLE}, ""),
        (JOB, "set AWS_ROLE_ARN in the step's `env:`, so that it takes a role: docs/github-actions.md"),
        ({"GITHUB_ACTIONS": "true", "AWS_ROLE_ARN": ROLE}, "let the job have `permissions: {id-token: write}`,"),
        ({"GITHUB_ACTIONS": "true"}, "write}` and set AWS_ROLE_ARN"),
    ],
)  # fmt: skip
def test_what_a_job_lacks(environ: dict[str, str], says: str) -> None:
    assert says in missing(environ)
    assert bool(missing(environ)) is bool(says)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "ci-job"),
        ({"AWS_ROLE_SESSION_NAME": "mine", "GITHUB_RUN_ID": "7"}, "mine"),
        ({"GITHUB_REPOSITORY": "o/tiny", "GITHUB_RUN_ID": "7"}, "tiny-7"),
        ({"GITHUB_REPOSITORY": f"o/{'x' * 90}", "GITHUB_RUN_ID": "7"}, f"{'x' * 62}-7"),
        ({"GITHUB_REPOSITORY": "o/\u00e9 y", "GITHUB_RUN_ID": "7"}, "--y-7"),
    ],
)
def test_who_it_is_in_cloudtrail(environ: dict[str, str], expected: str) -> None:
    assert session_name(environ) == expected


SPY = "#!/bin/sh\n/usr/bin/env > {file}.$$\nexit 1\n"


def test_a_job_applies_without_keys(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys of the environment go before; neither git nor a container engine gets what asks for tokens."""
    project.write("deploy.yaml", DEPLOY.replace("user: {}", "github: {repository: owner/tiny}"))
    seen = tmp_path / "seen"
    seen.mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "docker", "podman"):
        (programs / name).write_text(SPY.format(file=seen / name))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with federation(project.lab.client) as github:
        for name, value in github.environment(ROLE).items():
            monkeypatch.setenv(name, value)
        project.ok("apply")
        assert not github.tokens, "keys that are in the environment go before"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        project.lab.zero()
        github.lives = [30.0]  # so that the next call needs new ones
        done = project.ok("apply", "--verbose")
        assert len(github.sessions) >= 2
        doctor = project.run("doctor")
        assert "credentials: of the role in AWS_ROLE_ARN, by this job's token, until" in doctor.out
        assert f"({WHO})" in doctor.out
        told = done.out + done.err + doctor.out + doctor.err
        assert not any(secret in told for secret in (SECRET, *github.tokens))
        github.answers = [503] * 99
        doctor = project.run("doctor")
        assert "GitHub answered 503" in doctor.out, "told among all else"
        assert "clock: right" in doctor.out
        github.answers = []
        monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
        lost = project.run("plan")
        assert (lost.code, "let the job have `permissions: {id-token: write}`" in lost.err) == (2, True), lost.err
    monkeypatch.setenv("PATH", str(programs))  # no engine of the machine
    assert all_engines(os.environ | JOB) == []
    environments = [path.read_text() for path in seen.iterdir()]
    assert {path.name.partition(".")[0] for path in seen.iterdir()} == {"git", "docker", "podman"}
    assert not any("ACTIONS_ID_TOKEN_REQUEST" in environment for environment in environments)
