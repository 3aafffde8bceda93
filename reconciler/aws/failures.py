"""One failed attempt of a call: botocore's exceptions turned into ours, with the rule that says what to do next."""

from __future__ import annotations

import codecs
import contextlib
import os
import random
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reconciler.aws.answer import BROKEN_ANSWER
from reconciler.aws.errors import SHORT, ErrorRule, Fault, classify
from reconciler.aws.iam_actions import action_of
from reconciler.aws.regions import COMMERCIAL, partitions
from reconciler.core.errors import AlreadyThere, AwsError, Denied, Gone, ReconcilerError, Unreachable, UserError
from reconciler.core.job_token import missing

if TYPE_CHECKING:
    import tenacity

NOT_SENT = "unreachable"  # the code of an error that came before anything was sent
TYPES: dict[Fault, type[AwsError]] = {
    Fault.ALREADY_THERE: AlreadyThere, Fault.GONE: Gone, Fault.DENIED: Denied, Fault.BROKEN: Unreachable,
}  # fmt: skip
DENIAL = re.compile(r"not authorized to perform:? (\S+?)(?: on resource:? (\S+?))?(?:\s|$)", re.IGNORECASE)

# `"AWS":"arn:…"` in IAM's message, `"arn:…"` in S3's detail.
PRINCIPAL = re.compile(r'(?:"(?:aws|service|federated|canonicaluser)"\s*:\s*)?"([^"\s]+)"', re.IGNORECASE)
ELSEWHERE = ("301", "307", "400", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
             "IllegalLocationConstraintException")  # fmt: skip


@dataclass(frozen=True)
class Call:
    """One attempt of a call, told to the listener after it. error: AWS's code, empty when it was answered."""

    service: str
    operation: str
    request_id: str
    seconds: float
    error: str = ""


class Failed(Exception):
    """One attempt failed; carries what the next step is decided by. Never leaves `reconciler.aws`.

    cause: why, for who waits, where AWS or the rule says it.
    """

    def __init__(self, rule: ErrorRule, error: AwsError, cause: str = "") -> None:
        super().__init__(error.message)
        self.rule, self.error, self.cause = rule, error, cause


def failed(service: str, operation: str, region: str, error: Exception, *, fresh: bool) -> Failed | ReconcilerError:
    """What an exception of botocore's means: an attempt that may be repeated, or the end."""
    from botocore import exceptions as botocore
    from botocore.parsers import ResponseParserError

    from reconciler.aws.foreign import HINT, Cut, Foreign

    of_botocore = (botocore.BotoCoreError, ResponseParserError)
    if isinstance(error, botocore.ClientError):
        return answered(service, operation, error.response, fresh=fresh)
    if isinstance(error, botocore.ConnectionError):
        # Nobody answers at this address, or not who should: worth a few tries, not half a minute.
        reason = _distrusted(error)
        budget, hint = (0.0 if reason else SHORT), _no_way(error, region)
        return _unanswered(service, operation, NOT_SENT, reason or str(error), hint, budget)
    if isinstance(error, Foreign):
        return _unanswered(service, operation, "not AWS's answer", str(error), HINT, SHORT)
    if isinstance(error, botocore.HTTPClientError):
        return _unanswered(service, operation, "connection lost", str(error))
    if isinstance(error, Cut | botocore.IncompleteReadError) or (not isinstance(error, of_botocore) and unread(error)):
        return _unanswered(service, operation, BROKEN_ANSWER, str(error)[:200])
    if isinstance(error, ResponseParserError):  # what isn't AWS's own: a proxy's page, say
        return _unanswered(service, operation, "no answer of AWS's", str(error)[:200])
    if isinstance(error, botocore.ParamValidationError):
        return ReconcilerError(f"{service}:{operation}: {error}")
    return of_configuration(error, f"{service}:{operation}")


def _unanswered(
    service: str, operation: str, code: str, why: str, hint: str = "run the command again", budget: float = 30.0
) -> Failed:
    """That there is no answer of AWS's. budget: seconds for which another try is worth it."""
    return Failed(
        ErrorRule(Fault.BROKEN, service, "", budget=budget), Unreachable(service, operation, code, why, hint=hint)
    )


def no_role(service: str, operation: str, error: ReconcilerError) -> Failed:
    """That a CI job's credentials couldn't be renewed: nothing was sent, and it may go in a moment."""
    return _unanswered(service, operation, NOT_SENT, error.message, error.hint, 120.0)


def of_configuration(error: Exception, place: str) -> UserError:
    """What keeps a client from being made, or a call from being signed. place: where it happened."""
    from botocore import exceptions as botocore

    if isinstance(error, botocore.NoCredentialsError | botocore.PartialCredentialsError):
        return UserError(
            f"no AWS credentials: {error}",
            hint=missing(os.environ)
            or _not_there()
            or "run `aws configure` or `aws sso login`, set AWS_PROFILE, or try it without an account: --local",
        )
    login = getattr(botocore, "LoginError", botocore.SSOError)  # which botocore has since 1.41
    if isinstance(error, botocore.SSOError | botocore.TokenRetrievalError | login):
        command = "aws sso login" if not isinstance(error, login) or login is botocore.SSOError else "aws login"
        return UserError(
            f"no AWS credentials: {error}", hint=f"run `{command}` for the same AWS_PROFILE, then this again"
        )
    if isinstance(error, botocore.CredentialRetrievalError):
        return UserError(f"no AWS credentials: {error}".rstrip(": \n"), hint="check AWS_PROFILE and ~/.aws/config")
    if isinstance(error, botocore.ConfigParseError):
        return UserError(f"{place}: {_place(error)}", hint="correct that line, or name another file")
    return UserError(f"{place}: {error}", hint=f"check {variables(str(error))} and ~/.aws/config")


def _not_there() -> str:
    """The variables that name a file of AWS's configuration where none is: botocore says nothing of that."""
    names = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")
    wrong = [name for name in names if (path := os.environ.get(name)) and not Path(path).expanduser().is_file()]
    return "; ".join(f"{name} names {os.environ[name]}, which is no file" for name in wrong)


def variables(text: str) -> str:
    """The variables of AWS whose value is called wrong: often that value is all that is said."""
    words = {word.strip("'\"(),.:") for word in text.split()}
    return ", ".join(name for name in sorted(os.environ) if name.startswith("AWS_") and os.environ[name] in words) or (
        "AWS_PROFILE"
    )


def _place(error: Any) -> str:
    """File, line and what is wrong there, of a file below ~/.aws. The line itself isn't shown: it may hold a key."""
    path, cause = str(error.kwargs.get("path", "")), error.__context__ or error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        # It is read in pieces, so the place in the file is looked for again.
        try:
            Path(path).read_bytes().decode()
        except UnicodeDecodeError as again:
            return f"{path}:{again.object.count(10, 0, again.start) + 1}: this isn't UTF-8"
        except OSError:
            pass
    with contextlib.suppress(OSError), Path(path).open("rb") as file:
        if file.read(3) == codecs.BOM_UTF8:
            return f"{path}:1: it begins with a byte order mark, which AWS's own tools don't take either"
    lines = [number for number, _ in getattr(cause, "errors", ())] or [getattr(cause, "lineno", None)]
    fault = {
        "MissingSectionHeaderError": "there is no [section] before this line",
        "DuplicateSectionError": "this section is there twice",
        "DuplicateOptionError": "this key is there twice",
    }.get(type(cause).__name__, "this is neither [section] nor key = value")
    return f"{path}:{lines[0]}: {fault}" if lines[0] else str(error)


def _distrusted(error: Exception) -> str:
    """Why no try at TLS with this address will do; empty for any other failure."""
    parameters = getattr(error, "kwargs", {})
    inner, address = parameters.get("error"), urlsplit(str(parameters.get("endpoint_url", "")))
    while isinstance(inner, Exception) and not isinstance(inner, ssl.SSLError):  # urllib3's has Python's in it
        inner = next((argument for argument in inner.args if isinstance(argument, Exception)), inner.__cause__)
    endpoint = f"{address.scheme}://{address.netloc}"
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"the certificate of {endpoint} isn't trusted: {inner.verify_message}"
    plain = isinstance(inner, ssl.SSLError) and getattr(inner, "reason", "") in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
    return f"{endpoint} doesn't speak TLS" if plain else ""


def _no_way(error: Exception, region: str) -> str:
    """What to look at when there is no way to AWS."""
    from botocore import exceptions as botocore

    from reconciler.aws.foreign import HINT_PLAIN, HINT_TLS

    if isinstance(error, botocore.ProxyConnectionError):
        return "that is the proxy of HTTPS_PROXY: is it right, and is it there?"
    if isinstance(error, botocore.SSLError):
        return HINT_PLAIN if _distrusted(error).endswith("TLS") else HINT_TLS
    if not any(f".{name}" in str(error) for name in ("api.aws", COMMERCIAL.domain, *(p.domain for p in partitions()))):
        return "is something there to answer? AWS_ENDPOINT_URL, or ~/.aws/config, says to ask there instead of AWS"
    return f"is {region!r} a region, and is the network there?"


def answered(service: str, operation: str, response: Mapping[str, Any], *, fresh: bool) -> Failed:
    """An error that AWS answered with."""
    problem = response.get("Error", {})
    code, message = str(problem.get("Code", "")), str(problem.get("Message", ""))
    metadata = response.get("ResponseMetadata", {})
    request_id, status = metadata.get("RequestId", ""), int(metadata.get("HTTPStatusCode") or 0)
    rule = classify(service, operation, code, message, fresh=fresh, status=status)
    hint = rule.hint
    if rule.fault is Fault.DENIED and not hint:
        hint = _permission(service, operation, message)
    elif rule.fault is Fault.NOT_YET:
        stayed = f"it stayed so for {rule.budget:.0f} s: run the command again"
        hint = f"{hint}; {stayed}" if hint else stayed
    cause, region = named(service, response), _bucket_region(service, response)
    hint = "; ".join(filter(None, (cause, hint))) or "AWS's message says why; put it right and run the command again"
    error = TYPES.get(rule.fault, AwsError)
    resources = tuple(map(str, response.get("resourceIds") or ()))
    exception = error(service, operation, code, message, request_id=request_id, hint=hint, resources=resources)
    exception.bucket_region = region
    return Failed(rule, exception, cause or rule.hint)


def undescribed(service: str, operation: str, answer: Mapping[str, Any]) -> Failed | None:
    """That ECS couldn't describe something, which it answers with 200. What isn't there is MISSING, and no failure."""
    if service != "ecs" or not operation.startswith("Describe"):
        return None
    for failure in answer.get("failures") or ():
        if failure.get("reason") != "MISSING":
            reason = str(failure.get("reason") or "no reason")
            detail = str(failure.get("detail") or failure.get("arn") or "")
            return _unanswered(service, operation, reason, detail, "AWS had a failure: run the command again", SHORT)
    return None


def named(service: str, response: Mapping[str, Any]) -> str:
    """The cause that AWS names in an answer, where it is more than its code says; empty for any other."""
    problem = response.get("Error", {})
    text = f"{problem.get('Message', '')} {problem.get('Detail', '')}"
    if "invalid principal" in text.lower() and (principal := PRINCIPAL.search(text)):
        return f"AWS knows no principal {principal[1]}: is it there, and spelt right?"
    if service == "s3" and str(problem.get("Code")) in ELSEWHERE and (region := _bucket_region(service, response)):
        return f"S3 says that the bucket is in {region}"
    return ""


def _bucket_region(service: str, response: Mapping[str, Any]) -> str:
    """Where S3 says that the bucket is."""
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region", "")) if service == "s3" else ""


def unread(error: BaseException) -> bool:
    """Whether botocore failed at reading an answer: a part of it isn't what the service's model says."""
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "botocore.parsers":
            return True
        trace = trace.tb_next
    return False


def _permission(service: str, operation: str, message: str) -> str:
    """The missing permission, as AWS's message names it, else as it follows from the operation."""
    denial = DENIAL.search(message)
    action = denial.group(1) if denial else action_of(service, operation)
    resource = denial.group(2) if denial and denial.group(2) else ""
    return f"allow {action}{f' on {resource}' if resource else ''} to whoever runs this"


def failure_of(state: tenacity.RetryCallState) -> Failed:
    """The failure of the attempt that was just made."""
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Failed)
    return failure


def pause(state: tenacity.RetryCallState) -> float:
    """Seconds before the next attempt: longer each time, and not the same for all who wait."""
    longest = 20.0 if failure_of(state).rule.fault is Fault.THROTTLED else 5.0
    growing: float = 0.2 * 2.0 ** min(state.attempt_number, 7)
    return min(growing, longest) * (0.5 + random.random() / 2)  # noqa: S311  no secret  # nosec B311
