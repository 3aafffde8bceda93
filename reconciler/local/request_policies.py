"""What AWS refuses in policy documents, whatever they are attached to. Pure.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html, and for the characters
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core import plain_json

SID = re.compile(r"[A-Za-z0-9]*")
ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
CHARACTERS = re.compile(r"[\t\n\r\x20-\xff]+")
NEVER_EMPTY = ("Action", "NotAction", "Resource", "NotResource", "Principal")
SYNTAX = "Syntax errors in policy."


def policy_problems(text: str, *, identity: bool = False, plain: bool = True) -> Iterator[str]:
    """What is wrong with a policy, in AWS's words where they are known.

    identity: one of a user or role. plain: its statements' ids have letters and digits alone, as IAM wants them; other
    services, as S3 in its own examples, take any text.
    """
    if not CHARACTERS.fullmatch(text):
        yield f"{SYNTAX} It has characters that aren't Latin-1."
    try:
        document = plain_json.parse(text)
    except ValueError:
        yield f"{SYNTAX} It isn't JSON."
        return
    statements = document.get("Statement") if isinstance(document, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not all(isinstance(statement, dict) for statement in statements):
        yield f"{SYNTAX} It has no Statement."
        return
    sids = [str(statement["Sid"]) for statement in statements if statement.get("Sid")]
    for sid in sids if plain else ():
        if not SID.fullmatch(sid):
            yield f"Statement IDs (SID) must be alpha-numeric. {sid!r} has more than letters and digits."
    if len(set(sids)) < len(sids):
        yield f"Statement IDs (SID) in a single policy must be unique: {', '.join(sorted(sids))}."
    for statement in statements:
        yield from _statement(statement, identity=identity)


def _statement(statement: Mapping[str, Any], *, identity: bool) -> Iterator[str]:
    if not statement.keys() & {"Action", "NotAction"}:
        yield "Policy statement must contain actions."
    if identity and not statement.keys() & {"Resource", "NotResource"}:
        yield "Policy statement must contain resources."
    if identity and statement.keys() & {"Principal", "NotPrincipal"}:
        yield "Policy document should not specify a principal."
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield f"{SYNTAX} A statement's Effect is Allow or Deny."
    yield from (f"{SYNTAX} It has an empty {key}." for key in NEVER_EMPTY if statement.get(key, 0) in ("", [], {}))
    for action in _texts(statement, "Action", "NotAction"):
        if action and not ACTION.fullmatch(action):
            yield f"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.: {action!r} isn't one."
    for arn in _texts(statement, "Resource", "NotResource"):
        if arn and not RESOURCE.fullmatch(arn):
            yield f'Resource {arn} must be in ARN format or "*".'


def _texts(statement: Mapping[str, Any], *keys: str) -> Iterator[str]:
    for key in keys:
        value = statement.get(key, [])
        yield from (text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))
