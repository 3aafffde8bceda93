"""One way in which moto is put right. `corrections.every` is the list of them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Correction:
    """What AWS does, and moto does otherwise or not at all.

    name: in a few words; no two have the same. source: the address of AWS's rule, or of the fault in moto or CPython.
    install: changes moto for good in this process, and is called once.
    """

    name: str
    source: str
    install: Callable[[], None]
