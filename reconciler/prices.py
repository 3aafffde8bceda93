"""What a Fargate task costs, from a dated table of prices. Pure.

Only regions whose prices were checked are in it; elsewhere the cost is None, not a guess. Spot prices change by the
day, so a Spot task is counted at the on-demand price: an upper bound. Linux; one minute is the least that is charged;
20 GiB of disk are free. Source: AWS Fargate pricing, US East (N. Virginia), US East (Ohio), US West (Oregon).
"""

from __future__ import annotations

DATE = "2026-06"
FREE_STORAGE = 20  # GiB
LEAST = 60.0  # seconds
# US dollars by architecture: a vCPU an hour, a GB of memory an hour.
_US = {"X86_64": (0.04048, 0.004445), "ARM64": (0.03238, 0.00356)}
_STORAGE = 0.000111  # a GB an hour
FARGATE = {"us-east-1": _US, "us-east-2": _US, "us-west-2": _US}


def task_cost(
    region: str, architecture: str, cpu: int, memory: int, seconds: float, storage: int | None = None
) -> float | None:
    """US dollars. cpu: CPU units (1024 a vCPU); memory: MiB; storage: GiB, None for the free 20."""
    prices = FARGATE.get(region, {}).get(architecture)
    if prices is None:
        return None
    hourly = cpu / 1024 * prices[0] + memory / 1024 * prices[1]
    hourly += max(0, (storage or 0) - FREE_STORAGE) * _STORAGE
    return hourly * max(seconds, LEAST) / 3600
