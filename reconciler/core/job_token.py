"""By what a CI job proves who it is, to become a role in AWS: GitHub's and GitLab's jobs. Pure."""

from __future__ import annotations

from collections.abc import Mapping

REQUEST_URL, REQUEST_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # GitHub's
# The name that `id_tokens` gives the token in GitLab's own examples for AWS.
GITLAB_TOKEN = "GITLAB_OIDC_TOKEN"  # noqa: S105  # nosec B105
OF_JOBS = (REQUEST_URL, REQUEST_TOKEN, GITLAB_TOKEN)
ROLE = "AWS_ROLE_ARN"  # which to become, as botocore has it beside AWS_WEB_IDENTITY_TOKEN_FILE
AUDIENCE = "sts.amazonaws.com"  # whom a token is for: what the providers that `ci:` makes have, in every partition
ALLOW = "let the job have `permissions: {id-token: write}`"
ALLOW_GITLAB = f"let the job have `id_tokens: {{{GITLAB_TOKEN}: {{aud: {AUDIENCE}}}}}`"


def in_github(environ: Mapping[str, str]) -> bool:
    """Whether this is a step of a job of GitHub's."""
    return environ.get("GITHUB_ACTIONS") == "true"


def in_gitlab(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of GitLab's."""
    return environ.get("GITLAB_CI") == "true" and not in_github(environ)


def in_job(environ: Mapping[str, str]) -> bool:
    """Whether this is a job of either."""
    return in_github(environ) or in_gitlab(environ)


def may_ask(environ: Mapping[str, str]) -> bool:
    """Whether that job has a token, or may ask for one."""
    names = (REQUEST_URL, REQUEST_TOKEN) if in_github(environ) else (GITLAB_TOKEN,)
    return in_job(environ) and all(environ.get(name) for name in names)


def missing(environ: Mapping[str, str]) -> str:
    """What such a job lacks that it could take a role; empty for anything else."""
    if not in_job(environ):
        return ""
    allow, place, page = (ALLOW, "the step's `env:`", "github-actions.md")
    if in_gitlab(environ):
        allow, place, page = (ALLOW_GITLAB, "the project's CI/CD variables", "gitlab.md")
    lacks = [] if may_ask(environ) else [allow]
    lacks += [] if environ.get(ROLE) else [f"set {ROLE} in {place}"]
    return f"{' and '.join(lacks)}, so that it takes a role: docs/{page}" if lacks else ""


def without_tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for another program, such as git or docker, which needn't become that role."""
    return {name: value for name, value in environ.items() if name not in OF_JOBS}
