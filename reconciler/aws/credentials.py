"""The caller's credentials, looked for once, before anything is sent: what is wrong with them is one message, at once.

botocore raises whatever its parsers, the programs and the hosts that hand out credentials make it raise. All of that
is the machine's configuration, and none of it gets better by trying again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from reconciler.aws.failures import of_configuration, unread, variables
from reconciler.core.errors import ReconcilerError, UserError
from reconciler.core.job_token import AUDIENCE

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTAINER_URIS = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")  # the first counts
PARTS = (("access_key", "access key"), ("secret_key", "secret access key"), ("token", "session token"))

OF_TOKENS = {  # what to do about what STS says of a token
    "InvalidIdentityToken": "`apply` the file once with credentials of your own: that makes the provider "
    f"in IAM; or the token is for another audience than {AUDIENCE}",
    "ExpiredTokenException": "the token has ended: let the job run again",
    "ValidationError": "is AWS_ROLE_ARN the ARN of the role that `ci:` makes?",
}


OF_PROGRAM = "run the credential_process of this profile in ~/.aws/config yourself, and look at what it prints"
# What can't be read, and what to do, by the class of botocore's that read it. It isn't shown: it may be a key.
UNREADABLE = {
    "FileWebIdentityTokenLoader": (
        "the file of the token has something else in it",
        "look at the file that AWS_WEB_IDENTITY_TOKEN_FILE or web_identity_token_file in ~/.aws/config names",
    ),
    "JSONFileCache": (
        "what was kept of the last login can't be read",
        "run `aws sso login` for the same AWS_PROFILE, then this again",
    ),
    "ContainerProvider": (
        "the token for them, or the answer, isn't what it should be",
        "look at AWS_CONTAINER_AUTHORIZATION_TOKEN, its file, and the address that hands them out",
    ),
    "shlex": (
        "the credential_process of this profile has a quote that isn't closed", "correct that line of ~/.aws/config",
    ),
}  # fmt: skip


class RoleRefused(UserError):
    """STS doesn't let a token become a role, and says no more than that."""


class NoRole(ReconcilerError):
    """A CI job can't become its role for now: who would give the token, or take it, doesn't answer."""


def check(session: Any) -> Any:
    """The session's credentials, None where it has none. Raises UserError for such as can't work."""
    try:
        credentials = session.get_credentials()
        frozen = credentials.get_frozen_credentials() if credentials is not None else None  # has those renewed that end
    except ReconcilerError:
        raise
    except Exception as error:
        raise of_credentials(error) from None
    for name, label in PARTS if frozen is not None else ():
        if not isinstance(part := getattr(frozen, name), str) and (part is not None or name != "token"):
            raise UserError(f"no AWS credentials: the {label} that was handed out isn't text", hint=OF_PROGRAM)
        if why := unusable(part or ""):
            raise UserError(
                f"no AWS credentials: the {label} {why}; set it anew",
                hint="look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or at ~/.aws/credentials",
            )
    return credentials


def unusable(text: str) -> str:
    """Why a key can't be one, without showing it; empty where it can."""
    if text != text.rstrip("\r\n"):
        return "ends with a line break"
    if text != text.strip():
        return "begins or ends with a space"
    if not text.isascii() or not text.isprintable() or " " in text:
        return "has characters that no key has"
    return ""


def of_credentials(error: Exception) -> UserError:
    """What an exception on the way to credentials means."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):  # STS's answer, which has no secret in it
        problem, operation = error.response.get("Error", {}), error.operation_name
        why = f"sts:{operation} failed: {problem.get('Code', '')}: {problem.get('Message', '')}"
        if operation == "AssumeRoleWithWebIdentity" and problem.get("Code") == "AccessDenied":
            hint = "the role's trust has to name whom the token names"
            return RoleRefused(f"no AWS credentials: {why}", hint=hint)
        if operation == "AssumeRoleWithWebIdentity":
            return UserError(
                f"no AWS credentials: {why}", hint=OF_TOKENS.get(str(problem.get("Code")), "look at the role")
            )
        return UserError(f"no AWS credentials: {why}", hint="check AWS_PROFILE, ~/.aws/config and the role's trust")
    if isinstance(error, BotoCoreError):
        return of_configuration(error, "AWS's configuration")
    if isinstance(error, RuntimeError) and "expired" in str(error):
        why, hint = "they have ended, and new ones that were asked for had too", "renew them where they come from"
    elif isinstance(error, OSError):
        why = f"{error.filename or 'credentials'}: {error.strerror or error}"
        hint = f"check {variables(why)} and ~/.aws/config"
    elif isinstance(error, ValueError) and "Unsupported host" in str(error):
        why = str(error).rstrip(".")
        hint = f"look at {next(filter(os.environ.get, CONTAINER_URIS), CONTAINER_URIS[-1])}"
    elif unread(error):
        why = "who was asked for them gave an answer that isn't AWS's"
        hint = "is a proxy or a login page in between? Look at HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL"
    else:
        usual = ("what hands them out answered something else than credentials in JSON", OF_PROGRAM)
        why, hint = next((UNREADABLE[name] for name in _readers(error) if name in UNREADABLE), usual)
    return UserError(f"no AWS credentials: {why}", hint=hint)


def _readers(error: BaseException) -> Iterator[str]:
    """The classes whose methods the error came through, the innermost last."""
    trace = error.__traceback__
    while trace is not None:
        yield type(trace.tb_frame.f_locals.get("self")).__name__
        trace = trace.tb_next


def ask_for_code(prompt: str) -> str:
    """An MFA code from whoever sits at the terminal. Raises UserError where nobody does."""
    if not sys.stdin.isatty():
        raise UserError(
            "no AWS credentials: this profile wants an MFA code, and there is no terminal to ask at",
            hint="run `aws sts get-session-token` or `aws sts assume-role` first and set what it gives",
        )
    import getpass

    return getpass.getpass(prompt)
