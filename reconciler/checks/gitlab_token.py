"""A job of GitLab and the role of the file: how GitLab names it, and what to change so that the role trusts it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reconciler.aws.calls import Aws
from reconciler.aws.job_role import NoToken, new_token
from reconciler.checks.findings import Finding, ng, skip
from reconciler.checks.github_token import claims_of, trusted
from reconciler.config.schema import GitLab

WHAT = "GitLab's token"
SUBJECT = re.compile(r"project_path:(?P<project>[^:]+):ref_type:(?P<type>branch|tag):ref:(?P<ref>.+)")
AGAIN = "; then `apply` once with credentials of your own, since that role can't change itself"


def advice(gitlab: GitLab, issuer: str, token_subject: str) -> str:
    """What to change, so that the role of the file trusts a job of this subject; empty when it does."""
    match = SUBJECT.fullmatch(token_subject)
    if match is None:
        return (
            "the project has a template of its own for subjects: set its `ci_id_token_sub_claim_components` back to "
            "project_path, ref_type, ref"
        )
    if match["type"] == "tag":
        return f"run the job on the branch {gitlab.branch}: the role trusts nothing else"
    job = {"url": issuer, "project": match["project"], "branch": match["ref"]}
    lines = [f"{name}: {value}" for name, value in job.items() if value != getattr(gitlab, name)]
    return f"under ci.gitlab in deploy.yaml: {', '.join(lines)}{AGAIN}" if lines else ""


def explain(gitlab: GitLab, environ: Mapping[str, str]) -> str:
    """Why a job may not become the role, and what to change; empty where that can't be told."""
    try:
        issuer, token_subject = claims_of(new_token(environ))
    except NoToken:
        return ""
    change = advice(gitlab, issuer, token_subject)
    change = change or f"the file trusts that: is AWS_ROLE_ARN that of {gitlab.role}, and was the file applied?"
    return f"GitLab names this job {token_subject}; {change}"


def check(aws: Aws | None, gitlab: GitLab, environ: Mapping[str, str]) -> Finding:
    """Whether this job may become the role of the file. aws: to look at the role's own trust, or None."""
    try:
        issuer, token_subject = claims_of(new_token(environ))
    except NoToken as error:
        return skip(WHAT, str(error))
    if change := advice(gitlab, issuer, token_subject):
        return ng(WHAT, f"names this job {token_subject}, which the file doesn't trust", change)
    return trusted(aws, WHAT, str(gitlab.role), token_subject, gitlab.host)
