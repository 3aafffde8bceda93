"""List prices of AWS in US dollars, from a dated table, and what a Fargate task costs by it. Pure.

Only what was checked is in it; elsewhere a cost is None, not a guess. Spot prices change by the day, so a Spot task is
counted at the on-demand price: an upper bound. Linux; one minute is the least that is charged; 20 GiB of disk are free.
Free tiers, discounts and taxes are left out. docs/cost.md says where each number is from.
"""

from __future__ import annotations

DATE = "2026-06"
SOURCES = {
    "fargate": "https://aws.amazon.com/fargate/pricing/",
    "ecr": "https://aws.amazon.com/ecr/pricing/",
    "s3": "https://aws.amazon.com/s3/pricing/",
    "logs": "https://aws.amazon.com/cloudwatch/pricing/",
    "ipv4": "https://aws.amazon.com/vpc/pricing/",
    "lambda": "https://aws.amazon.com/lambda/pricing/",
}
FREE_STORAGE = 20  # GiB
LEAST = 60.0  # seconds
# By architecture: a vCPU an hour, a GB of memory an hour.
_US = {"X86_64": (0.04048, 0.004445), "ARM64": (0.03238, 0.00356)}
_FRANKFURT = {"X86_64": (0.04656, 0.00511), "ARM64": (0.03725, 0.00409)}
_TOKYO = {"X86_64": (0.05056, 0.00553), "ARM64": (0.04045, 0.00442)}
FARGATE = {
    "us-east-1": _US, "us-east-2": _US, "us-west-2": _US, "eu-west-1": _US,
    "eu-central-1": _FRANKFURT, "eu-west-2": _FRANKFURT, "ap-northeast-1": _TOKYO,
}  # fmt: skip
_US_STORAGE = 0.000111  # a GB of a task's disk an hour
STORAGE = {"us-east-1": _US_STORAGE, "us-east-2": _US_STORAGE, "us-west-2": _US_STORAGE}
# A GB of S3 Standard a month; a GB that CloudWatch Logs takes in, a GB that it keeps a month.
S3 = {
    "us-east-1": 0.023, "us-east-2": 0.023, "us-west-2": 0.023, "eu-west-1": 0.023, "eu-west-2": 0.024,
    "eu-central-1": 0.0245, "ap-northeast-1": 0.025,
}  # fmt: skip
LOGS = {
    "us-east-1": (0.50, 0.03), "us-east-2": (0.50, 0.03), "us-west-2": (0.50, 0.03), "eu-west-1": (0.57, 0.03),
    "eu-central-1": (0.63, 0.0324), "ap-northeast-1": (0.76, 0.033),
}  # fmt: skip
# The same in every region of the table.
ECR = dict.fromkeys(FARGATE, 0.10)  # a GB a month
IPV4 = dict.fromkeys(FARGATE, 0.005)  # a public address an hour
FUNCTION = dict.fromkeys(FARGATE, (0.0000002, 0.0000166667))  # a call; a GB of memory a second, on x86_64


def hourly(
    region: str, architecture: str, cpu: int, memory: int, storage: int | None = None, *, public_ip: bool = False
) -> float | None:
    """US dollars an hour of a task. cpu: CPU units (1024 a vCPU); memory: MiB; storage: GiB, None for the free 20."""
    prices = FARGATE.get(region, {}).get(architecture)
    more = max(0, (storage or 0) - FREE_STORAGE)
    disk = STORAGE.get(region) if more else 0.0
    address = IPV4.get(region) if public_ip else 0.0
    if prices is None or disk is None or address is None:
        return None
    return cpu / 1024 * prices[0] + memory / 1024 * prices[1] + more * disk + address


def task_cost(
    region: str, architecture: str, cpu: int, memory: int, seconds: float, storage: int | None = None
) -> float | None:
    """US dollars, without its public address. The rest is as in `hourly`."""
    price = hourly(region, architecture, cpu, memory, storage)
    return None if price is None else price * max(seconds, LEAST) / 3600
