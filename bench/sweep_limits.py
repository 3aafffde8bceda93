"""How long a sweep takes in a real account, by the limits of its services alone: a simulation, and what bounds it.

    python -m bench.sweep_limits [COUNT] [--minutes M] [--vcpu V] [--quota Q] [--parallel N]

Second by second: as many launches as the rate, the quota on vCPU and `max_parallel` let; each task lasts as long as it
is said to, and a minute more to start. Nothing is asked of AWS. Each limit is AWS's own, with the page that says it.
"""

from __future__ import annotations

import argparse
from collections import deque
from dataclasses import dataclass

from reconciler.run.fleet import LOOKS, RATE
from reconciler.run.watch import AT_ONCE

START = 60.0  # seconds from RunTask until the program runs: the image is pulled, a network interface attached
PUTS = 4  # objects that each run writes from its launch to its end
LOG_READS = 2  # of a run that failed, to explain it


FARGATE_PAGE = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html"
ECS_PAGE = "https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html"
QUOTAS_PAGE = "https://docs.aws.amazon.com/general/latest/gr/ecs-service.html#service-quotas-fargate"
LOGS_PAGE = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html"
S3_PAGE = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"

# A second, once what may be had at once is used up.
TASKS = 20.0  # Fargate's tasks, launched by whatever call: FARGATE_PAGE
RUN_TASK = 20.0  # calls of RunTask for Fargate; each run is one, since each has variables of its own: FARGATE_PAGE
READS = 20.0  # DescribeTasks and ListTasks together: ECS_PAGE
LOG_EVENTS = 10.0  # GetLogEvents, in most of the large regions: LOGS_PAGE
S3_WRITES = 3_500.0  # to a prefix: S3_PAGE

VCPU = 6  # at once on Fargate, of an account that asked for no more; a new one may have less: QUOTAS_PAGE


@dataclass(frozen=True)
class Simulated:
    """launched, seconds: until the last task was launched and had ended; most: tasks at once; looks: DescribeTasks."""

    launched: float
    seconds: float
    most: int
    looks: int


def simulate(count: int, lasts: float, at_once: int, rate: float = min(RATE, RUN_TASK, TASKS)) -> Simulated:
    """Launch `count` tasks that last `lasts` seconds each, never more than `at_once` together."""
    ends: deque[int] = deque()
    now, left, most, looks, launched = 0, count, 0, 0, 0
    while left or ends:
        while ends and ends[0] <= now:
            ends.popleft()
        batch = min(left, at_once - len(ends), int(rate))
        ends.extend([now + int(lasts)] * batch)
        if batch:
            left, launched = left - batch, now
        most = max(most, len(ends))
        looks += min(-(-len(ends) // AT_ONCE) * 2, LOOKS)  # a look each half second, and no more than LOOKS a second
        now += 1
    return Simulated(launched, now, most, looks)


def floors(count: int, lasts: float, at_once: int, failed: int) -> dict[str, float]:
    """Seconds that each limit alone would take, by what it is."""
    return {
        f"launches, {RUN_TASK:g} a second": count / RUN_TASK,
        f"{at_once:,} tasks at once": count * lasts / at_once,
        f"looks, {AT_ONCE} tasks a call, {READS:g} calls a second": count / AT_ONCE / READS,
        f"logs of {failed:,} that failed, {LOG_EVENTS:g} reads a second": failed * LOG_READS / LOG_EVENTS,
        "records in S3": count * PUTS / S3_WRITES,
    }


def spelled(seconds: float) -> str:
    """A time in words."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.sweep_limits", description=__doc__.partition("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10.0, help="that each task lasts (default: %(default)s)")
    parser.add_argument("--vcpu", type=float, default=1.0, help="of each task (default: %(default)s)")
    parser.add_argument("--quota", type=float, nargs="+", default=[VCPU, 1_000, 4_000, 20_000], help="vCPU at once")
    parser.add_argument("--parallel", type=int, default=10_000, help="run.sweep.max_parallel (default: %(default)s)")
    options = parser.parse_args()
    lasts = options.minutes * 60 + START
    for quota in options.quota:
        at_once = max(min(int(quota / options.vcpu), options.parallel), 1)
        simulated = simulate(options.count, lasts, at_once)
        alone = floors(options.count, lasts, at_once, options.count // 20)
        slowest = max(alone, key=alone.__getitem__)
        print(
            f"{quota:>6g} vCPU: {spelled(simulated.seconds):>8}, at most {simulated.most:,} at once, last launch after "
            f"{spelled(simulated.launched)}, {simulated.looks:,} looks; bound by {slowest}"
        )
    for bound, seconds in alone.items():
        print(f"  {bound}: {spelled(seconds)} alone")
    for page in dict.fromkeys((FARGATE_PAGE, ECS_PAGE, QUOTAS_PAGE, LOGS_PAGE, S3_PAGE)):
        print(f"  {page}")


if __name__ == "__main__":
    main()
