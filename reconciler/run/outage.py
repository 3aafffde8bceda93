"""AWS out of reach, or with a failure of its own, while runs are under way: that is waited for, since their tasks
continue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconciler.aws.calls import Aws
from reconciler.core.errors import Unreachable

OUTAGE = 900.0  # seconds for which AWS may be out of reach
PAUSE = 0.4  # seconds between tries, each of which takes some seconds itself
T = TypeVar("T")


def outlast(aws: Aws, ask: Callable[[], T], trouble: Callable[[str], None]) -> T:
    """What `ask` gives, once AWS can be reached. ask: may be done again, since the answer may have been lost; trouble:
    told once. Raises Unreachable after so long an outage, and what else `ask` raises.
    """
    began, announced = aws.clock.now(), False
    while True:
        try:
            return ask()
        except Unreachable as error:
            if aws.clock.now() - began > OUTAGE:
                raise
            if not announced:
                trouble(f"AWS doesn't answer as it should; running tasks continue: {error.reason}")
                announced = True
            aws.clock.sleep(PAUSE)
