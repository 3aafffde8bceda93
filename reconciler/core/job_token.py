"""By what a CI job proves who it is, to become a role in AWS. Pure."""

from __future__ import annotations

from collections.abc import Mapping

REQUEST_URL, REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # GitHub's
OF_JOBS = (REQUEST_URL, REQUEST_TOKEN)
ROLE = "AWS_ROLE_ARN"  # which to become, as botocore has it beside AWS_WEB_IDENTITY_TOKEN_FILE
AUDIENCE = "sts.amazonaws.com"  # whom a token is for: what the providers that `ci:` makes have, in every partition
ALLOW = "let the job have `permissions: {id-token: write}`"


def in_job(environ: Mapping[str, str]) -> bool:
    """Whether this is a step of a job of GitHub's."""
    return environ.get("GITHUB_ACTIONS") == "true"


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether that job may ask for a token: `id-token: write`."""
    return in_job(environ) and all(environ.get(name) for name in OF_JOBS)


def missing(environ: Mapping[str, str]) -> str:
    """What a job of GitHub's lacks that it could take a role; empty for anything else."""
    if not in_job(environ):
        return ""
    lacks = [] if may_ask(environ) else [ALLOW]
    lacks += [] if environ.get(ROLE) else [f"set {ROLE} in the step's `env:`"]
    return f"{' and '.join(lacks)}, so that it takes a role: docs/github-actions.md" if lacks else ""


def without_tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for another program, such as git or docker, which needn't become that role."""
    return {name: value for name, value in environ.items() if name not in OF_JOBS}
