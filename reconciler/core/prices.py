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
    "instances": "https://aws.amazon.com/ec2/pricing/on-demand/",
    "managed": "https://aws.amazon.com/ecs/pricing/",
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
    paid_storage = max(0, (storage or 0) - FREE_STORAGE)
    disk = STORAGE.get(region) if paid_storage else 0.0
    address = IPV4.get(region) if public_ip else 0.0
    if prices is None or disk is None or address is None:
        return None
    return cpu / 1024 * prices[0] + memory / 1024 * prices[1] + paid_storage * disk + address


def task_cost(
    region: str, architecture: str, cpu: int, memory: int, seconds: float, storage: int | None = None
) -> float | None:
    """US dollars, without its public address. The rest is as in `hourly`."""
    price = hourly(region, architecture, cpu, memory, storage)
    return None if price is None else price * max(seconds, LEAST) / 3600


# A Linux instance an hour, on demand, in these regions in this order; None where it isn't there or isn't known.
INSTANCE_DATE = "2026-02"
INSTANCE_REGIONS = (
    "us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "eu-west-2", "ap-northeast-1",
)  # fmt: skip
INSTANCES: dict[str, tuple[float | None, ...]] = {
    "g4dn.xlarge": (0.526, 0.526, 0.526, 0.587, 0.658, 0.615, 0.71),
    "g4dn.2xlarge": (0.752, 0.752, 0.752, 0.838, 0.94, 0.88, 1.015),
    "g4dn.4xlarge": (1.204, 1.204, 1.204, 1.342, 1.505, 1.409, 1.625),
    "g4dn.8xlarge": (2.176, 2.176, 2.176, 2.426, 2.72, 2.546, 2.938),
    "g4dn.16xlarge": (4.352, 4.352, 4.352, 4.853, 5.44, 5.092, 5.875),
    "g4dn.12xlarge": (3.912, 3.912, 3.912, 4.362, 4.89, 4.577, 5.281),
    "g5.xlarge": (1.006, 1.006, 1.006, 1.123, 1.258, 1.277, 1.459),
    "g5.2xlarge": (1.212, 1.212, 1.212, 1.35296, 1.5156, 1.53849, 1.75776),
    "g5.4xlarge": (1.624, 1.624, 1.624, 1.81287, 2.03081, 2.06148, 2.35528),
    "g5.8xlarge": (2.448, 2.448, 2.448, 2.73271, 3.06122, 3.10745, 3.55033),
    "g5.16xlarge": (4.096, 4.096, 4.096, 4.57237, 5.12204, 5.1994, 5.94042),
    "g5.12xlarge": (5.672, 5.672, 5.672, 6.33167, 7.09282, 7.19994, 8.22609),
    "g5.24xlarge": (8.144, 8.144, 8.144, 9.09117, 10.18405, 10.33786, 11.81123),
    "g5.48xlarge": (16.288, 16.288, 16.288, 18.18233, 20.3681, 20.67572, 23.62246),
    "g5g.xlarge": (0.42, None, 0.42, None, 0.5254, None, 0.5669),
    "g5g.2xlarge": (0.556, None, 0.556, None, 0.6955, None, 0.7505),
    "g5g.4xlarge": (0.828, None, 0.828, None, 1.0358, None, 1.1176),
    "g5g.8xlarge": (1.372, None, 1.372, None, 1.7163, None, 1.8519),
    "g5g.16xlarge": (2.744, None, 2.744, None, 3.4326, None, 3.7039),
    "g6.xlarge": (0.8048, 0.8048, 0.8048, None, 1.0064, 1.0216, 1.1672),
    "g6.2xlarge": (0.9776, 0.9776, 0.9776, None, 1.22249, 1.24095, 1.41781),
    "g6.4xlarge": (1.3232, 1.3232, 1.3232, None, 1.65466, 1.67965, 1.91903),
    "g6.8xlarge": (2.0144, 2.0144, 2.0144, None, 2.519, 2.55705, 2.92148),
    "g6.16xlarge": (3.3968, 3.3968, 3.3968, None, 4.24769, 4.31184, 4.92637),
    "g6.12xlarge": (4.6016, 4.6016, 4.6016, None, 5.75429, 5.8412, 6.67369),
    "g6.24xlarge": (6.6752, 6.6752, 6.6752, None, 8.34732, 8.47339, 9.68103),
    "g6.48xlarge": (13.3504, 13.3504, 13.3504, None, 16.69464, 16.94678, 19.36206),
    "gr6.4xlarge": (1.5392, 1.5392, 1.5392, None, 1.9248, 1.9539, 2.2323),
    "gr6.8xlarge": (2.4464, 2.4464, 2.4464, None, 3.05927, 3.10552, 3.54801),
    "g6e.xlarge": (1.861, 1.861, 1.861, None, 2.327, None, 2.699),
    "g6e.2xlarge": (2.24208, 2.24208, 2.24208, None, 2.8035, None, 3.25168),
    "g6e.4xlarge": (3.00424, 3.00424, 3.00424, None, 3.75651, None, 4.35703),
    "g6e.8xlarge": (4.52856, 4.52856, 4.52856, None, 5.66252, None, 6.56775),
    "g6e.16xlarge": (7.57719, 7.57719, 7.57719, None, 9.47454, None, 10.98917),
    "g6e.12xlarge": (10.49264, 10.49264, 10.49264, None, 13.12002, None, 15.21742),
    "g6e.24xlarge": (15.06559, 15.06559, 15.06559, None, 18.83806, None, 21.84956),
    "g6e.48xlarge": (30.13118, 30.13118, 30.13118, None, 37.67612, None, 43.69912),
    "p3.2xlarge": (3.06, 3.06, 3.06, 3.305, 3.823, 3.589, 4.194),
    "p3.8xlarge": (12.24, 12.24, 12.24, 13.22, 15.292, 14.356, 16.776),
    "p3.16xlarge": (24.48, 24.48, 24.48, 26.44, 30.584, 28.712, 33.552),
    "p3dn.24xlarge": (31.212, None, 31.212, 33.711, None, None, 42.783),
    "p4d.24xlarge": (21.957642, 21.95764, 21.95764, 23.71569, 27.43298, 28.54493, 30.09784),
    "p4de.24xlarge": (27.44705, None, 27.44705, None, 34.29122, None, 37.6223),
    "p5.4xlarge": (6.88, 6.88, 6.88, None, None, 8.944, 8.6),
    "p5.48xlarge": (55.04, 55.04, 55.04, None, None, 71.552, 68.8),
}
# What ECS adds to a managed instance's price, on Spot too, as a part of the price on demand, by family. The price list
# has a fee for each type: 12 % for those without GPUs, and of these, in September 2026, 12 % less the 35 % by which AWS
# had cut it (docs/cost.md says which were seen). Of a family that isn't here no fee was seen.
FEES = dict.fromkeys(("g4dn", "g5", "g6", "g6e"), 0.078)


def instance_hourly(region: str, instance_type: str) -> float | None:
    """US dollars an hour of an instance on demand, without ECS's fee."""
    return dict(zip(INSTANCE_REGIONS, INSTANCES.get(instance_type, ()), strict=False)).get(region)


def managed_hourly(region: str, instance_type: str) -> float | None:
    """US dollars an hour of a managed instance on demand, with the fee; None where one of them isn't known."""
    price, fee = instance_hourly(region, instance_type), FEES.get(instance_type.partition(".")[0])
    return None if price is None or fee is None else price * (1 + fee)


def dollars(amount: float) -> str:
    """What something costs, for people: with as many digits as tell something."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.6f}" if 0 < amount < 0.0001 else f"${amount:.4f}"
