"""Which requests only read, and which come again: what the words `changes`, `writes` and `reads` of a rule go by."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from tests.lab_wire import Environ, read_body

READS = ("BatchGet", "Describe", "Get", "Head", "List")  # how the operations begin that change nothing
LOOKS = {"DescribeTasks", "GetLogEvents"}  # what they read goes on by itself
ID = re.compile(rb"\d{8}-\d{6}-[0-9a-f]{8}|\b[0-9a-f]{32}\b")  # of a run, and of a task: another each time


def reads(op: str) -> bool:
    """Whether an operation only reads."""
    return op.startswith(READS)


@dataclass(frozen=True)
class Request:
    """A request as rules see it.

    read: it changes nothing. changes: a command that ends here may leave something else than one that ends a request
    before: it is a write, or the first read after one or of all. What only its answer shows: see `Order.saw`. group: a
    number that the same read has in another run too; None for a write, and for a read that comes again since its answer
    was lost.
    """

    service: str
    op: str
    read: bool = False
    changes: bool = True
    group: int | None = None
    identity: int = 0

    def matches(self, rule: dict[str, Any]) -> bool:
        """Whether a rule is for it."""
        if rule.get("service", "*") not in ("*", self.service) or rule.get("op", "*") not in ("*", self.op):
            return False
        if (rule.get("changes") and not self.changes) or (rule.get("writes") and self.read):
            return False
        if "reads" in rule:
            number, of = rule["reads"]
            return self.group is not None and self.group % of == number
        return True


class Order:
    """Sorts the requests of a command as they come."""

    def __init__(self) -> None:
        self._wrote = True
        self._times = Counter[int]()
        self._again = set[int]()
        self._seen = dict[int, int]()

    def next(self, service: str, op: str, environ: Environ) -> Request:
        """The request that comes now."""
        changes, self._wrote = self._wrote, not reads(op)
        if self._wrote:
            return Request(service, op)
        asked = f"{service} {op} {environ['PATH_INFO']} {environ.get('QUERY_STRING', '')} ".encode() + read_body(
            environ
        )
        identity = crc32(ID.sub(b"ID", asked))
        if identity in self._again:
            self._again.remove(identity)
            return Request(service, op, True, changes, identity=identity)
        self._times[identity] += 1
        group = crc32(b"%d %d" % (identity, self._times[identity]))
        return Request(service, op, True, changes, group, identity)

    def saw(self, request: Request, answer: bytes) -> bool:
        """Whether a look at a task saw something else than the same look before: the task went on, so that a command
        that ends here may leave something else. Not for what counts anyhow, as the first read after a write.
        """
        if request.op not in LOOKS:
            return False
        now = crc32(answer)
        before, self._seen[request.identity] = self._seen.get(request.identity, now), now
        return now != before and not request.changes

    def lost(self, request: Request) -> None:
        """The answer to a read is lost, so that it comes again."""
        self._again.add(request.identity)
