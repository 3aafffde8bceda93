"""What a run and a month cost: sums by hand, prices that aren't known, and the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.cli import cost
from reconciler.config import Deploy, load
from reconciler.core import prices
from reconciler.run.cost import Amounts, a_month, in_a_line, month_lines, run_lines, total
from tests.cli.conftest import Project
from tests.cli.conftest import home_of_all as home_of_all
from tests.cli.conftest import own_project as own_project
from tests.cli.conftest import project as project
from tests.cli.test_json import holds

DOCS = Path(__file__).parents[2] / "docs" / "cost.md"
GUIDE = "name: guide\nregion: us-east-1\nimage: {uri: x}\ntask: {cpu: 1024, memory: 2048}\nlogs: {retention_days: 7}\n"


def deploy(tmp_path: Path, text: str) -> Deploy:
    (tmp_path / "deploy.yaml").write_text(text)
    return load(tmp_path / "deploy.yaml", environ={}, files=False)


def dollars(tmp_path: Path, text: str, amounts: Amounts) -> dict[str, float | None]:
    filled = deploy(tmp_path, text)
    return {line.what: line.dollars for line in [*run_lines(filled, amounts), *month_lines(filled, amounts)]}


def test_the_guides_example(tmp_path: Path) -> None:
    amounts = Amounts(seconds=600, runs=30, image=0.5, data=50 / 1024, log=5 / 30)
    costs = dollars(tmp_path, GUIDE, amounts)
    by_hand = {
        "vCPU": 1 * (10 / 60) * 0.04048, "memory": 2 * (10 / 60) * 0.004445, "public IPv4": (10 / 60) * 0.005,
        "log taken in": 5 / 30 * 0.50, "image in ECR": 0.5 * 0.10, "data in S3": 50 / 1024 * 0.023,
        "log kept": 5 * 7 / 30 * 0.03,
    }  # fmt: skip
    assert {name: costs[name] for name in by_hand} == pytest.approx(by_hand)
    fargate = 30 * (by_hand["vCPU"] + by_hand["memory"])
    assert fargate == pytest.approx(0.2469, abs=5e-5)
    assert fargate < 2.00 / 8, "the guide says $2.00"
    whole = total(month_lines(deploy(tmp_path, GUIDE), amounts))
    assert whole == pytest.approx(30 * sum(list(by_hand.values())[:4]) + sum(list(by_hand.values())[4:]))

    # The page says the same.
    text = DOCS.read_text(encoding="utf-8")
    rows = {
        name: float(amount) for name, amount in re.findall(r"^\| ([a-zA-Z][^|]*?) \|.*?\| \$([\d.]+) \|", text, re.M)
    }
    times = {"image": 1, "data": 1, "log kept": 1}
    names = {"image": "image in ECR", "data": "data in S3"}
    assert rows == pytest.approx(
        {name: times.get(name, 30) * by_hand[names.get(name, name)] for name in rows}, abs=5.1e-5
    )
    assert len(rows) == 7
    assert f"**${whole:.2f}**" in text
    small = total(month_lines(deploy(tmp_path, GUIDE), Amounts(600, 30, 0.5, 50 / 1024, 1 / 1024)))
    assert f"the month costs **${small:.2f}**" in text


@pytest.mark.parametrize(
    ("text", "seconds", "hourly"),
    [
        ("", 3600, 0.04048 + 2 * 0.004445),
        ("region: eu-central-1\n", 3600, 0.04656 + 2 * 0.00511),
        ("region: ap-northeast-1\ntask: {cpu: 4096, memory: 8192}\n", 3600, 4 * 0.05056 + 8 * 0.00553),
        ("task: {platform: ARM64}\n", 3600, 0.03238 + 2 * 0.00356),
        ("task: {ephemeral_storage: 50}\n", 3600, 0.04048 + 2 * 0.004445 + 30 * 0.000111),
        ("run: {capacity: FARGATE_SPOT}\n", 3600, 0.04048 + 2 * 0.004445),
        ("", 5, (0.04048 + 2 * 0.004445) / 60),  # one minute is the least
        ("run: {sweep: {grid: {A: [1, 2, 3]}}}\n", 3600, 3 * (0.04048 + 2 * 0.004445)),
    ],
)
def test_a_run_by_region_architecture_size_and_number(tmp_path: Path, text: str, seconds: float, hourly: float) -> None:
    filled = deploy(tmp_path, f"name: ok\nimage: {{uri: x}}\nnetwork: {{public_ip: false}}\n{text}")
    assert total(run_lines(filled, Amounts(seconds, 0, 0, 0, 0))) == pytest.approx(hourly)
    if not filled.run.sweep:
        task = filled.task
        task_price = prices.task_cost(
            filled.region, task.platform, task.cpu, task.memory, seconds, task.ephemeral_storage
        )
        assert task_price == pytest.approx(hourly)


def test_what_is_not_in_the_table_is_not_guessed(tmp_path: Path) -> None:
    nowhere = deploy(tmp_path, "name: ok\nregion: af-south-1\nimage: {uri: x}\n")
    lines = run_lines(nowhere, Amounts(600, 30, 0.5, 1, 1))
    assert [line.dollars for line in lines] == [None] * 4
    assert all(line.sum.endswith("unknown price") for line in lines)
    assert total(month_lines(nowhere, Amounts(600, 30, 0.5, 1, 1))) is None
    assert prices.task_cost("af-south-1", "X86_64", 1024, 2048, 60) is None
    # Of a region whose prices are known, one that isn't spoils the sum and nothing else.
    disk = run_lines(
        deploy(tmp_path, "name: ok\nregion: eu-west-1\ntask: {ephemeral_storage: 30}\n"), Amounts(60, 0, 0, 0, 0)
    )
    assert [line.what for line in disk if line.dollars is None] == ["disk"]
    assert "has no prices of af-south-1" in in_a_line(nowhere)


def test_the_line_in_the_plan(tmp_path: Path) -> None:
    text = "name: ok\nimage: {uri: x}\nnetwork: {public_ip: false}\n"
    assert in_a_line(deploy(tmp_path, text)) == "Cost: a run is $0.0494 an hour. `cost` shows the sums."
    limited = in_a_line(deploy(tmp_path, text + "run: {max_duration: 30m, capacity: FARGATE_SPOT}\n"))
    assert limited == (
        # half an hour, two minutes until it runs and is stopped, and two to end
        "Cost: a run is $0.0494 an hour, at most $0.0280 an attempt by run.max_duration; Spot is less. "
        "`cost` shows the sums."
    )


def test_the_command_without_aws(project: Project) -> None:
    shown = project.run("cost", "--offline", "--runs-per-month", "30")
    assert shown.code == 0, shown.err
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    assert "A run, 10 min 0 s (assumed; --minutes N)" in shown.out
    report = holds("cost", project.run("cost", "--offline", "--minutes", "6", "--json").out)
    assert report["run"]["lines"][0] == {
        "what": "vCPU", "sum": "0.25 x 0.1 h x $0.04048", "dollars": pytest.approx(0.001012),
    }  # fmt: skip
    assert report["prices"]["date"] == prices.DATE
    wrong = project.run("cost", "--offline", "--minutes", "-1")
    assert wrong.code == 2
    assert "--minutes -1" in wrong.err


def test_what_is_shorter_than_a_minute_is_billed_as_one(project: Project) -> None:
    assert "A run, 4.8 s (given), billed as 1 min 0 s" in project.run("cost", "--offline", "--minutes", "0.08").out
    assert "billed as" not in project.run("cost", "--offline", "--minutes", "1").out


def test_small_amounts_and_few_runs_are_said_in_words() -> None:
    assert [cost._stored(dollars) for dollars in (0, 0.00004, 0.0001, 1)] == [
        "less than $0.0001", "less than $0.0001", "$0.0001", "$1.0000",
    ]  # fmt: skip
    assert [cost._of_good(count) for count in (1, 3)] == [
        "as long as the good run took", "the median of the last 3 good runs",
    ]  # fmt: skip


def test_without_a_schedule_it_asks_how_many_runs(project: Project) -> None:
    shown = project.run("cost", "--offline").out
    assert "A month: how many runs? --runs-per-month N adds them up. Without one it costs $0.05" in shown
    assert "A month with 0 runs" in project.run("cost", "--offline", "--runs-per-month", "0").out


@pytest.mark.parametrize("data", [0, 1e-12, 75 / 2**30, 1e-5, 0.0005, 1, 12345])
def test_no_amount_has_an_exponent(tmp_path: Path, data: float) -> None:
    lines = [*month_lines(deploy(tmp_path, "name: ok\n"), Amounts(data, data * 1000, data, data, data))]
    assert not [line.sum for line in lines if "e-" in line.sum or "e+" in line.sum]


def test_the_command_knows_what_was(project: Project) -> None:
    assert project.run("apply", "--local").code == 0
    shown = project.run("cost", "--local").out
    assert "(as long as the good run took)" in shown
    assert "image as it is (1 kept)" in shown


def test_no_credentials_are_no_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    shown = project.run("cost")
    assert shown.code == 0
    assert "AWS can't be asked" in shown.err
    assert "assumed" in shown.out


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("rate(1 day)", 30), ("rate(6 hours)", 120), ("rate(30 minutes)", 1440),
        ("cron(0 2 * * ? *)", 30), ("cron(0,30 2-4 * * ? *)", 180), ("cron(0 6 ? * MON-FRI *)", 261 / 365 * 30),
        ("cron(0 6 1 * ? *)", 12 / 365 * 30), ("cron(0 6 L * ? *)", 12 / 365 * 30),
        ("cron(0 6 ? * 6#3 *)", 12 / 365 * 30),
        ("cron(0 6 1W,LW 1-6 ? 2027)", 12 / 365 * 30), ("cron(0 6 29 2 ? *)", 0),
        ("cron(0 6 * * ? 2025)", 0), ("x", None),
    ],
)  # fmt: skip
def test_runs_in_a_month(expression: str, runs: float | None) -> None:
    assert a_month(expression) == (pytest.approx(runs) if runs is not None else None)


def test_the_schedule_says_how_often(project: Project) -> None:
    path = project.folder / "deploy.yaml"
    path.write_text(path.read_text() + "schedule: {when: rate(1 day)}\n")
    assert "A month with 30 runs (schedule);" in project.run("cost", "--offline").out


def test_instances_of_ones_own_have_no_price_here(tmp_path: Path) -> None:
    own = deploy(tmp_path, "name: ok\nimage: {uri: x}\ntask: {gpu: 1}\nrun: {capacity: my-gpus}\n")
    assert total(run_lines(own, Amounts(600, 0, 0, 0, 0))) is None
    assert in_a_line(own) == "Cost: a run is on instances of yours (my-gpus), at EC2's price."


@pytest.mark.parametrize(
    ("region", "capacity", "says"),
    [
        ("us-east-1", "FARGATE", "at $0.1975 an hour. `cost` shows the sums."),
        ("us-east-1", "FARGATE_SPOT", "at $0.1975 an hour; Spot is less. `cost` shows the sums."),
        ("af-south-1", "FARGATE", "at an unknown price. `cost` shows the sums."),
    ],
)
def test_workers_beside_an_instance_of_ones_own_cost(region: str, capacity: str, says: str, tmp_path: Path) -> None:
    text = f"name: ok\nregion: {region}\nimage: {{uri: x}}\nnetwork: {{public_ip: false}}\n"
    text += f"task: {{gpu: 1}}\nrun: {{capacity: my-gpus, workers: {{count: 4, capacity: {capacity}}}}}\n"
    beside = "Cost: a run is on instances of yours (my-gpus), at EC2's price, and its workers on Fargate "
    assert in_a_line(deploy(tmp_path, text)) == beside + says


def test_the_command_says_that_workers_on_spot_are_counted_as_others(project: Project) -> None:
    path = project.folder / "deploy.yaml"
    path.write_text(path.read_text() + "run: {workers: {count: 1, capacity: FARGATE_SPOT}}\n")
    assert "A task on Spot is counted at the on-demand price" in project.run("cost", "--offline").out


@pytest.mark.parametrize("behind", ["managed", "my-cpus"])
def test_what_is_behind_fargate_is_no_part_of_its_bound(behind: str, tmp_path: Path) -> None:
    text = f"name: ok\nimage: {{uri: x}}\nnetwork: {{public_ip: false}}\nrun: {{capacity: [FARGATE, {behind}]"
    assert in_a_line(deploy(tmp_path, text + ", max_duration: 30m}\n")) == (
        f"Cost: a run is $0.0494 an hour on FARGATE, and at EC2's price on {behind}. `cost` shows the sums."
    )


GPU = "name: ok\nimage: {uri: x}\ntask: {gpu: 1%s, cpu: 8192, memory: 30720}\nrun: {capacity: [managed-spot, managed]"
FEE = "an hour with AWS's fee, without its disk"


@pytest.mark.parametrize(
    ("types", "more", "price_text", "dearest"),
    [
        (", gpu_type: [t4, l4]", ", max_duration: 2h}",
         # 7200 s, 1800 until it runs, Scheduler's minute, 120 s to end, a minute of idling
         f"$0.8107 (g4dn.2xlarge) to $1.4264 (g6.4xlarge) {FEE}, at most $3.6611 an attempt by run.max_duration",
         1.4264),
        (", gpu_type: [l4]", ", max_cost: 20}",
         f"$1.0539 (g6.2xlarge) to $1.4264 (g6.4xlarge) {FEE}, at most $20.0000 by run.max_cost", 1.4264),
        (", gpu_type: [h100]", ", max_duration: 2h}",
         "p5.4xlarge: $6.8800 an hour and a fee that isn't known", None),
        (", gpu_type: [l4, v100]", ", max_duration: 2h}",
         f"$1.0539 (g6.2xlarge) to $1.4264 (g6.4xlarge) {FEE} (p3.2xlarge: $3.0600 an hour and a fee that isn't known)",
         None),
        ("", "}",
         f"$0.8107 (g4dn.2xlarge) to $2.4170 (g6e.2xlarge) {FEE}, or more, since task.gpu_type doesn't say which GPUs",
         None),
    ],
)  # fmt: skip
def test_managed_instances_cost_from_the_cheapest_to_the_dearest(
    types: str, more: str, price_text: str, dearest: float | None, tmp_path: Path
) -> None:
    filled = deploy(tmp_path, GPU % types + more)
    assert (
        in_a_line(filled) == f"Cost: a run is on a managed instance, {price_text}; Spot is less. `cost` shows the sums."
    )
    once = total(run_lines(filled, Amounts(3600, 0, 0, 0, 0)))
    assert once == (pytest.approx(dearest * 61 / 60, abs=1e-4) if dearest else None)


def test_a_price_that_is_not_known_is_said(tmp_path: Path) -> None:
    plain = "name: ok\nimage: {uri: x}\nregion: %s\ntask: {%s}\nrun: {capacity: managed}\n"
    none = deploy(tmp_path, plain % ("ap-south-1", "gpu: 1, gpu_type: l4"))
    assert in_a_line(none) == "Cost: the table of 2026-02 has no price of ap-south-1 for g6.xlarge."
    some_known = deploy(tmp_path, plain % ("eu-west-1", "gpu: 1, gpu_type: [l4, t4]"))
    assert "$0.6328 (g4dn.xlarge) an hour with AWS's fee, without its disk (g6.xlarge: price unknown)." in in_a_line(
        some_known
    )
    cpus = deploy(tmp_path, plain % ("us-east-1", "cpu: 48 vCPU, memory: 96GB"))
    assert (
        in_a_line(cpus)
        == "Cost: a run is on a managed instance, at EC2's price for one of its size and its disk, and AWS's fee."
    )


@pytest.mark.parametrize(
    ("region", "task", "why"),
    [
        ("us-east-1", "gpu: 1", "any NVIDIA GPU is allowed, and the price of the most expensive one isn't known; ec2"),
        ("us-east-1", "gpu: 1, gpu_type: h100", "what ECS adds to the price of p5.4xlarge isn't known; ecs"),
        ("eu-west-1", "gpu: 1, gpu_type: l4",
         "the price table of 2026-02 has no price in eu-west-1 for g6.xlarge; ec2"),
        ("us-east-1", "cpu: 48 vCPU, memory: 96GB",
         "ECS chooses the managed instance of a task without GPUs, so its price isn't known; ec2"),
    ],
)  # fmt: skip
def test_why_there_is_no_sum(region: str, task: str, why: str, project: Project) -> None:
    path = project.folder / "deploy.yaml"
    path.write_text(f"name: ok\nimage: {{uri: x}}\nregion: {region}\ntask: {{{task}}}\nrun: {{capacity: managed}}\n")
    shown = project.run("cost", "--offline")
    reason, page = why.split("; ")
    link = {"ec2": "https://aws.amazon.com/ec2/pricing/on-demand/", "ecs": "https://aws.amazon.com/ecs/pricing/"}[page]
    assert shown.out.rstrip().endswith(f"No sum: {reason}; see {link}")
    assert "list prices of 2026-06, EC2's instances of 2026-02," in shown.out
    asked = json.loads(project.run("cost", "--offline", "--json").out)
    assert asked["prices"]["instances_date"] == prices.INSTANCE_DATE
    assert asked["run"]["total"] is None


def test_a_service_costs_all_month(tmp_path: Path) -> None:
    kept = "network: {public_ip: false}\nservice: {desired_count: 2}\nimage: {uri: x}\n"
    costs = dollars(tmp_path, f"name: ok\n{kept}", Amounts(600, 0, 0, 0, 0))
    assert costs["service"] == pytest.approx(2 * 720 * (0.04048 + 2 * 0.004445))
