"""What `run.checkpoint` means: what the program may do, and what removes what is left. Pure."""

from __future__ import annotations

from typing import Any

from reconciler.config.resource_names import Names
from reconciler.core.canonical import allow
from reconciler.core.run_paths import CHECKPOINT_MARK, CHECKPOINTS, RUNS, checkpoint_prefix
from reconciler.kinds.s3_bucket import Expiry
from reconciler.lower.promotion import not_allowed

ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
NEEDED = {f"{checkpoint_prefix('RUN')}/model": ACTIONS[:3]}
"""What a program does there, by path."""
# What runs that failed left, at which a person may still want to look.
LEFT = Expiry(prefix=f"{RUNS}/", tag="=".join(CHECKPOINT_MARK), expire_days=30, noncurrent_days=1)


def paths(names: Names) -> tuple[str, ...]:
    """Where the program keeps checkpoints; nowhere without `run.checkpoint`."""
    return CHECKPOINTS if names.deploy.run.checkpoint else ()


def statement(names: Names) -> dict[str, Any]:
    """What lets the program read, write and delete checkpoints."""
    return allow("Checkpoint", [*ACTIONS], [names.s3(path) for path in CHECKPOINTS])


def missing(names: Names) -> list[str]:
    """What `run.checkpoint` needs and `task.role.policy` doesn't allow."""
    return not_allowed(names, NEEDED) if names.deploy.run.checkpoint else []
