"""Capacity provider strategies, which clusters have as a default and services of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.spec import Value


class Weight(Value):
    """One capacity provider of a strategy."""

    provider: str
    weight: int = 0
    base: int = 0

    @property
    def identity(self) -> str:
        """Paired by provider."""
        return self.provider


def weights(strategy: Iterable[Mapping[str, Any]] | None) -> tuple[Weight, ...]:
    """A strategy as the ECS API has it, in the desired form."""
    entries = [
        Weight(provider=s["capacityProvider"], weight=s.get("weight", 0), base=s.get("base", 0)) for s in strategy or ()
    ]
    return tuple(sorted(entries, key=lambda w: w.provider))


def strategy(providers: Iterable[Weight]) -> list[dict[str, Any]]:
    """A strategy as the ECS API takes it."""
    return [{"capacityProvider": weight.provider, "weight": weight.weight, "base": weight.base} for weight in providers]
