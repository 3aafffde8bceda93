"""What AWS refuses for its size, and moto takes: `core.limits` says how much."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaBackend
from moto.events.exceptions import ValidationException as EventsValidationException
from moto.events.models import EventsBackend
from moto.iam.exceptions import LimitExceededException
from moto.iam.models import IAMBackend
from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend
from moto.ssm.exceptions import ValidationException
from moto.ssm.models import SimpleSystemManagerBackend

from reconciler.core import limits
from reconciler.core.limits import Limit, policy_size

Given = Mapping[str, Any]


class PolicyTooLarge(S3ClientError):
    """PutBucketPolicy of more than a policy may have."""

    code = "InvalidPolicyDocument"


def install() -> None:
    """Put all of it into moto."""
    for owner, operation, check in (
        (IAMBackend, "create_policy", _managed),
        (IAMBackend, "create_policy_version", _managed),
        (IAMBackend, "create_role", _trust),
        (IAMBackend, "update_assume_role_policy", _trust),
        (IAMBackend, "put_role_policy", _inline_of_role),
        (IAMBackend, "put_user_policy", _inline_of_user),
        (IAMBackend, "attach_role_policy", _attached),
        (IAMBackend, "attach_user_policy", _attached),
        (LambdaBackend, "create_function", _function),
        (LambdaBackend, "update_function_configuration", _function),
        (SimpleSystemManagerBackend, "put_parameter", _parameter),
        (EventsBackend, "put_rule", _rule),
        (S3Backend, "put_bucket_policy", _bucket_policy),
    ):
        _before(owner, operation, check)


def _before(owner: Any, operation: str, check: Callable[[Any, Given], None]) -> None:
    original = getattr(owner, operation)
    parameters = inspect.signature(original)

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self, parameters.bind(self, *args, **kwargs).arguments)
        return original(self, *args, **kwargs)

    setattr(owner, operation, checked)


def _quota(limit: Limit, name: str, size: int) -> None:
    if size > limit.most:
        raise LimitExceededException(f"Cannot exceed quota for {name}: {limit.most}")


def _managed(backend: Any, given: Given) -> None:
    _quota(limits.MANAGED_POLICY, "PolicySize", policy_size(given["policy_document"]))


def _trust(backend: Any, given: Given) -> None:
    document = given.get("assume_role_policy_document") or given.get("policy_document") or ""
    _quota(limits.TRUST, "ACLSizePerRole", policy_size(document))


def _inline_of_role(backend: Any, given: Given) -> None:
    _inline(limits.ROLE_INLINE, f"role {given['role_name']}", backend.get_role(given["role_name"]), given)


def _inline_of_user(backend: Any, given: Given) -> None:
    _inline(limits.USER_INLINE, f"user {given['user_name']}", backend.get_user(given["user_name"]), given)


def _inline(limit: Limit, who: str, holder: Any, given: Given) -> None:
    documents = {**holder.policies, given["policy_name"]: given["policy_json"]}
    if sum(map(policy_size, documents.values())) > limit.most:
        raise LimitExceededException(f"Maximum policy size of {limit.most} bytes exceeded for {who}")


def _attached(backend: Any, given: Given) -> None:
    role = given.get("role_name")
    holder = backend.get_role(role) if role else backend.get_user(given["user_name"])
    many = len({*holder.managed_policies, given["policy_arn"]})
    _quota(limits.ATTACHED, "PoliciesPerRole" if role else "PoliciesPerUser", many)


def _function(backend: Any, given: Given) -> None:
    asked = given.get("spec") or given.get("body") or {}
    variables = (asked.get("Environment") or {}).get("Variables") or {}
    if limits.environment_size(variables) > limits.FUNCTION_ENVIRONMENT.most:
        raise InvalidParameterValueException(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided exceeded the 4KB limit."
        )


def _parameter(backend: Any, given: Given) -> None:
    name = str(given["name"])
    arn = f"arn:aws:ssm:{backend.region_name}:{backend.account_id}:parameter/{name.lstrip('/')}"
    if why := limits.parameter_name_problem(name, arn):
        raise ValidationException(f"Parameter name: {why}.")
    if len(str(given["value"]).encode()) > limits.PARAMETER.most and given["tier"] in (None, "Standard"):
        raise ValidationException(
            f"Standard tier parameters support a maximum parameter value of {limits.PARAMETER.most} characters."
        )


def _rule(backend: Any, given: Given) -> None:
    if len(given.get("event_pattern") or "") > limits.EVENT_PATTERN.most:
        raise EventsValidationException("Event pattern is too long.")


def _bucket_policy(backend: Any, given: Given) -> None:
    if len(given["policy"]) > limits.BUCKET_POLICY.most:
        raise PolicyTooLarge("Policy exceeds the maximum allowed document size.")
