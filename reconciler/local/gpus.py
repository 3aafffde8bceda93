"""The NVIDIA GPUs of this machine, for tasks that ask for some."""

from __future__ import annotations

import re
from pathlib import Path

DEVICES = Path("/dev")


def present(devices: Path = DEVICES) -> tuple[int, ...]:
    """The numbers of this machine's GPUs, as the driver has them; none without a driver."""
    matches = (re.fullmatch(r"nvidia([0-9]+)", device.name) for device in devices.glob("nvidia*"))
    return tuple(sorted(int(match[1]) for match in matches if match))


def given(count: int, devices: Path = DEVICES) -> str:
    """The GPUs that a container gets which asks for so many, as NVIDIA_VISIBLE_DEVICES has them; empty for none."""
    return ",".join(map(str, present(devices)[:count]))
