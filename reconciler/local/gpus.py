"""The NVIDIA GPUs of this machine, for tasks that ask for some."""

from __future__ import annotations

import re
from pathlib import Path

DEVICES = Path("/dev")


def present(devices: Path = DEVICES) -> tuple[int, ...]:
    """Their numbers, as the driver has them; none without a driver."""
    found = (re.fullmatch(r"nvidia([0-9]+)", one.name) for one in devices.glob("nvidia*"))
    return tuple(sorted(int(one[1]) for one in found if one))


def given(wanted: int, devices: Path = DEVICES) -> str:
    """Those that a container gets which asks for so many, as NVIDIA_VISIBLE_DEVICES has them; empty for none."""
    return ",".join(map(str, present(devices)[:wanted]))
