"""`doctor`: whether this machine has what a deployment needs, and what to do where it hasn't."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.aws.clients import new_session
from reconciler.checks import doctor, github_token, gitlab_token
from reconciler.checks.findings import Finding, State, ng, skip
from reconciler.cli.findings import Checks, as_json, counts, show, summary
from reconciler.cli.options import OfFile as Arguments
from reconciler.cli.terminal import Terminal
from reconciler.config import Deploy
from reconciler.core.errors import UserError
from reconciler.core.job_token import in_github, in_gitlab


@dataclass(frozen=True)
class Examined(Checks):
    """What a deployment needs of this machine."""


ANSWERS = (Examined,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Look at everything. Returns 0, or 1 when something is wrong."""
    found = examine(options.file, options.environment)
    if options.json:
        terminal.json(Examined(not counts(found)[State.NG], as_json(found)))
    else:
        show(terminal, found)
        terminal.say(summary(found))
    return 1 if counts(found)[State.NG] else 0


def examine(file: Path, environment: str = "") -> list[Finding]:
    """All checks, in the order in which a deployment needs them."""
    known, deploy = doctor.deploy_file(file, os.environ, environment)
    with ThreadPoolExecutor(1) as pool:
        engine = pool.submit(doctor.engine, os.environ, deploy)  # which takes its time
        found = [doctor.python(), doctor.git(file), known]
        try:
            session = new_session(region=deploy.region if deploy else "")
        except UserError as error:
            found.append(ng("credentials", error.message, error.hint))
        else:
            where, region = doctor.region(session, deploy)
            found += [where, *_aws(session, region, file, deploy)]
        found.insert(2, engine.result())
    return found


def _aws(session: Any, region: str, file: Path, deploy: Deploy | None) -> list[Finding]:
    """What only AWS can tell."""
    found = [doctor.credentials(session)]
    there = found[0].state is not State.NG
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    with Aws(
        region, session=session, endpoint_url=endpoint, read_only=True, patience=doctor.PATIENCE, clock=doctor.Once()
    ) as aws:
        who = ""
        if there:
            one, who = doctor.account(aws, deploy)
            found.append(one)
        else:
            found.append(skip("account", "no credentials"))
        found.append(doctor.clock(doctor.address(session, region, endpoint)))
        if deploy is None:
            found.append(skip("permissions to plan", "no file says what a plan would read"))
        elif not who:
            found.append(skip("permissions to plan", "AWS doesn't say who asks"))
        else:
            found.append(doctor.permissions(aws, deploy, file.resolve().parent, who))
        ci, asked = deploy.ci if deploy is not None else None, aws if who else None
        if ci and ci.github and in_github(os.environ):
            found.append(github_token.check(asked, ci.github, os.environ))
        if ci and ci.gitlab and in_gitlab(os.environ):
            found.append(gitlab_token.check(asked, ci.gitlab, os.environ))
    return found
