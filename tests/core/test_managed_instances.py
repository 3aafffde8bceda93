"""Which managed instances a task may get, and what its provider is called."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.config.service import provider_name
from reconciler.core.function_settings import Retry
from reconciler.core.managed_instances import TYPES, allowed, larger, requirements
from reconciler.core.prices import INSTANCE_REGIONS, INSTANCES, instance_hourly, managed_hourly

NAMES = {instance.name for instance in TYPES}


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((4096, 12288, 1, ("t4",)), "g4dn.xlarge g4dn.2xlarge"),
        # The system keeps some of its memory, so that what is as large as the task has no room for it.
        ((4096, 16384, 1, ("l4",)), "g6.2xlarge g6.4xlarge"),
        ((4096, 15565, 1, ("t4",)), "g4dn.2xlarge"),
        ((4096, 15564, 1, ("t4",)), "g4dn.xlarge g4dn.2xlarge"),
        ((16384, 245760, 1, ("h100",)), "p5.4xlarge"),
        ((16384, 262144, 1, ("h100",)), "p5.48xlarge"),
        ((98304, 1152 * 1024, 8, ("a100",)), ""),
        ((98304, 1094 * 1024, 8, ("a100",)), "p4d.24xlarge p4de.24xlarge"),
        ((8192, 30720, 1, ("l4", "t4")), "g4dn.2xlarge g4dn.4xlarge g6.2xlarge g6.4xlarge"),
        # None has two or three: the least that has more.
        ((1024, 2048, 2, ("t4",)), "g4dn.12xlarge"),
        ((1024, 2048, 3, ("a10g",)), "g5.12xlarge"),
        # Each kind that is named has its smallest, however much larger than the task.
        ((1024, 2048, 1, ("h100", "t4")), "g4dn.xlarge g4dn.2xlarge g4dn.4xlarge p5.4xlarge"),
        ((16384, 65536, 8, ("h100",)), "p5.48xlarge"),
        ((1024, 2048, 1, ("t4g",), "ARM64"), "g5g.xlarge"),
        ((1024, 2048, 1, ("t4",), "ARM64"), ""),
        ((98304, 2048, 1, ("t4",)), ""),
        ((1024, 2048, 16), ""),
        ((4096, 16384), ""),
    ],
)
def test_what_it_may_get(size: tuple[Any, ...], wanted: str) -> None:
    assert [instance.name for instance in allowed(requirements(*size))] == wanted.split()


def test_any_gpu_is_no_dear_one() -> None:
    names = {instance.name for instance in allowed(requirements(8192, 30720, 1))}
    assert {"g4dn.2xlarge", "g6e.2xlarge"} <= names
    assert not names & {"p5.4xlarge", "g5.12xlarge", "g4dn.xlarge"}


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((1500, 3000), {
            "vCpuCount": {"min": 2, "max": 8}, "memoryMiB": {"min": 3158, "max": 12000},
            "cpuManufacturers": ["amd", "intel"], "acceleratorCount": {"max": 0}}),
        ((1024, 2048, 1, (), "ARM64"), {
            "vCpuCount": {"min": 1, "max": 4}, "memoryMiB": {"min": 2156, "max": 8192},
            "cpuManufacturers": ["amazon-web-services"], "acceleratorTypes": ["gpu"],
            "acceleratorManufacturers": ["nvidia"], "acceleratorCount": {"min": 1, "max": 1}}),
        ((4096, 12288, 2, ("t4",)), {
            "vCpuCount": {"min": 4, "max": 48}, "memoryMiB": {"min": 12935, "max": 196608},
            "cpuManufacturers": ["amd", "intel"], "acceleratorTypes": ["gpu"], "acceleratorNames": ["t4"],
            "acceleratorManufacturers": ["nvidia"], "acceleratorCount": {"min": 2, "max": 4}}),
    ],
)  # fmt: skip
def test_as_ecs_takes_it(size: tuple[Any, ...], wanted: dict[str, Any]) -> None:
    assert requirements(*size).request() == {**wanted, "onDemandMaxPricePercentageOverLowestPrice": 999_999}


COMMON = [(vcpus, vcpus * gib * 1024) for vcpus in (2, 4, 8, 16, 32, 48, 64, 96, 128, 192) for gib in (2, 4, 8)]


@pytest.mark.parametrize(
    ("cpu", "memory"),
    [(256, 512), (256, 6), (1024, 2048), (4096, 1024), (1500, 3000), (1024, 204800), (512, 1024 * 1024), (17408, 2048),
     (100000, 4096), (196608, 6), (196608, 1459 * 1024), (3072, 100000)],
)  # fmt: skip
def test_without_gpus_a_common_type_is_among_them(cpu: int, memory: int) -> None:
    vcpus, mib = requirements(cpu, memory)[:2]
    fitting = [(v, m) for v, m in COMMON if vcpus.min <= v <= vcpus.max and mib.min <= m <= mib.max]
    assert fitting
    assert vcpus.max <= 2 * max(2 * vcpus.min, fitting[0][0])


@pytest.mark.parametrize(
    ("deploy", "name"),
    [("tiny", "tiny-managed"), ("aws-x", "my_aws-x-managed"), ("fargate1", "my_fargate1-managed")],
)
def test_its_name(deploy: str, name: str) -> None:
    assert provider_name(deploy, "managed") == name


def test_prices_are_of_the_types() -> None:
    assert INSTANCES.keys() == NAMES
    assert all(len(prices) == len(INSTANCE_REGIONS) for prices in INSTANCES.values())
    assert managed_hourly("us-east-1", "g4dn.xlarge") == pytest.approx(0.526 * 1.078)
    assert managed_hourly("eu-west-1", "g6.xlarge") is None
    assert managed_hourly("us-west-1", "g4dn.xlarge") is None


# What AWS's price list had in September 2026, in ap-northeast-1; and in us-east-1, before its fees for GPUs were cut by
# 35 %, 3.615744.
@pytest.mark.parametrize(
    ("region", "name", "fee"),
    [
        ("ap-northeast-1", "g4dn.xlarge", 0.055),
        ("ap-northeast-1", "g5.xlarge", 0.114),
        ("ap-northeast-1", "g6.xlarge", 0.09104),
        ("us-east-1", "g6e.48xlarge", 3.615744 * 0.65),
    ],
)
def test_the_fee_is_that_of_the_price_list(region: str, name: str, fee: float) -> None:
    with_fee, without = managed_hourly(region, name), instance_hourly(region, name)
    assert with_fee is not None
    assert without is not None
    assert with_fee - without == pytest.approx(fee, rel=0.008)


def test_a_fee_that_was_not_seen_is_none() -> None:
    without = {instance.name for instance in TYPES if managed_hourly("us-east-1", instance.name) is None}
    assert {name.partition(".")[0] for name in without} == {"g5g", "gr6", "p3", "p3dn", "p4d", "p4de", "p5"}
    assert instance_hourly("us-east-1", "p5.4xlarge") == 6.88


def test_the_largest_task() -> None:
    assert requirements(4096, 12288, 1, ("t4",)).largest_task == 31129
    assert requirements(1024, 2048).largest_task == 7782


@pytest.mark.parametrize(("memory", "wanted"), [(4096, 8192), (12288, 16384), (16384, None), (20000, None)])
def test_more_memory(memory: int, wanted: int | None) -> None:
    assert larger(6144, memory, 16384) == (wanted and (6144, wanted))


RULES = Retry(0, 0, 0, (), 0.0, None, None, 2, max_memory=None, largest=16384, managed=("m",))


@pytest.mark.parametrize(
    ("provider", "size", "fits", "more"),
    [
        ("m", (6144, 12000), True, (6144, 16384)),
        ("m", (6144, 16384), True, None),
        ("m", (6144, 16385), False, None),
        ("FARGATE", (6144, 12000), False, (8192, 24576)),
        ("FARGATE", (1024, 2048), True, (1024, 4096)),
    ],
)
def test_the_ladder_is_that_of_where_it_runs(
    provider: str, size: tuple[int, int], fits: bool, more: tuple[int, int] | None
) -> None:
    assert RULES.fits(provider, *size) is fits
    assert RULES.larger(provider, *size) == more
