"""What AWS refuses for its size together with what is there already, and moto takes: `core.limits` says how much.

What a request shows by itself is refused before moto sees it (`request_rules`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from moto.iam.exceptions import LimitExceededException
from moto.iam.models import IAMBackend
from moto.ssm.exceptions import ValidationException
from moto.ssm.models import SimpleSystemManagerBackend

from reconciler.core import limits
from reconciler.core.limits import Limit, policy_size
from reconciler.local.correction import Correction

Arguments = Mapping[str, Any]


def _before(owner: Any, operation: str, check: Callable[[Any, Arguments], None]) -> None:
    original = getattr(owner, operation)
    parameters = inspect.signature(original)

    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self, parameters.bind(self, *args, **kwargs).arguments)
        return original(self, *args, **kwargs)

    setattr(owner, operation, checked)


def _quota(limit: Limit, name: str, size: int) -> None:
    if size > limit.most:
        raise LimitExceededException(f"Cannot exceed quota for {name}: {limit.most}")


def _inline_of_role(backend: Any, arguments: Arguments) -> None:
    _inline(limits.ROLE_INLINE, f"role {arguments['role_name']}", backend.get_role(arguments["role_name"]), arguments)


def _inline_of_user(backend: Any, arguments: Arguments) -> None:
    _inline(limits.USER_INLINE, f"user {arguments['user_name']}", backend.get_user(arguments["user_name"]), arguments)


def _inline(limit: Limit, holder_name: str, holder: Any, arguments: Arguments) -> None:
    documents = {**holder.policies, arguments["policy_name"]: arguments["policy_json"]}
    if sum(map(policy_size, documents.values())) > limit.most:
        raise LimitExceededException(f"Maximum policy size of {limit.most} bytes exceeded for {holder_name}")


def _attached(backend: Any, arguments: Arguments) -> None:
    role = arguments.get("role_name")
    holder = backend.get_role(role) if role else backend.get_user(arguments["user_name"])
    count = len({*holder.managed_policies, arguments["policy_arn"]})
    _quota(limits.ATTACHED, "PoliciesPerRole" if role else "PoliciesPerUser", count)


def _parameter(backend: Any, arguments: Arguments) -> None:
    name = str(arguments["name"]).lstrip("/")
    arn = f"arn:{backend.partition}:ssm:{backend.region_name}:{backend.account_id}:parameter/{name}"
    if why := limits.PARAMETER_NAME.exceeded(len(arn)):
        raise ValidationException(f"Parameter name: {why}.")


CORRECTIONS = tuple(
    Correction(
        f"{operation} keeps to {limit.subject}", limit.source, functools.partial(_before, owner, operation, check)
    )
    for owner, operation, limit, check in (
        (IAMBackend, "put_role_policy", limits.ROLE_INLINE, _inline_of_role),
        (IAMBackend, "put_user_policy", limits.USER_INLINE, _inline_of_user),
        (IAMBackend, "attach_role_policy", limits.ATTACHED, _attached),
        (IAMBackend, "attach_user_policy", limits.ATTACHED, _attached),
        (SimpleSystemManagerBackend, "put_parameter", limits.PARAMETER_NAME, _parameter),
    )
)
