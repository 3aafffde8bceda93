"""Who may call a function, as the statements of its resource policy: services on behalf of a resource."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.canonical import json_text

ACTION = "lambda:InvokeFunction"


def invoker(statement: Mapping[str, Any], arn: str) -> str:
    """`SERVICE SOURCE_ARN` for a statement as `allow` makes it, on the function with this ARN; others as JSON."""
    principal, condition = statement.get("Principal"), statement.get("Condition") or {}
    service = principal.get("Service") if isinstance(principal, dict) else ""
    source = condition.get("ArnLike", {}).get("AWS:SourceArn")
    one = f"{service} {source}"
    usual = {
        "Sid": _id(one), "Effect": "Allow", "Principal": {"Service": service}, "Action": ACTION, "Resource": arn,
        "Condition": {"ArnLike": {"AWS:SourceArn": source}},
    }  # fmt: skip
    return one if statement == usual else str(json_text(json.dumps(statement)))


def allow(aws: Aws, function: str, invokers: Iterable[str]) -> None:
    """Let these, as `SERVICE SOURCE_ARN`, call it. Raises AwsError."""
    for one in sorted(invokers):
        service, source = one.split()
        who = {"StatementId": _id(one), "Action": ACTION, "Principal": service, "SourceArn": source}
        aws.ensure("lambda", "AddPermission", FunctionName=function, **who)


def disallow(aws: Aws, function: str, invokers: Iterable[str]) -> None:
    """Don't let these, as `invoker` gives them, call it any more. Raises AwsError."""
    for one in sorted(invokers):
        aws.find("lambda", "RemovePermission", FunctionName=function, StatementId=_id(one))


def _id(one: str) -> str:
    """The id of a statement: its own, or that which `allow` gives it, always the same."""
    own = json.loads(one).get("Sid") if one.startswith("{") else ""
    return own or f"invoker-{sha256(one.encode()).hexdigest()[:16]}"
