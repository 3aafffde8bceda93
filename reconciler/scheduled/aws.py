"""Calls to AWS with nothing but boto3, which Lambda has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from reconciler.core.pages import Endless

ABSENT = ("NoSuchKey", "404", "ResourceNotFoundException", "ParameterNotFound")
THERE = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409", "ConflictException")
FAILURES = (ClientError, BotoCoreError, Endless)  # what calls raise, and reading the pages of their answers

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741  the item of `each`


@cache
def _client(service: str) -> Any:
    return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 8}))


def call(service: str, operation: str, **params: Any) -> dict[str, Any]:
    """One call. operation: the API's name of it. Raises ClientError, BotoCoreError."""
    answer: dict[str, Any] = getattr(_client(service), xform_name(operation))(**params)
    for failure in answer.get("failures") or () if operation.startswith("Describe") else ():
        if failure.get("reason") != "MISSING":  # it isn't known whether it is there
            problem = {"Code": str(failure.get("reason")), "Message": str(failure.get("detail") or failure.get("arn"))}
            raise ClientError({"Error": problem}, operation)
    return answer


def find(service: str, operation: str, **params: Any) -> dict[str, Any] | None:
    """As `call`, but None for what doesn't exist."""
    return _unless(ABSENT, service, operation, params)


def there(service: str, operation: str, **params: Any) -> dict[str, Any] | None:
    """As `call`, for what makes something; None for what is there already."""
    return _unless(THERE, service, operation, params)


def conditional(service: str, operation: str, **params: Any) -> dict[str, Any] | None:
    """As `call`, for what is done on a condition (IfMatch); None where that doesn't hold."""
    return _unless((*THERE, *ABSENT), service, operation, params)


def each(read: Callable[[I], T], items: Iterable[I]) -> list[T]:
    """Read the items one after the other."""
    return [read(item) for item in items]


def is_unclear(error: Exception) -> bool:
    """Whether a call that failed so may have been done all the same, at this try or at one that botocore made before;
    the same call may be answered later.
    """
    if not isinstance(error, ClientError):
        return isinstance(error, BotoCoreError)
    about: dict[str, Any] = error.response.get("ResponseMetadata") or {}
    return bool(about.get("HTTPStatusCode", 400) >= 500 or about.get("RetryAttempts", 0) > 0)


def _unless(codes: tuple[str, ...], service: str, operation: str, params: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return call(service, operation, **params)
    except ClientError as error:
        if error.response["Error"]["Code"] in codes:
            return None
        raise
