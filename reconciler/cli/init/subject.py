"""How GitHub names a repository in the tokens of its workflows: by its name, or with ids too. Asked of `gh`.

https://docs.github.com/actions/concepts/security/openid-connect
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from reconciler.core import plain_json
from reconciler.core.job_token import without_tokens
from reconciler.core.text import line

SECONDS = 15.0  # for an answer
SINCE = "2026-07-15"  # a repository made, renamed or moved from then on is named with ids
BY_ID = re.compile(r"repo:(?P<owner>[^@/:]+)@(?P<owner_id>\d+)/(?P<name>[^@/:]+)@(?P<repository_id>\d+)")
SHOWN = 120  # characters of what gh says


class NoAnswer(Exception):
    """GitHub couldn't be asked; the text says why."""


@dataclass(frozen=True)
class Subject:
    """What a trust has to name besides OWNER/NAME: the ids, or nothing. template: what a subject is made of instead, if
    the repository has a template of its own.
    """

    owner_id: str = ""
    repository_id: str = ""
    template: str = ""


def ask(repository: str) -> Subject:
    """How GitHub names this repository. Raises NoAnswer.

    What it calls `sub_claim_prefix` counts; `use_immutable_subject` beside it is the repository's own setting, and not
    what holds for all that are new.
    """
    answer = _api(f"repos/{repository}/actions/oidc/customization/sub")
    if answer.get("use_default") is False:
        return Subject(
            template=", ".join(str(key) for key in answer.get("include_claim_keys") or ()) or "another template"
        )
    prefix = answer.get("sub_claim_prefix")
    if isinstance(prefix, str):
        match = BY_ID.match(prefix)
        return Subject(match["owner_id"], match["repository_id"]) if match else Subject()
    about = _api(f"repos/{repository}")  # of a server that doesn't say it
    if str(about.get("created_at", "")) < SINCE:
        raise NoAnswer("it doesn't say which form this repository has")
    try:
        return Subject(str(int(about["owner"]["id"])), str(int(about["id"])))
    except (KeyError, TypeError, ValueError):
        raise NoAnswer("its answer has no ids") from None


def by_hand(repository: str, why: str) -> str:
    """What to fill in where it couldn't be asked."""
    return (
        f"how GitHub names {repository} in its tokens couldn't be asked ({why}): if it was made, renamed or moved "
        f"since {SINCE}, write owner_id and repository_id under ci.github in deploy.yaml; "
        f"`gh api repos/{repository} --jq '.owner.id, .id'` prints both"
    )


def _api(path: str) -> dict[str, Any]:
    quiet = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
    command = ["gh", "api", path]
    try:
        process = subprocess.run(  # noqa: S603
            command,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
            env=without_tokens(os.environ) | quiet,
        )
    except FileNotFoundError:
        raise NoAnswer("gh isn't installed") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoAnswer("gh didn't answer" if isinstance(error, subprocess.TimeoutExpired) else str(error)) from None
    if process.returncode:
        lines = process.stderr.decode("utf-8", "replace").strip().splitlines() or ["gh failed"]
        raise NoAnswer(line(lines[0])[:SHOWN])
    try:
        answer = plain_json.parse(process.stdout)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NoAnswer("gh's answer can't be read")
    return answer
