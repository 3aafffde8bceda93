"""Parameters of SSM that are deleted when their expiration policy says so, which moto only keeps."""

from __future__ import annotations

import functools
import json
import time
from datetime import datetime
from typing import Any

from moto.ssm.models import SimpleSystemManagerBackend

from reconciler.local.correction import Correction

POLICIES = "https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html"
OPERATIONS = (
    "get_parameter", "get_parameters", "get_parameters_by_path", "get_parameter_history", "describe_parameters",
    "put_parameter", "delete_parameter", "delete_parameters",
)  # fmt: skip


def is_over(policies: str | None, now: float) -> bool:
    """Whether a parameter with these policies (JSON) is to be deleted. now: seconds since the epoch."""
    ends = [
        policy["Attributes"]["Timestamp"] for policy in json.loads(policies or "[]") if policy["Type"] == "Expiration"
    ]
    return any(datetime.fromisoformat(end).timestamp() <= now for end in ends)


def _parameters_expire() -> None:
    for name in OPERATIONS:
        setattr(SimpleSystemManagerBackend, name, _expired(getattr(SimpleSystemManagerBackend, name)))


def _expired(original: Any) -> Any:
    @functools.wraps(original)
    def called(self: Any, *args: Any, **kwargs: Any) -> Any:
        now = time.time()
        for name, versions in list(self._parameters.items()):
            if versions and is_over(versions[-1].policies, now):
                self._parameters.pop(name, None)
                self._resource_tags.get("Parameter", {}).pop(name, None)
        return original(self, *args, **kwargs)

    return called


CORRECTIONS = (Correction("parameters expire", POLICIES, _parameters_expire),)
