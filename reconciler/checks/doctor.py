"""What a machine needs to deploy: Python, git, a container engine, credentials, AWS within reach, the right time.

Reads only, never shows a secret, and waits for nobody longer than a few seconds, so that it says soon what is missing
where there is no network.
"""

from __future__ import annotations

import http.client
import os
import platform
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from reconciler import version as commands
from reconciler.aws.answer import moment_in
from reconciler.aws.calls import Aws
from reconciler.aws.credentials import NoRole, check
from reconciler.aws.errors import CREDENTIALS
from reconciler.checks.findings import Finding, ng, ok, skip
from reconciler.config import ConfigErrors, Deploy, load
from reconciler.core.errors import AwsError, Denied, ReconcilerError, Unreachable, UserError
from reconciler.core.files import read_file
from reconciler.core.job_token import in_job, missing

PYTHON = (3, 11)
PATIENCE = 4.0  # seconds for a connection, and for an answer
LONG = 15.0  # seconds for credentials that others hand out
SKEW = 240.0  # seconds; AWS refuses requests that are off by five minutes
SOON = 900.0  # seconds before their end at which credentials may not last for a deployment
SOURCES = {
    "env": "from the environment", "shared-credentials-file": "from ~/.aws/credentials",
    "config-file": "from ~/.aws/config",
    "sso": "from AWS IAM Identity Center", "assume-role": "of an assumed role", "iam-role": "of this instance's role",
    "assume-role-with-web-identity": "of a role by web identity", "container-role": "of this container's role",
    "job-token": "of the role in AWS_ROLE_ARN, by this job's token",
    "custom-process": "from a credential process", "login": "from `aws login`", "explicit": "given",
}  # fmt: skip
LOG_IN = "run `aws configure` or `aws sso login`, set AWS_PROFILE, or try it without an account: --local"
POLICY = "python -m reconciler permissions --for plan prints the policy"
NETWORK = "look at the network, its proxy (HTTPS_PROXY) and the region"
T = TypeVar("T")


class Once:
    """A clock by which so much time passes between two looks that nothing is tried twice."""

    def __init__(self) -> None:
        self._now = time.time()

    def now(self) -> float:
        """An hour later each time."""
        self._now += 3600.0
        return self._now

    def sleep(self, seconds: float) -> None:
        """Not at all."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives, if it does so in time. Raises TimeoutError; what `work` raises."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append((work(), None))
        except BaseException as error:
            results.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not results:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    value, error = results[0]
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def python() -> Finding:
    """The interpreter's version."""
    version = platform.python_version()
    if sys.version_info < PYTHON:
        return ng("Python", version, f"use Python {PYTHON[0]}.{PYTHON[1]} or later")
    return ok("Python", version)


def git(file: Path) -> Finding:
    """git, which says the commit where a file asks for `${git.sha}`."""
    asks = False
    with suppress(OSError):  # what the check of the file says
        asks = "${git." in read_file(file).decode("utf-8", "replace")
    if shutil.which("git") is None:
        problem = "isn't installed"
        return ng("git", problem, "install git") if asks else skip("git", f"{problem}, and nothing here asks for it")
    folder = file.resolve().parent
    try:
        head = commands.run(folder if folder.is_dir() else Path.cwd(), "rev-parse", "--short", "HEAD")
    except commands.NoCommit:
        return ok("git", "there; this folder has no commit" + (", so ${git.sha} is unset" if asks else ""))
    except commands.NoAnswer as error:
        return ng("git", error.message, error.fix)
    return ok("git", f"at commit {head.strip()}")


def engine(environ: Mapping[str, str], deploy: Deploy | None) -> Finding:
    """Docker or Podman: the client, and whether its engine answers."""
    from reconciler.image.docker import all_engines, best

    if deploy is not None and deploy.image.uri is not None:
        return skip("Docker or Podman", "not needed: image.uri names an image that exists")
    failures: list[str] = []
    engines = all_engines(environ, failures)
    if engines:
        return ok("Docker or Podman", best(engines).name)
    if failures:
        fix = "start the engine (`sudo systemctl start docker`, Docker Desktop, `podman machine start`)"
        return ng("Docker or Podman", f"no engine answers ({'; '.join(failures)})", f"{fix}; or use --local")
    fix = "install Docker (https://docs.docker.com/engine/install) or Podman (https://podman.io); or use --local"
    return ng("Docker or Podman", "neither docker nor podman is on the PATH", fix)


def deploy_file(file: Path, environ: Mapping[str, str], environment: str = "") -> tuple[Finding, Deploy | None]:
    """The file, and what it says when it can be read."""
    if not file.exists():
        return skip(str(file), "not there; `python -m reconciler init` writes one"), None
    try:
        deploy = load(file, environ=environ, environment=environment)
    except ConfigErrors as error:
        count = len(error.errors)
        says = f"{count} problem{'s' if count > 1 else ''}; the first: {str(error).splitlines()[0]}"
        return ng(str(file), says, f"python -m reconciler plan {file} shows all of it"), None
    return ok(str(file), f"deploy {deploy.name!r}"), deploy


def region(session: Any, deploy: Deploy | None) -> tuple[Finding, str]:
    """The region, which the file says, else the environment."""
    if deploy is not None:
        return ok("region", f"{deploy.region}, as the file says"), deploy.region
    from botocore.exceptions import BotoCoreError

    try:
        name = session.get_config_variable("region")
    except BotoCoreError as error:
        return ng("region", str(error), "look at AWS_PROFILE and ~/.aws/config"), "us-east-1"
    if not name:
        return ng("region", "none is set", "set AWS_REGION, or write `region:` into deploy.yaml"), "us-east-1"
    return ok("region", f"{name}, from AWS_REGION or ~/.aws/config"), str(name)


def credentials(session: Any) -> Finding:
    """Whether there are any, where from, and for how long. Never what they are."""
    try:
        current = within(LONG, partial(check, session))
    except (UserError, NoRole) as error:
        hint = error.hint if in_job(os.environ) else ""
        return ng("credentials", error.message.removeprefix("no AWS credentials: "), hint or LOG_IN)
    except TimeoutError as error:
        return ng("credentials", str(error), LOG_IN)
    if current is None:
        return ng("credentials", "none were found", missing(os.environ) or LOG_IN)
    source = SOURCES.get(str(current.method), f"from {current.method}")
    end = getattr(current, "_expiry_time", None)
    if not isinstance(end, datetime):
        return ok(
            "credentials", f"{source}; when they end isn't known" if current.token else f"{source}; they don't end"
        )
    remaining = (end - datetime.now(UTC)).total_seconds()
    says = f"{source}, until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC ({remaining / 60:.0f} min)"
    if remaining < SOON:
        return ng("credentials", says, "renew them before a deployment: `aws sso login`, or assume the role again")
    return ok("credentials", says)


def account(aws: Aws, deploy: Deploy | None) -> tuple[Finding, str]:
    """Whose credentials they are, and the ARN of who calls; empty when AWS doesn't say."""
    try:
        answer = aws.call("sts", "GetCallerIdentity")
    except Unreachable as error:
        return ng("account", f"AWS doesn't answer: {error.reason}", error.hint or NETWORK), ""
    except AwsError as error:
        wrong = error.code in CREDENTIALS
        return ng("account", f"AWS refuses the credentials: {error.reason}" if wrong else str(error), error.hint), ""
    except (UserError, NoRole) as error:
        return ng("account", error.message, error.hint), ""
    number, caller_arn = str(answer["Account"]), str(answer["Arn"])
    if deploy is not None and deploy.account and deploy.account != number:
        says = f"{number} ({caller_arn}), and the file says {deploy.account}"
        return ng("account", says, "use the credentials of that account (AWS_PROFILE), or change the file"), caller_arn
    return ok("account", f"{number} ({caller_arn})"), caller_arn


def address(session: Any, region: str, endpoint: str | None) -> str:
    """Where AWS is asked who calls: a place that answers without credentials."""
    if endpoint:
        return endpoint
    resolver = session.get_component("endpoint_resolver")
    resolved = resolver.construct_endpoint("sts", region) or {}
    return f"https://{resolved.get('hostname') or 'sts.amazonaws.com'}/"


def clock(url: str) -> Finding:
    """How far this machine's clock is off, by the Date of an answer of AWS."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310  AWS's own address, or the one that is set
    before = time.time()
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310  # nosec B310
            moment = moment_in(answer.headers.get("Date"))
    except urllib.error.HTTPError as error:  # an answer too
        moment = moment_in(error.headers.get("Date"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        return skip("clock", f"AWS doesn't answer: {getattr(error, 'reason', error)}")
    if moment is None:
        return skip("clock", "the answer has no date")
    off = (before + time.time()) / 2 - moment
    # The Date is in whole seconds.
    says = "right to the second" if abs(off) <= 1.5 else f"{abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} AWS's"
    if abs(off) >= SKEW:
        return ng(
            "clock", says, "set it (`sudo timedatectl set-ntp true`): AWS refuses requests that are five minutes off"
        )
    return ok("clock", says)


def permissions(aws: Aws, deploy: Deploy, base: Path, caller_arn: str) -> Finding:
    """Whether `plan` may read all that it has to: by IAM's simulator, or else by reading it."""
    from reconciler.config.resource_names import Facts, Names
    from reconciler.lower import resources
    from reconciler.permissions.parts import PLAN
    from reconciler.permissions.policies import for_command
    from reconciler.permissions.preflight import denied, organisation, principal

    subject = "permissions to plan"
    if caller_arn.endswith(":root"):
        return ok(subject, "the root user may do everything; a user or a role with `permissions` is safer")
    names = Names(deploy, Facts(caller_arn.split(":")[4], aws.partition, "", ()))
    grants = for_command(PLAN, names, resources(names))
    source_arn, answer = principal(caller_arn), None
    if source_arn is not None:
        with suppress(AwsError):
            answer = denied(aws, source_arn, grants, must=True)
    if answer is None:
        return _by_reading(aws, deploy, base, subject)
    if answer.missing:
        actions = sorted({action for lacking in answer.missing.values() for action in lacking})
        return ng(subject, f"missing: {', '.join(actions)}", POLICY)
    if answer.unsure:
        return skip(subject, organisation(answer))
    return ok(subject, f"all {len({grant[:2] for grant in grants})}, says IAM's simulator")


def _by_reading(aws: Aws, deploy: Deploy, base: Path, subject: str) -> Finding:
    from reconciler.engine.prepare import prepare
    from reconciler.image.kind import ImageKind

    try:
        deployment = prepare(deploy, aws, base, [ImageKind(None, lambda line: None)], skip_image=True)
        deployment.observe()
    except Denied as error:
        return ng(subject, error.message, f"{error.hint}; {POLICY}")
    except ReconcilerError as error:
        return ng(subject, error.message, error.hint)
    return ok(subject, "all that a plan reads was read")
