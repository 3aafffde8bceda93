"""An answer of AWS's as values, in which what AWS always sends is there, or the answer is a broken one."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from reconciler.core.errors import Unreachable

BROKEN_ANSWER = "a broken answer"  # the code of an error of ours


class Answer(dict[str, Any]):
    """A structure of an answer. Raises Unreachable for a member that isn't there and is taken without `get`."""

    call: tuple[str, str] = ("", "")

    def __missing__(self, key: str) -> Any:
        raise Unreachable(*self.call, BROKEN_ANSWER, f"it has no {key}", hint="run the command again")


def answer_of(service: str, operation: str, parsed: dict[str, Any]) -> dict[str, Any]:
    """An answer as botocore parsed it, with each structure in it as an `Answer`."""
    answer: dict[str, Any] = _as_answers((service, operation), parsed)
    return answer


def _as_answers(call: tuple[str, str], value: Any) -> Any:
    if isinstance(value, dict):
        answer = Answer((key, _as_answers(call, part)) for key, part in value.items())
        answer.call = call
        return answer
    return [_as_answers(call, part) for part in value] if isinstance(value, list) else value


def answered_at(answer: Mapping[str, Any]) -> float | None:
    """AWS's time at an answer, in seconds since the epoch; None where it doesn't say."""
    return moment_in(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))


def moment_in(date: str | None) -> float | None:
    """What a header `Date` says, in seconds since the epoch; None without one, or where a proxy has written what is no
    date.
    """
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None
