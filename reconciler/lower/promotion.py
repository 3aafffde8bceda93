"""What `run.promote` means: the program's variable, and the paths of the bucket that it needs for it. Pure.

The program keeps which model is in use in models/champion.json, and reads the runs that it compares.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.config.resource_names import Names
from reconciler.config.task import WRITE
from reconciler.core.run_paths import RUNS
from reconciler.lower.ci import given
from reconciler.permissions.judge import decide

VARIABLE = "PROMOTE"
MODELS = ("models/*",)
READ = (*MODELS, *WRITE)
"""Which model is in use, and the results of runs: those of the one in use, and its own."""
NEEDED = {
    "models/champion.json": ("s3:GetObject", "s3:PutObject"),
    f"{RUNS}/RUN/output/manifest.json": ("s3:GetObject", "s3:PutObject"),
}
"""What a promotion does, by path."""


def variable(names: Names) -> dict[str, str]:
    """The metric, by the name of its variable; empty without `run.promote`."""
    metric = names.deploy.run.promote
    return {VARIABLE: metric} if metric else {}


def paths(names: Names) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the program reads and what it writes beside `task.role.read` and `write`; none without `run.promote`."""
    return (READ, MODELS) if names.deploy.run.promote else ((), ())


def missing(names: Names) -> list[str]:
    """What `run.promote` needs and `task.role.policy` doesn't allow, such as `s3:GetObject on models/champion.json`."""
    return not_allowed(names, NEEDED) if names.deploy.run.promote else []


def not_allowed(names: Names, needed: Mapping[str, tuple[str, ...]]) -> list[str]:
    """What of these actions, by path of the bucket, `task.role.policy` doesn't allow; none where that isn't all."""
    role = names.deploy.task.role
    if role.policy is None or not role.only_policy:
        return []
    policy = {"Statement": given(role.policy)}
    return [
        f"{action} on {path}"
        for path, actions in needed.items()
        for action in actions
        if decide([policy], action, names.s3(path)) != "allowed"
    ]
