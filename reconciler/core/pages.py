"""Pages of an answer, with an end: who answers may give marks of a next page for ever. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.core.errors import ReconcilerError

EMPTY = 1_000  # pages in a row without anything
MOST = 1_000_000  # pages


class Endless(ReconcilerError):
    """The pages of an answer don't end."""


def pages(
    read_page: Callable[[dict[str, Any]], Mapping[str, Any] | None], marks: Mapping[str, str]
) -> Iterator[Mapping[str, Any]]:
    """Each page, whole; none where `read_page` gives None.

    read_page: given the parameters of a page. marks: the parameter by which the next is asked for, and where a page has
    its value; a page without any is the last. Raises Endless, and what `read_page` raises.
    """
    following, seen, empty = dict[str, Any](), set[int](), 0
    for _ in range(MOST):
        page = read_page(following)
        if page is None:
            return
        yield page
        before, following = (
            following,
            {parameter: mark for parameter, field in marks.items() if (mark := page.get(field))},
        )
        if not following:
            return
        if following == before:
            raise Endless("its next page is itself", hint="run the command again")
        fingerprint = hash(tuple(sorted((name, str(mark)) for name, mark in following.items())))
        empty = 0 if any(isinstance(part, list) and part for part in page.values()) else empty + 1
        if fingerprint in seen or empty >= EMPTY:
            raise Endless("its pages don't end", hint="run the command again")
        seen.add(fingerprint)
    raise Endless("its pages don't end", hint="run the command again")
