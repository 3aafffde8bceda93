"""How GitHub names a job, held against the file and the role: the line to change is said, and never the token."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.job_role import NoToken
from reconciler.checks.github_token import advice, subject, subject_of, trusts
from reconciler.config.schema import GitHub
from reconciler.core.canonical import policy
from tests.engine.project import DEPLOY, Project
from tests.engine.project import project as project
from tests.serving import serving

HOST = "token.actions.githubusercontent.com"
IDS = {"owner_id": "12", "repository_id": "34"}
MAIN = "ref:refs/heads/main"


def token(sub: object, iss: str = f"https://{HOST}") -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"iss": iss, "sub": sub}).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("fields", "named", "says"),
    [
        ({}, f"repo:o/n:{MAIN}", []),
        (IDS, f"repo:o@12/n@34:{MAIN}", []),
        (IDS | {"by_name_too": True}, f"repo:o/n:{MAIN}", []),
        ({"pull_requests": True}, "repo:o/n:pull_request", []),
        ({}, f"repo:o@12/n@34:{MAIN}", ['owner_id: "12", repository_id: "34"; then']),
        (IDS, f"repo:o@12/n@35:{MAIN}", ['owner_id: "12", repository_id: "35"; then']),
        (IDS, f"repo:o/n:{MAIN}", ["by_name_too: true; then"]),
        ({}, f"repo:O/n:{MAIN}", ["deploy.yaml: repository: O/n; then"]),
        (IDS, f"repo:o@12/new@34:{MAIN}", ["deploy.yaml: repository: o/new; then"]),
        ({}, "repo:o/n:ref:refs/heads/a/b", ["branch: a/b; then"]),
        ({}, "repo:o/n:pull_request", ["pull_requests: true; then"]),
        ({}, "repo:o@12/n@34:environment:prod", ["take `environment: prod` out", 'owner_id: "12"']),
        (IDS, "repo:o@12/n@34:environment:prod", ["take `environment: prod` out"]),
        ({}, "repo:o/n:ref:refs/tags/v1", ["run the job on the branch main"]),
        ({}, "repository_owner:o:context:x", ["a template of its own", "use_default=true"]),
    ],
)  # fmt: skip
def test_the_line_to_change(fields: dict[str, Any], named: str, says: list[str]) -> None:
    change = advice(GitHub(repository="o/n", **fields), named)
    assert bool(change) is bool(says)
    assert all(part in change for part in says), change


@pytest.mark.parametrize(
    "text", ["", "a", "a.b.c", "e30.e30.x", token("x", "https://evil.example/x"), token("x", f"https://evil/{HOST}")]
)
def test_what_is_no_token_of_githubs(text: str) -> None:
    with pytest.raises(NoToken):
        subject_of(text)


def test_a_subject_is_foreign_text() -> None:
    assert "\x1b" not in subject_of(token("repo:o/n:\x1b[2Jx\n::error::"))
    assert "\n" not in subject_of(token("repo:o/n:\x1b[2Jx\n::error::"))


def trust(**conditions: dict[str, Any]) -> Any:
    federated = {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{HOST}"}
    statement = {
        "Effect": "Allow",
        "Principal": federated,
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    }
    return policy({"Statement": [statement]})


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"StringEquals": {f"{HOST}:sub": f"repo:o/n:{MAIN}"}}, True),
        ({"StringEquals": {f"{HOST}:sub": ["x", f"repo:o/n:{MAIN}"], f"{HOST}:aud": "sts.amazonaws.com"}}, True),
        ({"StringLike": {f"{HOST.upper()}:sub": "repo:o/*"}}, True),
        ({"StringEquals": {f"{HOST}:sub": "repo:o/*"}}, False),
        ({"StringLike": {f"{HOST}:sub": "repo:p/*"}}, False),
        ({"StringEquals": {f"{HOST}:aud": "sts.amazonaws.com"}}, True),
    ],
)
def test_trusts(conditions: dict[str, Any], expected: bool) -> None:
    assert trusts(trust(**conditions), f"repo:o/n:{MAIN}") is expected
    assert not trusts(policy({"Statement": []}), f"repo:o/n:{MAIN}")


class Service(BaseHTTPRequestHandler):
    """GitHub's, which gives a token to whoever shows the secret; another address gets nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "/stolen")
            self.end_headers()
            return
        self.server.asked.append((self.path, self.headers["Authorization"]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"value": token(self.server.named)}).encode())  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Service)
    server.asked, server.named = [], f"repo:o@12/n@34:{MAIN}"
    with serving(server):
        yield server


def job(service: Any, path: str = "/token?x=1") -> dict[str, str]:
    url = f"http://127.0.0.1:{service.server_port}{path}"
    return {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "hush"}


def test_a_job_asks_for_its_token(service: Any) -> None:
    assert subject(job(service)) == service.named
    assert service.asked == [("/token?x=1&audience=sts.amazonaws.com", "bearer hush")]
    with pytest.raises(NoToken, match="302"):  # the secret goes nowhere else
        subject(job(service, "/away?x=1"))
    assert len(service.asked) == 1
    for environ in ({}, job(service) | {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://example.com/"}):
        with pytest.raises(NoToken):
            subject(environ)


def test_doctor_and_apply_say_what_to_change(
    project: Project, service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.write("deploy.yaml", DEPLOY.replace("user: {}", "github: {repository: o/n}"))
    for name, value in job(service).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    line = 'under ci.github in deploy.yaml: owner_id: "12", repository_id: "34"'
    told = " ".join(project.run("doctor").out.split())
    assert "names this job repo:o@12/n@34:ref:refs/heads/main, which the file doesn't trust" in told
    assert line in told
    # The file is right, and the role isn't yet.
    project.ok("apply")
    project.change("repository: o/n", "repository: o/n, owner_id: 12, repository_id: 34")
    assert "the file trusts, and the role tiny-ci doesn't" in " ".join(project.run("doctor").out.split())
    project.ok("apply")
    assert "which tiny-ci trusts" in " ".join(project.run("doctor").out.split())
    # A job whose clients have the token itself, and may not become the role.
    project.change("owner_id: 12, ", "owner_id: 13, ")
    job_token = token(service.named)
    project.write("token", job_token)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/tiny-ci")
    no = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    body = f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{no}</Message></Error></ErrorResponse>"
    project.lab.rules({"service": "?", "op": "*", "times": -1, "do": "answer", "status": 403, "body": body})
    ended = project.run("apply")
    assert ended.code == 2
    assert no in ended.err
    assert f"{line}; then" in " ".join(ended.err.split())
    assert job_token not in ended.err + ended.out
    assert job_token.split(".")[1] not in ended.err + ended.out + (tmp_path / "summary").read_text()
