"""GitHub's endpoint for tokens, and the STS that takes them: real connections on loopback.

It hands out a token to whoever shows the job's secret. Of a token it checks what AWS does: who made it, for whom, until
when, and that the role's trust, which it reads in the AWS behind it, holds for its subject. The credentials are those
of that AWS.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reconciler.permissions.judge import conditions_hold
from tests.serving import serving

HOST = "token.actions.githubusercontent.com"
SECRET = "of-the-job-1234567890"
HOUR = 3600.0
CUT = b"cut"  # an answer that ends in the middle


class Federation:
    """client: makes a client of the AWS behind it, by a service's name. clock: seconds since the epoch.

    answers: what the token's endpoint does instead of giving one, first to last: a status, or bytes. refusals: STS's
    answers instead of credentials, (status, code). lives: seconds that credentials last, first to last; then an hour.
    """

    def __init__(self, client: Callable[[str], Any], clock: Callable[[], float] = time.time) -> None:
        self.client, self.clock = client, clock
        self.host, self.subject = HOST, "repo:owner/tiny:ref:refs/heads/main"
        self.answers: list[int | bytes] = []
        self.refusals: list[tuple[int, str]] = []
        self.lives: list[float] = []
        self.tokens: list[str] = []
        self.sessions: dict[str, float] = {}  # access keys, and when they end
        self.names: list[str] = []  # of the sessions
        self.url = ""

    def environment(self, role: str) -> dict[str, str]:
        """What a step of a job with `id-token: write` has."""
        return {
            "GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": SECRET, "GITHUB_REPOSITORY": "owner/tiny", "GITHUB_RUN_ID": "77",
            "AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL_STS": self.url,
        }  # fmt: skip

    def token(self, audience: str, lasts: float = 300) -> str:
        """A token of the job, signed."""
        claims = {"iss": f"https://{self.host}", "sub": self.subject, "aud": audience, "exp": self.clock() + lasts}
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
        self.tokens.append(f"e30.{payload}.{_sign(payload)}")
        return self.tokens[-1]

    def assume(self, role: str, session: str, token: str) -> tuple[int, str]:
        """STS's status and answer."""
        payload, signature = token.split(".")[1:]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if not hmac.compare_digest(signature, _sign(payload)):
            return 400, _error("InvalidIdentityToken", "Couldn't retrieve verification key")
        if claims["exp"] < self.clock():
            return 400, _error("ExpiredTokenException", "Token expired")
        name = role.rpartition("/")[2]
        trust = self.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        context = {f"{self.host}:{key}": str(claims[key]) for key in ("sub", "aud")}
        if not any(
            one["Action"] == "sts:AssumeRoleWithWebIdentity" and conditions_hold(one["Condition"], context, False)
            for one in trust["Statement"]
        ):
            return 403, _error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        keys = self.client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
        end = self.clock() + (self.lives.pop(0) if self.lives else HOUR)
        self.sessions[keys["AccessKeyId"]] = end
        self.names.append(session)
        return 200, _credentials(keys, role, datetime.fromtimestamp(end, UTC))


class Handler(BaseHTTPRequestHandler):
    """Both endpoints."""

    server: Any

    def do_GET(self) -> None:
        """GitHub's."""
        here: Federation = self.server.federation
        given = here.answers.pop(0) if here.answers else 200
        if self.headers["Authorization"] != f"bearer {SECRET}":
            given = 401
        if given == CUT:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b'5\r\n{"va')  # and no more
        elif isinstance(given, bytes):
            self._say(200, given)
        elif given != 200:
            self._say(given, b"no")
        else:
            audience = parse_qs(urlsplit(self.path).query)["audience"][0]
            self._say(200, json.dumps({"count": 1, "value": here.token(audience)}).encode())

    def do_POST(self) -> None:
        """STS's."""
        here: Federation = self.server.federation
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert "Authorization" not in self.headers
        assert asked["Action"] == ["AssumeRoleWithWebIdentity"]
        if here.refusals:
            status, code = here.refusals.pop(0)
            self._say(status, _error(code, "not now").encode())
            return
        status, text = here.assume(*(asked[name][0] for name in ("RoleArn", "RoleSessionName", "WebIdentityToken")))
        self._say(status, text.encode())

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def federation(client: Callable[[str], Any], clock: Callable[[], float] = time.time) -> Iterator[Federation]:
    """One that runs, in front of an AWS."""
    found = Federation(client, clock)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.federation, found.url = found, f"http://127.0.0.1:{server.server_port}"
    with serving(server):
        yield found


def _sign(payload: str) -> str:
    return hashlib.sha256(f"key {payload}".encode()).hexdigest()


def _error(code: str, message: str) -> str:
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    )


def _credentials(keys: Mapping[str, Any], role: str, end: datetime) -> str:
    fields = {name: keys[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in (fields | {"Expiration": end.isoformat()}).items())
    return (
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult>"
        f"<Credentials>{inner}</Credentials><AssumedRoleUser><Arn>{role}</Arn><AssumedRoleId>A:b</AssumedRoleId>"
        "</AssumedRoleUser></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )


__all__ = ["HOST", "HOUR", "SECRET", "Federation", "federation"]
