"""The record of what a deploy made, kept in SSM parameters: a hint, never the truth.

It lists addresses, one a line, and is written before anything is made, so that a bucket whose maker was stopped
before it could tag it is still known as ours, and what left the file is still found. Losing it loses nothing that
the ownership tags don't say (`recover` rebuilds it from them).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.spec import Address
from reconciler.image.kind import EVERY_KIND
from reconciler.kinds.base import PRINTABLE

# Others than this program may write the record, and what can't be a name would have AWS refuse the whole question.
_NAMES = {kind.spec.kind: kind.pattern for kind in EVERY_KIND}
LIMIT = 4000  # characters that one standard parameter holds, with room to spare


def _path(deploy: str) -> str:
    return f"/reconciler/{deploy}/record"


def valid(address: Address) -> bool:
    """Whether this can be the address of something. Kinds that aren't known here may be a newer program's."""
    if address.kind in _NAMES:
        return re.fullmatch(_NAMES[address.kind], address.name) is not None
    return re.fullmatch(r"[a-z][a-z0-9-]{0,39}", address.kind) is not None and (
        re.fullmatch(f"{PRINTABLE}{{1,2048}}", address.name) is not None
    )


def read_record(aws: Aws, deploy: str) -> frozenset[Address]:
    """The addresses in the record, without what can't be one; empty when there is none."""
    parts = aws.pages("ssm", "GetParametersByPath", "Parameters", Path=_path(deploy))
    lines = (line for part in parts for line in part["Value"].split("\n"))
    return frozenset(address for line in lines if " " in line and valid(address := Address(*line.split(" ", 1))))


def write_record(aws: Aws, deploy: str, addresses: Iterable[Address], before: Iterable[Address] = ()) -> None:
    """Replace the record. before: what is in it, as far as is known: it saves a look where nothing is to be in it."""
    parts = _parts(deploy, addresses)
    for name, text in parts.items():
        aws.call("ssm", "PutParameter", Name=name, Value=text, Type="String", Overwrite=True)
    old_names = () if parts else _parts(deploy, before)
    reads: list[Any] = [lambda: list(aws.pages("ssm", "GetParametersByPath", "Parameters", Path=_path(deploy)))]
    parameters, *_ = aws.together(
        *reads, *[partial(aws.find, "ssm", "DeleteParameter", Name=name) for name in old_names]
    )
    for name in sorted({part["Name"] for part in parameters} - parts.keys() - {*old_names}):
        aws.find("ssm", "DeleteParameter", Name=name)


def _parts(deploy: str, addresses: Iterable[Address]) -> dict[str, str]:
    """The text of each parameter, by name."""
    parts = [""]
    for address in sorted(addresses):
        line = f"{address.kind} {address.name}\n"
        if len(parts[-1]) + len(line) > LIMIT:
            parts.append("")
        parts[-1] += line
    return {f"{_path(deploy)}/{number}": text for number, text in enumerate(parts) if text}
