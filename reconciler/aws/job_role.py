"""The role that a CI job takes by itself, for as long as the job goes on.

GitHub signs a token for a job that has `id-token: write`; STS gives the credentials of a role for it, which end after
an hour. Both are asked for again before that, so that no other action is needed and no key is in the environment of
another step. GitLab hands a job one token, which lasts as long as the job may, and is given to STS again each hour. The
role is the one that AWS_ROLE_ARN names, as botocore has it beside AWS_WEB_IDENTITY_TOKEN_FILE.
"""

from __future__ import annotations

import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import CredentialProvider, RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from reconciler.aws.credentials import LOOPBACK, NoRole, of_credentials
from reconciler.core import plain_json
from reconciler.core.errors import UserError
from reconciler.core.job_token import (
    ALLOW,
    ALLOW_GITLAB,
    AUDIENCE,
    GITLAB_TOKEN,
    REQUEST_TOKEN,
    REQUEST_URL,
    ROLE,
    in_gitlab,
    in_job,
    may_ask,
)
from reconciler.core.secret import KNOWN

METHOD = "job-token"
OTHERS = ("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")  # credentials that are chosen by name
ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
EARLY, LAST = 900, 60  # seconds before their end: new ones are asked for, and have to be there
AGAIN = 30.0  # seconds after a failure in which they aren't asked for again, while the old ones do
SECONDS = 10.0
MOST = 64 * 1024  # bytes of an answer
BUSY = ("IDPCommunicationError", "Throttling", "ThrottlingException", "RequestThrottled", "ServiceUnavailable")


class NoToken(Exception):
    """No token for this job can be had; the text says why."""


class _Lost(NoToken):
    """No token can be had for now: another try in a moment may get one."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the request has a secret in it."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Not at all."""


def chosen(environ: Mapping[str, str]) -> str:
    """The ARN of the role that this job takes by itself; empty where it doesn't. Raises UserError for what is none."""
    role = environ.get(ROLE, "").strip()
    if not role or any(environ.get(name) for name in OTHERS) or not may_ask(environ):
        return ""
    if not ARN.fullmatch(role):
        raise UserError(f"{ROLE}: {role!r} is no role's ARN", hint="such as arn:aws:iam::123456789012:role/NAME-ci")
    return role


def new_token(environ: Mapping[str, str], attempts: int = 1, sleep: Callable[[float], None] = time.sleep) -> str:
    """A token for this job: a new one of GitHub's, or the one of GitLab's. Raises NoToken, without the answer in it."""
    if not may_ask(environ):
        why = f"this job has none: {ALLOW_GITLAB}" if in_gitlab(environ) else f"this job may not ask for one: {ALLOW}"
        raise NoToken(why)
    if in_gitlab(environ):
        return environ[GITLAB_TOKEN].strip()
    url = environ[REQUEST_URL]
    if not url.startswith("https://") and not url.startswith("http://127.0.0.1:"):
        raise NoToken(f"{REQUEST_URL} is no https address")
    joined = f"{url}{'&' if '?' in url else '?'}audience={AUDIENCE}"
    headers = {"Authorization": f"bearer {environ[REQUEST_TOKEN]}"}
    import tenacity  # as in aws/calls.py; most commands have no role to take

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(0.5),
        retry=tenacity.retry_if_exception_type(_Lost),
        sleep=sleep,
        reraise=True,
    )
    token: str = retrying(_ask, urllib.request.Request(joined, headers=headers))  # noqa: S310
    KNOWN.add(token)
    return token


def _ask(request: urllib.request.Request) -> str:
    try:
        with urllib.request.build_opener(_Stay()).open(request, timeout=SECONDS) as answer:
            parsed = plain_json.parse(answer.read(MOST))
    except urllib.error.HTTPError as error:
        kind = _Lost if error.code == 429 or error.code >= 500 else NoToken
        raise kind(f"GitHub answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Lost(f"GitHub doesn't answer: {getattr(error, 'reason', type(error).__name__)}") from None
    except ValueError:
        raise _Lost("GitHub's answer isn't JSON") from None
    token = parsed.get("value") if isinstance(parsed, dict) else None
    if not isinstance(token, str) or not re.fullmatch(r"[\w.-]+", token, re.ASCII):
        raise _Lost("GitHub's answer has no token")
    return token


class JobRole(CredentialProvider):  # type: ignore[misc]  # botocore has no types
    """What botocore asks for the credentials of this job's role.

    sts: makes a client of STS that signs nothing. now: the time, with its zone.
    """

    METHOD = METHOD
    CANONICAL_NAME = None

    def __init__(
        self,
        environ: Mapping[str, str],
        sts: Callable[[], Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._environ, self._new_sts, self._now, self._sleep = environ, sts, now, sleep
        self._sts: Any = None
        self._failure: tuple[datetime, Exception] | None = None

    def load(self) -> RefreshableCredentials | None:
        """The credentials, which renew themselves; None where the job takes no role. Raises UserError."""
        if not chosen(self._environ):
            return None
        self._sts = self._new_sts()  # by the thread that makes clients: a session isn't for several
        first = self._assume()
        return RefreshableCredentials(
            first["access_key"],
            first["secret_key"],
            first["token"],
            datetime.fromisoformat(first["expiry_time"]),
            self._renew,
            METHOD,
            time_fetcher=self._now,
            advisory_timeout=EARLY,
            mandatory_timeout=LAST,
        )

    def _renew(self) -> dict[str, str]:
        """New credentials. While the old ones do, it isn't tried at each call again."""
        if self._failure is not None and (self._now() - self._failure[0]).total_seconds() < AGAIN:
            raise self._failure[1]
        try:
            credentials = self._assume()
        except Exception as error:
            self._failure = (self._now(), error)
            raise
        self._failure = None
        return credentials

    def _assume(self) -> dict[str, str]:
        try:
            token = new_token(self._environ, 4, self._sleep)
        except NoToken as error:
            kind, hint = (NoRole, "run the command again") if isinstance(error, _Lost) else (UserError, ALLOW)
            raise kind(f"no AWS credentials: GitHub gives this job no token: {error}", hint=hint) from None
        request = {"RoleArn": chosen(self._environ), "RoleSessionName": session_name(self._environ)}
        try:
            answer = self._sts.assume_role_with_web_identity(**request, WebIdentityToken=token)
        except ClientError as error:
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
            refusal = of_credentials(error)
            if status >= 500 or error.response.get("Error", {}).get("Code") in BUSY:
                raise NoRole(refusal.message, hint="run the command again") from None
            raise refusal from None
        except BotoCoreError as error:
            raise NoRole(f"no AWS credentials: STS doesn't answer: {error}", hint="look at the network") from None
        finally:
            self._sts.close()  # the connection: the next is in an hour
        credentials = answer["Credentials"]
        for secret in (credentials["SecretAccessKey"], credentials["SessionToken"]):
            KNOWN.add(secret)
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }


def session_name(environ: Mapping[str, str]) -> str:
    """Who it is in CloudTrail: AWS_ROLE_SESSION_NAME, or the repository and its run or pipeline."""
    names = ("CI_PROJECT_PATH", "CI_PIPELINE_ID") if in_gitlab(environ) else ("GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    project, number = (environ.get(name, "") for name in names)
    session = environ.get("AWS_ROLE_SESSION_NAME") or "-".join(filter(None, (project.rpartition("/")[2], number)))
    return re.sub(r"[^\w+=,.@-]", "-", session, flags=re.ASCII)[-64:] if len(session) > 1 else "ci-job"


def take_roles(session: Any, environ: Mapping[str, str], region: str) -> None:
    """Have a session of botocore's take the job's role where one is named, behind keys that are in the environment."""
    if not in_job(environ):
        return
    logging.getLogger("botocore.credentials").setLevel(logging.ERROR)  # that it tries again soon is no news

    def sts() -> Any:
        sts_region = region or session.get_config_variable("region") or "us-east-1"
        url = environ.get("AWS_ENDPOINT_URL_STS") or environ.get("AWS_ENDPOINT_URL") or ""
        loopback = urlsplit(url).hostname in LOOPBACK
        config = Config(
            signature_version=UNSIGNED,
            proxies={} if loopback else None,
            connect_timeout=SECONDS,
            read_timeout=SECONDS,
            retries={"total_max_attempts": 4, "mode": "standard"},
        )
        none = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "none")  # or it would ask for the role's
        return session.create_client("sts", region_name=sts_region, config=config, **none)

    resolver = session.get_component("credential_provider")
    resolver.insert_before("assume-role-with-web-identity", JobRole(environ, sts))
