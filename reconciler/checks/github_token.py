"""A job of GitHub Actions and the roles of the file: how GitHub names it, and what to change so that they trust it.

GitHub signs a token for a job, whose `sub` names it; AWS lets it become a role whose trust has exactly that text, and
doesn't say what it compared. Of a token nothing but `sub` is ever shown.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from reconciler.aws.calls import Aws
from reconciler.aws.job_role import MOST, NoToken, new_token
from reconciler.checks.findings import Finding, ng, ok, skip
from reconciler.config.schema import GitHub
from reconciler.core import plain_json
from reconciler.core.canonical import Policy, policy
from reconciler.core.errors import AwsError
from reconciler.core.text import line
from reconciler.core.wildcard import matches
from reconciler.lower.ci import GITHUB as HOST

WHAT = "GitHub's token"
SUBJECT = re.compile(
    r"repo:(?P<owner>[^@/:]+)(?:@(?P<owner_id>\d+))?/(?P<name>[^@/:]+)(?:@(?P<repository_id>\d+))?:(?P<rest>.+)"
)
BRANCH, ENVIRONMENT, PULL_REQUEST = "ref:refs/heads/", "environment:", "pull_request"
AGAIN = "; then `apply` once with credentials of your own, since these roles can't change themselves"


def subject(environ: Mapping[str, str]) -> str:
    """The `sub` of this job's token: of that in the file that AWS's clients are given, or of a new one.

    Raises NoToken.
    """
    if path := environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        try:
            with Path(path).open("rb") as file:
                return subject_of(file.read(MOST).decode("ascii", "replace").strip())
        except OSError as error:
            raise NoToken(f"{path} can't be read: {error.strerror}") from None
    return subject_of(new_token(environ))


def subject_of(token: str) -> str:
    """The `sub` of a token of GitHub's. Raises NoToken for anything else."""
    issuer, token_subject = claims_of(token)
    if issuer.removeprefix("https://").partition("/")[0] != HOST:
        raise NoToken("the token isn't GitHub's")
    return token_subject


def claims_of(token: str) -> tuple[str, str]:
    """Who made a token, and its `sub`. Raises NoToken for what is none."""
    parts = token.split(".")
    try:
        payload = plain_json.parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        issuer, token_subject = str(payload["iss"]), str(payload["sub"])
    except (ValueError, IndexError, KeyError, TypeError):
        raise NoToken("what was given isn't a token") from None
    return line(issuer), line(token_subject)


def advice(github: GitHub, token_subject: str) -> str:
    """What to change, so that the roles of the file trust a job of this subject; empty when one does."""
    contexts = [BRANCH + github.branch, *([PULL_REQUEST] if github.pull_requests else [])]
    if token_subject in {trusted for context in contexts for trusted in github.subjects(context)}:
        return ""
    match = SUBJECT.fullmatch(token_subject)
    if match is None:
        return (
            "the repository has a template of its own for subjects: `gh api -X PUT "
            f"repos/{github.repository}/actions/oidc/customization/sub -F use_default=true` ends that"
        )
    lines, context = [], match["rest"]
    if github.repository != (repository := f"{match['owner']}/{match['name']}"):
        lines.append(f"repository: {repository}")
    ids = (match["owner_id"], match["repository_id"])
    if all(ids) and ids != (github.owner_id, github.repository_id):
        lines += [f'owner_id: "{ids[0]}"', f'repository_id: "{ids[1]}"']
    elif not any(ids) and github.owner_id and not github.by_name_too:
        lines.append("by_name_too: true")
    if context.startswith(BRANCH) and context != BRANCH + github.branch:
        lines.append(f"branch: {context.removeprefix(BRANCH)}")
    elif context == PULL_REQUEST and not github.pull_requests:
        lines.append("pull_requests: true")
    elif context.startswith(ENVIRONMENT):
        out = f"take `environment: {context.removeprefix(ENVIRONMENT)}` out of the job: the roles trust a branch"
        return f"{out}; and under ci.github in deploy.yaml: {', '.join(lines)}{AGAIN}" if lines else out
    elif not context.startswith((BRANCH, PULL_REQUEST)):
        return f"run the job on the branch {github.branch}, or in a pull request: the roles trust nothing else"
    return f"under ci.github in deploy.yaml: {', '.join(lines)}{AGAIN}"


def trusts(trust: Policy, token_subject: str, host: str = HOST) -> bool:
    """Whether a role's trust lets a job of this subject become it. host: whose jobs they are."""
    key = f"{host}:sub".lower()
    for statement in trust.statements:
        federated = any(
            provider.endswith(f"oidc-provider/{host}") for provider in statement.principals.get("Federated", ())
        )
        if statement.denies or not federated:
            continue
        conditions = {
            test: values for test, keys in statement.conditions.items() for name, values in keys.items() if name == key
        }
        if all(
            token_subject in values
            if test == "StringEquals"
            else any(matches(value, token_subject) for value in values)
            for test, values in conditions.items()
        ):
            return True
    return False


def explain(github: GitHub, environ: Mapping[str, str]) -> str:
    """Why a job may not become a role, and what to change; empty where that can't be told."""
    try:
        token_subject = subject(environ)
    except NoToken:
        return ""
    change = advice(github, token_subject)
    if not change:
        role = github.plan_role if token_subject.endswith(f":{PULL_REQUEST}") else github.role
        change = f"the file trusts that: is AWS_ROLE_ARN that of {role}, and was the file applied?"
    return f"GitHub names this job {token_subject}; {change}"


def check(aws: Aws | None, github: GitHub, environ: Mapping[str, str]) -> Finding:
    """Whether this job may become a role of the file's. aws: to look at the role's own trust, or None."""
    try:
        token_subject = subject(environ)
    except NoToken as error:
        return skip(WHAT, str(error))
    if change := advice(github, token_subject):
        return ng(WHAT, f"names this job {token_subject}, which the file doesn't trust", change)
    role = str(github.plan_role if token_subject.endswith(f":{PULL_REQUEST}") else github.role)
    return trusted(aws, WHAT, role, token_subject, HOST)


def trusted(aws: Aws | None, what: str, role: str, token_subject: str, host: str) -> Finding:
    """Whether the role itself trusts a job that the file trusts, as far as that can be told."""
    try:
        answer = aws.find("iam", "GetRole", RoleName=role) if aws is not None else None
    except AwsError:
        answer = None
    if answer is not None and not trusts(policy(answer["Role"]["AssumeRolePolicyDocument"]), token_subject, host):
        says = f"names this job {token_subject}, which the file trusts, and the role {role} doesn't"
        return ng(what, says, "`apply` once with credentials of your own")
    return ok(what, f"names this job {token_subject}, which {role if answer else 'the file'} trusts")
