"""ECS Managed Instances: what they are named by here, the GPU types of EC2, and which of them fit a task. Pure.

Sizes of the types: EC2's DescribeInstanceTypes. Only GPUs that `acceleratorNames` can name are in the table, so that a
file that names its GPUs can get nothing that isn't in it:
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_InstanceRequirementsRequest.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

MANAGED, MANAGED_SPOT = "managed", "managed-spot"  # as run.capacity has them
COMPATIBILITY = "MANAGED_INSTANCES"  # as ECS has it: a task definition's, and a launch type
INSTANCE_ROLE = "ecsInstanceRole"  # how its name has to begin: AWS's policy lets ECS hand over no other role
INFRASTRUCTURE_POLICY = "AmazonECSInfrastructureRolePolicyForManagedInstances"
INSTANCE_POLICY = "AmazonECSInstanceRolePolicyForManagedInstances"
IDLE = 60  # seconds for which an instance without a task is kept: `scaleInAfter`
WIDE = 4  # an instance may have so many times the processors and the memory of the task
# Percent of an instance's memory that tasks may have. How much the kernel and the agent of a managed instance keep AWS
# doesn't say: of an m4.large 2.5 % (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/memory-management.html).
# AWS's advice is to leave them 5 %: https://docs.aws.amazon.com/batch/latest/userguide/ecs-reserved-memory.html
FOR_TASKS = 95
MOST_CPU, LEAST_MEMORY = 196608, 6  # CPU units that ECS takes at most, and MiB at least
DISK = 80  # GiB for the tasks of an instance, where the file says nothing: as much as ECS gives by itself
# EC2 leaves out what costs 20 % more than the cheapest type that matches, and so any other GPU, and the next size up
# for a task that needs more memory. The ranges of a request bound what is paid; this turns the other bound off:
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_InstanceRequirementsRequest.html
ANY_PRICE = 999_999
MAKERS = {"X86_64": ("amd", "intel"), "ARM64": ("amazon-web-services",)}  # of processors


class InstanceType(NamedTuple):
    """One type of EC2. memory: MiB."""

    name: str
    gpu: str
    gpus: int
    vcpus: int
    memory: int
    platform: str = "X86_64"


class Range(NamedTuple):
    """From, and up to."""

    min: int
    max: int


class Requirements(NamedTuple):
    """What an instance has to have. memory: MiB; gpus: None for none; gpu_types: empty for any of NVIDIA's."""

    vcpus: Range
    memory: Range
    gpus: Range | None
    gpu_types: tuple[str, ...]
    platform: str

    @property
    def largest_task(self) -> int:
        """MiB that a task may have at most on an instance that meets them."""
        return for_tasks(max((instance.memory for instance in allowed(self)), default=self.memory.max))

    def fits(self, instance: InstanceType) -> bool:
        """Whether an instance type meets them."""
        return (
            self.gpus is not None
            and instance.platform == self.platform
            and (not self.gpu_types or instance.gpu in self.gpu_types)
            and self.gpus.min <= instance.gpus <= self.gpus.max
            and self.vcpus.min <= instance.vcpus <= self.vcpus.max
            and self.memory.min <= instance.memory <= self.memory.max
        )

    def request(self) -> dict[str, Any]:
        """As the ECS API takes them."""
        request: dict[str, Any] = {
            "vCpuCount": self.vcpus._asdict(),
            "memoryMiB": self.memory._asdict(),
            "cpuManufacturers": list(MAKERS[self.platform]),
            "onDemandMaxPricePercentageOverLowestPrice": ANY_PRICE,
        }
        if self.gpus is None:
            return request | {"acceleratorCount": {"max": 0}}
        request |= {
            "acceleratorTypes": ["gpu"],
            "acceleratorManufacturers": ["nvidia"],
            "acceleratorCount": self.gpus._asdict(),
        }
        return request | ({"acceleratorNames": list(self.gpu_types)} if self.gpu_types else {})


def _family(
    family: str, gpu: str, memory: int, sizes: dict[str, tuple[int, int]], platform: str = "X86_64"
) -> list[InstanceType]:
    """The types of a family with as many GiB of memory for each processor. sizes: GPUs and processors by size."""
    return [
        InstanceType(f"{family}.{size}", gpu, gpus, vcpus, vcpus * memory * 1024, platform)
        for size, (gpus, vcpus) in sizes.items()
    ]


_ONE = {"xlarge": (1, 4), "2xlarge": (1, 8), "4xlarge": (1, 16), "8xlarge": (1, 32), "16xlarge": (1, 64)}
_FOUR = {"12xlarge": (4, 48), "24xlarge": (4, 96), "48xlarge": (8, 192)}
TYPES: tuple[InstanceType, ...] = (
    *_family("g4dn", "t4", 4, {**_ONE, "12xlarge": (4, 48)}),
    *_family("g5", "a10g", 4, {**_ONE, **_FOUR}),
    *_family("g5g", "t4g", 2, {**_ONE, "16xlarge": (2, 64)}, "ARM64"),
    *_family("g6", "l4", 4, {**_ONE, **_FOUR}),
    *_family("gr6", "l4", 8, {"4xlarge": (1, 16), "8xlarge": (1, 32)}),
    *_family("g6e", "l40s", 8, {**_ONE, **_FOUR}),
    InstanceType("p3.2xlarge", "v100", 1, 8, 61 * 1024),
    InstanceType("p3.8xlarge", "v100", 4, 32, 244 * 1024),
    InstanceType("p3.16xlarge", "v100", 8, 64, 488 * 1024),
    InstanceType("p3dn.24xlarge", "v100", 8, 96, 768 * 1024),
    InstanceType("p4d.24xlarge", "a100", 8, 96, 1152 * 1024),
    InstanceType("p4de.24xlarge", "a100", 8, 96, 1152 * 1024),
    InstanceType("p5.4xlarge", "h100", 1, 16, 256 * 1024),
    InstanceType("p5.48xlarge", "h100", 8, 192, 2048 * 1024),
)
GPU_TYPES = tuple(sorted({instance.gpu for instance in TYPES}))


def is_managed(provider: Mapping[str, Any]) -> bool:
    """Whether a capacity provider, as DescribeCapacityProviders has it, is of managed instances."""
    return bool(provider.get("managedInstancesProvider")) or provider.get("type") == COMPATIBILITY


def for_tasks(memory: int) -> int:
    """MiB that tasks may have of an instance with so many."""
    return memory * FOR_TASKS // 100


def requirements(
    cpu: int, memory: int, gpus: int | None = None, gpu_types: tuple[str, ...] = (), platform: str = "X86_64"
) -> Requirements:
    """What an instance for a task of this size has to have. cpu: CPU units; memory: MiB.

    More memory than the task, since the system keeps some. At most `WIDE` times as much as the task, so that a small
    task gets no large machine; or, where no type is that small, as much as the smallest that has enough. More GPUs than
    wanted only where no type has as many. Without GPUs there is no table: EC2's common types have 2, 4 or 8 GiB for
    each processor, and two processors or more.
    """
    vcpus, kinds = math.ceil(cpu / 1024), tuple(sorted(gpu_types))
    needed_memory = -(-memory * 100 // FOR_TASKS)  # rounded up
    if not gpus:
        most = Range(vcpus, max(WIDE * vcpus, 2 * math.ceil(needed_memory / 8192)))
        return Requirements(most, Range(needed_memory, WIDE * max(memory, 1024 * vcpus)), None, kinds, platform)
    least = Requirements(Range(vcpus, 10**6), Range(needed_memory, 10**9), Range(gpus, 10**3), kinds, platform)
    enough = [instance for instance in TYPES if least.fits(instance)]
    # Of each GPU that is named there is to be one, whatever else there is.
    groups = [[instance for instance in enough if instance.gpu == kind] for kind in kinds] or [enough]
    small = [
        min(group, key=lambda instance: (instance.gpus, instance.vcpus, instance.memory)) for group in groups if group
    ]
    return least._replace(
        vcpus=Range(vcpus, max(WIDE * vcpus, *(instance.vcpus for instance in small), 0)),
        memory=Range(needed_memory, max(WIDE * memory, *(instance.memory for instance in small), 0)),
        gpus=Range(gpus, max(gpus, *(instance.gpus for instance in small), 0)),
    )


def allowed(requirement: Requirements) -> tuple[InstanceType, ...]:
    """The types of the table that meet them."""
    return tuple(instance for instance in TYPES if requirement.fits(instance))


def larger(cpu: int, memory: int, most: int) -> tuple[int, int] | None:
    """The size to go on with when memory was too little: twice as much, up to so many MiB; None where there is none."""
    return (cpu, min(2 * memory, most)) if memory < most else None
