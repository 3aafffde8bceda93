"""What AWS refuses in policy documents, whatever they are attached to. Pure.

The file is checked against these rules, and the embedded AWS and the tests judge requests by them.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html, for the characters
https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html, for operators of conditions
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html, for partitions
https://github.com/aws/copilot-cli/issues/3844
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core import plain_json

SID = re.compile(r"[A-Za-z0-9]*")
ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+")
RESOURCE = re.compile(r"\*|arn:([^:]*):[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
_COMPARED = "(?:(?:Not)?Equals|(?:Less|Greater)Than(?:Equals)?)"
OPERATOR = re.compile(
    r"(?:ForAllValues:|ForAnyValue:)?"
    rf"(?:String(?:Not)?(?:Equals(?:IgnoreCase)?|Like)|Numeric{_COMPARED}|Date{_COMPARED}|Bool|BinaryEquals"
    r"|(?:Not)?IpAddress|Arn(?:Not)?(?:Equals|Like))(?:IfExists)?|Null",
    re.IGNORECASE,
)
CHARACTERS = re.compile(r"[\t\n\r\x20-\xff]+")
NEVER_EMPTY = ("Action", "NotAction", "Resource", "NotResource", "Principal")
SYNTAX = "Syntax errors in policy."
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."


class Wrong(NamedTuple):
    """What is wrong with a statement. key: of the statement, where it is wrong; text: in AWS's words, where known."""

    key: str
    text: str


def policy_problems(text: str, *, identity: bool = False, plain: bool = True, partition: str = "") -> Iterator[str]:
    """What is wrong with a policy, in AWS's words where they are known.

    identity: one of a user or role. plain: its statements' ids have letters and digits alone, as IAM wants them; other
    services, as S3 in its own examples, take any text. partition: where it is; empty for any.
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
    if len(set(sids)) < len(sids):
        yield f"Statement IDs (SID) in a single policy must be unique: {', '.join(sorted(sids))}."
    for statement in statements:
        for wrong in statement_problems(statement, identity=identity, plain=plain, partition=partition):
            yield wrong.text


def statement_problems(
    statement: Mapping[str, Any], *, identity: bool = False, plain: bool = True, partition: str = ""
) -> Iterator[Wrong]:
    """What is wrong with one statement of a policy; the rest as of `policy_problems`."""
    sid = str(statement.get("Sid") or "")
    if plain and not SID.fullmatch(sid):
        text = f"Statement IDs (SID) must be alpha-numeric. {sid!r} has more than letters and digits."
        yield Wrong("Sid", text)
    if not statement.keys() & {"Action", "NotAction"}:
        yield Wrong("Action", "Policy statement must contain actions.")
    if identity and not statement.keys() & {"Resource", "NotResource"}:
        yield Wrong("Resource", "Policy statement must contain resources.")
    if identity and statement.keys() & {"Principal", "NotPrincipal"}:
        yield Wrong("Principal", "Policy document should not specify a principal.")
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield Wrong("Effect", f"{SYNTAX} A statement's Effect is Allow or Deny.")
    yield from (Wrong(k, f"{SYNTAX} It has an empty {k}.") for k in NEVER_EMPTY if statement.get(k, 0) in ("", [], {}))
    for key, action in _texts(statement, "Action", "NotAction"):
        if action and not ACTION.fullmatch(action):
            yield Wrong(key, f"{VENDOR}: {action!r} isn't one.")
    for key, arn in _texts(statement, "Resource", "NotResource"):
        match = RESOURCE.fullmatch(arn)
        if arn and match is None:
            yield Wrong(key, f'Resource {arn} must be in ARN format or "*".')
        elif match and _elsewhere(match[1], partition):
            yield Wrong(key, f'Partition "{match[1]}" is not valid for resource "{arn}".')
    conditions = statement.get("Condition") or {}
    for operator, tests in conditions.items() if isinstance(conditions, Mapping) else ():
        if not OPERATOR.fullmatch(operator):
            yield Wrong("Condition", f"{SYNTAX} {operator!r} is no condition operator.")
        for name in tests if isinstance(tests, Mapping) else ():
            if ":" not in name:
                yield Wrong("Condition", f"{VENDOR}: {name!r} isn't one.")


def _elsewhere(named: str | None, partition: str) -> bool:
    """Whether an ARN names another partition than that in which it is used. A pattern may match any."""
    return bool(partition) and named is not None and named != partition and not re.search(r"[*?]", named)


def _texts(statement: Mapping[str, Any], *keys: str) -> Iterator[tuple[str, str]]:
    for key in keys:
        value = statement.get(key, [])
        yield from ((key, text) for text in (value if isinstance(value, list) else [value]) if isinstance(text, str))
