"""How many processors and how much memory this process may use, as the container's limits say."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path

from model.errors import InputError


def threads(env: Mapping[str, str], cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """NTHREADS if set, else the processors left by the affinity mask and the cgroup's CPU limit.

    Raises:
        InputError: NTHREADS isn't a whole number of at least 1.
    """
    if limit := _given(env, "NTHREADS"):
        return limit
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(count, math.ceil(_quota(cgroup) or count)))


def _given(env: Mapping[str, str], name: str) -> int:
    """What a variable says; 0 if it isn't set."""
    text = env.get(name, "").strip()
    if text and (not text.isdecimal() or int(text) < 1):
        raise InputError(f"{name} is {text!r}: use a whole number of at least 1")
    return int(text or 0)


def _quota(cgroup: Path) -> float | None:
    """The CPU limit in processors; None without one. Reads cgroup v2, then v1."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int((cgroup / "cpu/cpu.cfs_quota_us").read_text())
        return quota_us / int((cgroup / "cpu/cpu.cfs_period_us").read_text()) if quota_us > 0 else None
    except (OSError, ValueError):
        return None


def memory(env: Mapping[str, str], cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """MEMORY_LIMIT_MB if set, else the cgroup's limit or the machine's memory, whichever is less, in bytes.

    Raises:
        InputError: MEMORY_LIMIT_MB isn't a whole number of at least 1.
    """
    if megabytes := _given(env, "MEMORY_LIMIT_MB"):
        return megabytes * 2**20
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup v2, then v1
        try:
            limits.append(int((cgroup / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits)
