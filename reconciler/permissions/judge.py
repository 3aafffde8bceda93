"""Whether IAM policy documents allow an action: pure, and lenient where it doesn't understand a condition.

A statement whose condition can't be judged here counts as matching when it allows and as not matching when it
denies, so that nothing is refused that AWS would have allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from reconciler.core.wildcard import matches

Decision = Literal["allowed", "denied", "not allowed"]
Document = Mapping[str, Any]
Context = Mapping[str, str | tuple[str, ...]]

ANY_RESOURCE = ""
"""For a request whose resource isn't known: every statement's resource matches that allows, none that denies."""


def decide(documents: Iterable[Document], action: str, resource: str, context: Context | None = None) -> Decision:
    """Judge `action` ("s3:GetObject") on `resource` (an ARN, "*" or ANY_RESOURCE); a deny wins over an allow."""
    decision: Decision = "not allowed"
    for document in documents:
        for statement in _list(document.get("Statement")):
            allow = str(statement.get("Effect", "")).lower() == "allow"
            if not (_names_action(statement, action) and _names_resource(statement, resource, allow)):
                continue
            if not conditions_hold(statement.get("Condition") or {}, context or {}, unknown=allow):
                continue
            if not allow:
                return "denied"
            decision = "allowed"
    return decision


def names_principal(statement: Document, role_arn: str, account_id: str) -> bool:
    """Whether a bucket policy's statement is about this role: all, the account, or the role itself."""
    principal = statement.get("Principal")
    if principal == "*":
        return True
    names = _list(principal.get("AWS")) if isinstance(principal, Mapping) else []
    account = f":iam::{account_id}:root"
    return any(name in ("*", account_id, role_arn) or str(name).endswith(account) for name in names)


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def like(patterns: Any, value: str, ignore_case: bool = False) -> bool:
    """Whether a value is what one of these patterns of IAM says: `*` for any text, `?` for any character."""
    if ignore_case:
        return any(matches(str(item).lower(), value.lower()) for item in _list(patterns))
    return any(matches(str(item), value) for item in _list(patterns))


def _names_action(statement: Document, action: str) -> bool:
    if "NotAction" in statement:
        return not like(statement["NotAction"], action, ignore_case=True)
    return like(statement.get("Action"), action, ignore_case=True)


def _names_resource(statement: Document, resource: str, allow: bool) -> bool:
    if resource == ANY_RESOURCE:
        return allow or like(statement.get("Resource"), "*")
    if "NotResource" in statement:
        return not like(statement["NotResource"], resource)
    return like(statement.get("Resource"), resource)


def _equal(expected: Any, value: str) -> bool:
    return value in [str(item) for item in _list(expected)]


def _equal_whatever_case(expected: Any, value: str) -> bool:
    return value.lower() in [str(item).lower() for item in _list(expected)]


OPERATORS: dict[str, Callable[[Any, str], bool]] = {
    "StringEquals": _equal,
    "StringNotEquals": lambda expected, value: not _equal(expected, value),
    "StringEqualsIgnoreCase": _equal_whatever_case,
    "StringLike": like,
    "StringNotLike": lambda expected, value: not like(expected, value),
    "ArnEquals": like,
    "ArnLike": like,
    "Bool": _equal_whatever_case,
}


def conditions_hold(conditions: Mapping[str, Mapping[Any, Any]], context: Context, unknown: bool) -> bool:
    """Whether all conditions hold. context: values by key in lower case; unknown: what counts where there is none."""
    for operator, keys in conditions.items():
        judge = OPERATORS.get(operator.removeprefix("ForAnyValue:").removesuffix("IfExists"))
        for key, expected in keys.items():
            value = context.get(key.lower())
            values = (value,) if isinstance(value, str) else value
            holds = unknown if judge is None or values is None else any(judge(expected, actual) for actual in values)
            if not holds:
                return False
    return True
