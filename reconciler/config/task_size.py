"""The sizes that Fargate has, and the types of `task.cpu` and `task.memory`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.config.base import bad
from reconciler.core.fargate import SIZES

_MEMORIES = tuple(sorted({mib for row in SIZES.values() for mib in row}))

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})"
_CPU = re.compile(_NUMBER + r"\s*(v?cpus?)?", re.IGNORECASE | re.ASCII)
_FEW = 64  # a number up to this is one of processors, or of GB: there is no size of so few units or MiB
_MEMORY = re.compile(_NUMBER + r"\s*([mg]i?b?)?", re.IGNORECASE | re.ASCII)


def _amount(value: Any, pattern: re.Pattern[str], factor: int) -> float | None:
    """A number, or text with a unit; `factor` is what the larger unit is worth. None if it is neither."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if 0 < value < 1e9 else None
    match = pattern.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    unit = (match[2] or "").lower()
    return float(match[1]) * (1 if unit.startswith("m") or not unit else factor)


def _cpu(value: Any) -> int:
    units = _amount(value, _CPU, 1024)
    if units is None:
        raise bad("{value} is not a number of CPU units", "write units, such as 1024, or text such as 1 vCPU")
    if units * 1024 in SIZES:  # nobody means a thousandth of a processor by `cpu: 1`
        units *= 1024
    if units < min(SIZES) or units != int(units):
        processors = units <= _FEW and units == _amount(value, _CPU, 1)  # without a unit
        raise bad("{value} is not a CPU size that Fargate has", f"use {_near(units * 1024 if processors else units)}")
    return int(units)


def _near(units: float) -> str:
    return _or(str(n) for n in nearest(units, sorted(SIZES)))


def _memory(value: Any) -> int:
    mib = _amount(value, _MEMORY, 1024)
    if mib is None or mib != int(mib):
        raise bad("{value} is not an amount of memory", "write MiB, such as 2048, or text such as 2GB")
    return int(mib)


@dataclass(frozen=True)
class _Amount:
    """An int that may be given as text with a unit."""

    parse: Callable[[Any], int]
    numbers: tuple[float, ...]
    pattern: str
    kind: str = "integer"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": self.kind, "enum": list(self.numbers)}, {"type": "string", "pattern": self.pattern}]}


_CPUS = (*(units / 1024 if units < 1024 else units // 1024 for units in SIZES), *SIZES)
Cpu = Annotated[int, _Amount(_cpu, _CPUS, r"^\s*[0-9.]+\s*([vV]?[cC][pP][uU]s?)?\s*$", "number")]
Memory = Annotated[int, _Amount(_memory, _MEMORIES, r"^\s*[0-9.]+\s*([mMgG][iI]?[bB]?)?\s*$")]


def nearest(value: float, sizes: Sequence[int]) -> tuple[int, ...]:
    """The size below `value` and the size above it, or the one at the end; `sizes` ascend."""
    below = [s for s in sizes if s <= value][-1:]
    above = [s for s in sizes if s >= value][:1]
    return tuple(dict.fromkeys(below + above))


def check_cpu(cpu: int) -> tuple[str, str] | None:
    """What is wrong with so many CPU units, and the sizes that exist; None if Fargate has them."""
    return None if cpu in SIZES else ("{value} is not a CPU size that Fargate has", f"use {_near(cpu)}")


def check_size(cpu: int, memory: int) -> tuple[str, str] | None:
    """What is wrong with `memory` (MiB) for `cpu` (units that Fargate has), and the sizes that exist; None if Fargate
    has the pair.
    """
    fitting = SIZES[cpu]
    if memory in fitting:
        return None
    near = _or(str(n) for n in nearest(memory * 1024 if memory <= _FEW else memory, fitting))
    fix = f"use {near}"
    if cpus := [c for c, row in SIZES.items() if memory in row]:
        fix += f", or cpu: {_or(str(c) for c in cpus)} with this memory"
    return f"{{value}} is not a size that Fargate has with {cpu} CPU units", fix


def _or(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
