"""`doctor`: whether this machine has what a deployment needs, and what to do where it hasn't."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.aws.clients import new_session
from reconciler.checks import doctor, github_token, gitlab_token
from reconciler.checks.findings import CheckResult, Finding, ng, skip
from reconciler.cli.findings import Examined, report
from reconciler.cli.options import OfFile as Arguments
from reconciler.cli.terminal import Terminal
from reconciler.config import Deploy
from reconciler.core.errors import UserError
from reconciler.core.job_token import in_github, in_gitlab

ANSWERS = (Examined,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Look at everything. Returns 0, or 1 when something is wrong."""
    return report(terminal, examine(options.file, options.environment), as_json=options.json)


def examine(file: Path, environment: str = "") -> list[Finding]:
    """All checks, in the order in which a deployment needs them."""
    file_finding, deploy = doctor.deploy_file(file, os.environ, environment)
    with ThreadPoolExecutor(1) as pool:
        engine = pool.submit(doctor.engine, os.environ, deploy)  # which takes its time
        findings = [doctor.python(), doctor.git(file), file_finding]
        try:
            session = new_session(region=deploy.region if deploy else "")
        except UserError as error:
            findings.append(ng("credentials", error.message, error.hint))
        else:
            region_finding, region = doctor.region(session, deploy)
            findings += [region_finding, *_aws(session, region, file, deploy)]
        findings.insert(2, engine.result())
    return findings


def _aws(session: Any, region: str, file: Path, deploy: Deploy | None) -> list[Finding]:
    """The checks for which AWS is asked."""
    findings = [doctor.credentials(session)]
    has_credentials = findings[0].state is not CheckResult.NG
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    with Aws(
        region, session=session, endpoint_url=endpoint, read_only=True, patience=doctor.PATIENCE, clock=doctor.Once()
    ) as aws:
        caller_arn = ""
        if has_credentials:
            account, caller_arn = doctor.account(aws, deploy)
            findings.append(account)
        else:
            findings.append(skip("account", "no credentials"))
        findings.append(doctor.clock(doctor.address(session, region, endpoint)))
        if deploy is None:
            findings.append(skip("permissions to plan", "no file says what a plan would read"))
        elif not caller_arn:
            findings.append(skip("permissions to plan", "AWS doesn't say who asks"))
        else:
            findings.append(doctor.permissions(aws, deploy, file.resolve().parent, caller_arn))
        ci, aws_or_none = deploy.ci if deploy is not None else None, aws if caller_arn else None
        if ci and ci.github and in_github(os.environ):
            findings.append(github_token.check(aws_or_none, ci.github, os.environ))
        if ci and ci.gitlab and in_gitlab(os.environ):
            findings.append(gitlab_token.check(aws_or_none, ci.gitlab, os.environ))
    return findings
