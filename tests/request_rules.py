"""The pytest plugin that judges each request which this code sends, before any emulator sees it.

Judges are AWS's own complete service models (required members, patterns, lengths, numbers, enumerations, which neither
botocore nor moto checks) and, beside them, what the services say in words: `core.limits`, and the grammar of policies.
A request that breaks a rule fails the test that sent it.

Patterns are those of Java. Python lacks its classes `\\p{L}` and the like: they are taken for any character here, so
that a wrong character of a foreign script passes, and nothing right is refused.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.loaders
import pytest

from reconciler.core import limits
from tests import clients

BROKEN: list[str] = []
_LOCK = threading.Lock()
_SID, _ACTION = re.compile(r"[A-Za-z0-9]*"), re.compile(r"\*|[a-z0-9-]+:[A-Za-z0-9*?]+")
_RESOURCE = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:[^:]*:.+", re.DOTALL)
_POLICY = re.compile(r"[\t\n\r\x20-\xff]+")  # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html
POLICIES = {
    "AssumeRolePolicyDocument": limits.TRUST,
    "PolicyDocument": limits.MANAGED_POLICY,
    "Policy": limits.BUCKET_POLICY,
}


@cache
def model(service: str) -> dict[str, Any]:
    """A service's whole model."""
    found: dict[str, Any] = botocore.loaders.Loader().load_service_model(service, "service-2")
    return found


@cache
def pattern(text: str) -> re.Pattern[str] | None:
    """A model's pattern; None for one that Python can't read."""
    text = re.sub(r"\\[pP]\{\w+\}", lambda found: r"\s\S", text) if "[" in text else re.sub(r"\\[pP]\{\w+\}", ".", text)
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None


def judge(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """What AWS would refuse in a request."""
    whole = model(service)
    shape = whole["operations"][operation].get("input", {}).get("shape")
    found = list(_by_model(whole["shapes"], shape, params, operation)) if shape else []
    return [*found, *_by_words(service, operation, params)]


def _by_model(shapes: Mapping[str, Any], name: str, value: Any, at: str) -> Iterator[str]:
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        yield from (f"{at} lacks {one}" for one in shape.get("required", ()) if one not in value)
        for key, part in value.items():
            if key not in shape["members"]:
                yield f"{at} has no {key}"
            elif part is not None:
                yield from _by_model(shapes, shape["members"][key]["shape"], part, f"{at}.{key}")
    elif kind == "list":
        yield from _amount(shape, len(value), f"{at}: items")
        for number, part in enumerate(value):
            yield from _by_model(shapes, shape["member"]["shape"], part, f"{at}[{number}]")
    elif kind == "map":
        yield from _amount(shape, len(value), f"{at}: entries")
        for key, part in value.items():
            yield from _by_model(shapes, shape["key"]["shape"], key, f"{at}: key")
            yield from _by_model(shapes, shape["value"]["shape"], part, f"{at}[{key}]")
    elif kind == "string" and isinstance(value, str):
        yield from _amount(shape, len(value), f"{at}: characters")
        if value not in shape.get("enum", (value,)):
            yield f"{at}: {value!r} is none of {', '.join(shape['enum'])}"
        allowed = pattern(shape["pattern"]) if "pattern" in shape else None
        if allowed is not None and not allowed.fullmatch(value):
            yield f"{at}: {value[:80]!r} isn't as {shape['pattern']} says"
    elif kind == "blob" and isinstance(value, bytes | bytearray | str):
        yield from _amount(shape, len(value), f"{at}: bytes")
    elif kind in ("integer", "long", "float", "double") and isinstance(value, int | float):
        yield from _amount(shape, value, f"{at}: its value")


def _amount(shape: Mapping[str, Any], amount: float, what: str) -> Iterator[str]:
    low, high = shape.get("min"), shape.get("max")
    if low is not None and amount < low:
        yield f"{what}: {amount}, and AWS takes {low} at least"
    if high is not None and amount > high:
        yield f"{what}: {amount}, and AWS takes {high} at most"


def _by_words(service: str, operation: str, params: Mapping[str, Any]) -> Iterator[str]:
    for name, limit in POLICIES.items():
        text = params.get(name)
        if isinstance(text, str):
            inline = operation in ("PutRolePolicy", "PutUserPolicy")
            yield from _policy(text, None if inline or service in ("sqs", "sns", "ecr") else limit)
    pairs = list(_tags(params.get("Tags") or params.get("tags") or ()))
    yield from limits.tag_problems(pairs)
    if len({key for key, _ in pairs}) < len(pairs):
        yield f"{operation}: a tag twice"
    yield from (f"{operation}: the tag {key!r} is AWS's" for key, _ in pairs if key.lower().startswith("aws:"))
    yield from (problem for limit, size in _sizes(operation, params) if (problem := limit.exceeded(size)))
    if operation == "PutParameter":
        if problem := limits.parameter_name_problem(params["Name"]):
            yield problem
        if "{{" in params["Value"]:
            yield f"{operation}: {{{{ in a value names another parameter"


def _sizes(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[limits.Limit, int]]:
    """The limits of an operation, each with the size of what it is about."""
    if operation == "PutParameter":
        yield limits.PARAMETER, len(params["Value"].encode())
    elif operation == "RunTask":
        yield limits.OVERRIDES, limits.json_characters(params.get("overrides", {}))
    elif operation == "RegisterTaskDefinition":
        yield limits.TASK_DEFINITION, limits.json_size(params)
    elif operation in ("CreateFunction", "UpdateFunctionConfiguration"):
        yield limits.FUNCTION_ENVIRONMENT, limits.environment_size(params.get("Environment", {}).get("Variables", {}))
    elif operation == "PutRule":
        yield limits.EVENT_PATTERN, len(params.get("EventPattern", ""))


def _tags(tags: Any) -> Iterator[tuple[str, str]]:
    if isinstance(tags, Mapping):
        yield from tags.items()
    else:
        pairs = ({key.lower(): value for key, value in one.items()} for one in tags if isinstance(one, Mapping))
        yield from ((one.get("key", ""), one.get("value", "")) for one in pairs)


def _policy(text: str, limit: limits.Limit | None) -> Iterator[str]:
    """By the grammar: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html."""
    if limit is not None and (problem := limit.exceeded(limits.policy_size(text))):
        yield problem
    if not _POLICY.fullmatch(text):
        yield "a policy has characters that aren't Latin-1"
    document = json.loads(text)
    if "Statement" not in document:
        yield "a policy has no Statement"
        return
    statements = document["Statement"]
    statements = [statements] if isinstance(statements, dict) else statements
    sids = [one["Sid"] for one in statements if one.get("Sid")]
    yield from (
        f"the Sid {sid!r} of a policy has more than letters and digits" for sid in sids if not _SID.fullmatch(sid)
    )
    if len(set(sids)) < len(sids):
        yield f"a Sid of a policy is there twice: {sids}"
    for one in statements:
        yield from (
            f"a statement of a policy has an empty {key}" for key, value in one.items() if value in ("", [], {})
        )
        actions, resources = ([v] if isinstance(v := one.get(key, []), str) else v for key in ("Action", "Resource"))
        yield from (f"{action!r} of a policy is no action" for action in actions if not _ACTION.fullmatch(action))
        yield from (f"{arn!r} of a policy is no ARN" for arn in resources if not _RESOURCE.fullmatch(arn))


def _watch(client: Any, service: str) -> None:
    name = client.meta.service_model.service_name

    def sent(params: dict[str, Any], model: Any, **others: Any) -> None:
        if problems := judge(name, model.name, params):
            with _LOCK:
                BROKEN.extend(f"{name}:{model.name}: {one}" for one in problems)

    client.meta.events.register("before-parameter-build.*.*", sent)


def pytest_configure(config: pytest.Config) -> None:
    """Judge what every client sends that is made from now on."""
    clients.watchers.append(_watch)


@pytest.fixture(autouse=True)
def requests_are_as_aws_takes_them(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail the test that sent what AWS would refuse, unless it is marked `any_request`: it means to send that."""
    BROKEN.clear()
    yield
    if request.node.get_closest_marker("any_request") is None:
        _accept()


def _accept() -> None:
    assert not BROKEN, "\n".join(dict.fromkeys(BROKEN))
