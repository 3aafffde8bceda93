"""Whether what a run needs is there and works together, looked at in the live account. Reads only.

`examine` makes a tree of findings; each part of it is a function of `Live`. What can't be told, for want of a
permission or because AWS doesn't say, is skipped with the reason.
"""

from __future__ import annotations

from collections.abc import Callable

from reconciler.checks.findings import Finding, group, ng, skip
from reconciler.checks.verify import image, network, resources, roles
from reconciler.checks.verify.live import Live
from reconciler.core.errors import AwsError, Denied, UserError

PARTS: tuple[tuple[str, Callable[[Live], Finding]], ...] = (
    ("image", image.check),
    ("task definition", resources.task_definition),
    ("roles", roles.check),
    ("data", resources.data),
    ("log", resources.log),
    ("cluster", resources.cluster),
    ("network", network.check),
    ("secrets", resources.secrets),
    ("quotas", resources.quotas),
)


def examine(live: Live) -> list[Finding]:
    """All checks, at the same time. Raises AwsError where AWS can't be reached at all."""

    def run_check(part: tuple[str, Callable[[Live], Finding]]) -> Finding:
        name, check = part
        try:
            return check(live)
        except Denied as error:
            return group(name, skip("not permitted", f"{error.hint} to check it"))
        except UserError as error:
            return group(name, ng("deploy.yaml", error.message, error.hint))
        except AwsError as error:
            return group(name, skip("AWS doesn't say", str(error)))

    with live.aws.shared:
        return live.aws.each(run_check, PARTS)
