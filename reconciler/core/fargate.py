"""What Fargate has: capacity providers and sizes. Pure."""

from __future__ import annotations

SPOT = "FARGATE_SPOT"
FARGATE = ("FARGATE", SPOT)
EXACT = 60  # seconds: as exact as Scheduler, which stops a task at its deadline, is
STOP = 30  # seconds from SIGTERM to SIGKILL, unless a container says something else
# Seconds from SIGTERM to SIGKILL, at least (which ECS asks for anywhere) and at most:
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html#ECS-Type-ContainerDefinition-stopTimeout
SHORTEST_STOP, LONGEST_STOP = 2, 120
DISK = range(21, 201)  # GiB; 20 without a word of it

# CPU units to MiB: first, last, step. The smallest and the largest have no even step.
_RANGES = {
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    **{cpu: tuple(range(first, last + 1, step)) for cpu, (first, last, step) in _RANGES.items()},
    32768: (61440, 122880, 249856),  # since June 2026; for Linux, as all tasks here are
}

# Where Fargate is in some zones of a region only, their ids, which are the same in every account:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
ZONES: dict[str, frozenset[str]] = {
    "ap-northeast-1": frozenset(("apne1-az1", "apne1-az2", "apne1-az4")),
    "cn-north-1": frozenset(("cnn1-az1", "cnn1-az2")),
    "us-west-1": frozenset(("usw1-az1", "usw1-az3")),
}


def has_fargate(region: str, zone_id: str) -> bool:
    """Whether tasks can run in this zone; of a zone that isn't told it is taken to be so."""
    return not zone_id or region not in ZONES or zone_id in ZONES[region]


def next_size(cpu: int, memory: int) -> tuple[int, int]:
    """The size to try when memory was too little: twice as much, with more CPU only where that is needed.

    The same size when there is none larger.
    """
    for units in sorted(SIZES):
        enough = [mib for mib in SIZES[units] if mib >= 2 * memory]
        if units >= cpu and enough:
            return units, enough[0]
    top = max(SIZES)
    return (top, SIZES[top][-1]) if memory < SIZES[top][-1] else (cpu, memory)


def larger(cpu: int, memory: int, most: int | None = None) -> tuple[int, int] | None:
    """The size to go on with when memory was too little; None where there is none.

    That of `next_size`, or where that is above so many MiB, the largest that isn't.
    """
    units, mib = next_size(cpu, memory)
    if mib > memory and (most is None or mib <= most):
        return units, mib
    fitting = [(m, u) for u in SIZES for m in SIZES[u] if u >= cpu and memory < m <= (most or 0)]
    mib = max((m for m, _ in fitting), default=0)
    return min(((u, m) for m, u in fitting if m == mib), default=None)
