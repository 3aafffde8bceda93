"""The sizes that Fargate has, and the types of `task.cpu` and `task.memory`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from reconciler.config.base import bad

# CPU units to MiB: first, last, step. 256 units have no even step.
_RANGES = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
SIZES: dict[int, tuple[int, ...]] = {256: (512, 1024, 2048)} | {
    cpu: tuple(range(first, last + 1, step)) for cpu, (first, last, step) in _RANGES.items()
}

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})"
_CPU = re.compile(_NUMBER + r"\s*(v?cpus?)?", re.IGNORECASE)
_MEMORY = re.compile(_NUMBER + r"\s*(mib?|gib?|mb|gb)?", re.IGNORECASE)


def _amount(value: Any, pattern: re.Pattern[str], factor: int) -> int | None:
    """A number, or text with a unit, as a whole number; `factor` is what the larger unit is worth."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    match = pattern.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit = match[1], (match[2] or "").lower()
    amount = float(number) * (1 if unit.startswith("m") or not unit else factor)
    return int(amount) if amount == int(amount) else None


def _cpu(value: Any) -> Any:
    units = _amount(value, _CPU, 1024)
    if units is None:
        raise bad("{value} is not a number of CPU units", "write units, such as 1024, or text such as 1 vCPU")
    if units not in SIZES:
        near = _or(str(n) for n in nearest(units, sorted(SIZES)))
        hint = f" ({units} vCPU is {units * 1024})" if units * 1024 in SIZES else ""
        raise bad("{value} is not a CPU size that Fargate has", f"use {near}{hint}")
    return units


def _memory(value: Any) -> Any:
    mib = _amount(value, _MEMORY, 1024)
    if mib is None:
        raise bad("{value} is not an amount of memory", "write MiB, such as 2048, or text such as 2GB")
    return mib


Cpu = Annotated[int, BeforeValidator(_cpu), Field(json_schema_extra={"enum": sorted(SIZES)})]
Memory = Annotated[int, BeforeValidator(_memory)]


def nearest(value: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """The size below `value` and the size above it, or the one at the end; `sizes` ascend."""
    below = [s for s in sizes if s <= value][-1:]
    above = [s for s in sizes if s >= value][:1]
    return tuple(dict.fromkeys(below + above))


def check_size(cpu: int, memory: int) -> tuple[str, str] | None:
    """What is wrong with `memory` (MiB) for `cpu` (units), and the sizes that exist; None if Fargate has the pair."""
    fitting = SIZES[cpu]
    if memory in fitting:
        return None
    near = _or(str(n) for n in nearest(memory, fitting))
    fix = f"use {near}"
    if memory * 1024 in fitting:
        fix += f" ({memory} GB is {memory * 1024})"
    if others := [c for c, row in SIZES.items() if memory in row]:
        fix += f", or cpu: {_or(str(c) for c in others)} with this memory"
    return f"{memory} is not a size that Fargate has with {cpu} CPU units", fix


def _or(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
