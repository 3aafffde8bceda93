"""Links, prices, log lines, comparisons, verdicts, combinations: small pure things."""

from __future__ import annotations

import io
from typing import Any, cast

import pytest

from reconciler.cli import runs as runs_command
from reconciler.cli.diagnose import show
from reconciler.cli.failure import Result, Verdict, ours
from reconciler.cli.log_lines import readable
from reconciler.cli.runs import flat, row
from reconciler.cli.terminal import Terminal
from reconciler.cli.verdict import OURS, exit_code, verdict
from reconciler.config.run import Sweep
from reconciler.core.errors import UserError
from reconciler.core.prices import task_cost
from reconciler.run.console_links import console, log_link, task_link
from reconciler.run.explain import explain
from reconciler.run.retry import Event
from reconciler.run.run import Overrides, Run
from reconciler.run.state import State
from reconciler.run.sweep import chosen, combinations, copies
from tests.run.samples import attempt, case, run

ARN = "arn:aws:ecs:us-east-1:123456789012:task/my-cluster/0123abcd"


def test_links() -> None:
    assert task_link("us-east-1", "my-cluster", ARN) == (
        "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/my-cluster/tasks/0123abcd?region=us-east-1"
    )
    assert log_link("eu-west-1", "/ecs/my-task", "ecs/main/0123abcd") == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        "$252Fecs$252Fmy-task/log-events/ecs$252Fmain$252F0123abcd"
    )
    assert console("cn-north-1") == "https://cn-north-1.console.amazonaws.cn"
    assert console("us-gov-west-1") == "https://us-gov-west-1.console.amazonaws-us-gov.com"


def test_the_guides_own_example_of_a_cost() -> None:
    # 1 vCPU, 2 GB, ten minutes a day for 30 days: five hours.
    month = 30 * (task_cost("us-east-1", "X86_64", 1024, 2048, 600) or 0)
    assert month == pytest.approx(5 * (0.04048 + 2 * 0.004445))
    assert month == pytest.approx(0.247, abs=0.001)


@pytest.mark.parametrize(
    ("place", "size", "seconds", "storage", "wanted"),
    [
        (("us-east-1", "X86_64"), (1024, 2048), 3600, None, 0.04937),
        (("us-east-1", "X86_64"), (256, 512), 3600, None, 0.0123425),
        (("us-east-1", "ARM64"), (1024, 2048), 3600, None, 0.0395),
        (("us-east-1", "X86_64"), (1024, 2048), 3600, 20, 0.04937),
        (("us-east-1", "X86_64"), (1024, 2048), 3600, 120, 0.04937 + 100 * 0.000111),
        (("us-east-1", "X86_64"), (1024, 2048), 1, None, 0.04937 / 60),  # a minute at least
        (("eu-west-9", "X86_64"), (1024, 2048), 3600, None, None),  # not known is not guessed
    ],
)
def test_prices(
    place: tuple[str, str], size: tuple[int, int], seconds: float, storage: int | None, wanted: float | None
) -> None:
    assert task_cost(*place, *size, seconds, storage) == (wanted if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("plain text", "plain text"),
        ("", ""),
        ("{not json", "{not json"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"event": 3}', '{"event": 3}'),
        ('{"event": "trained", "fold": 3, "level": "info", "timestamp": "2026"}', "trained  fold=3"),
        ('{"message": "low memory", "levelname": "WARNING", "free": "1 GB"}', 'warning: low memory  free="1 GB"'),
        ('{"msg": "x", "nested": {"a": [1, 2]}}', 'x  nested={"a": [1, 2]}'),
        ('{"event": "façade", "name": "é"}', "façade  name=é"),
        ("[1, 2]", "[1, 2]"),
    ],
)
def test_log_lines_for_people(line: str, wanted: str) -> None:
    assert readable(line) == wanted


CODES: list[tuple[dict[str, Any], int, str]] = [
    ({}, 0, "succeeded"),
    ({"state": "failed", "exit_code": 37, "event": "error"}, 37, "task-failed"),
    ({"state": "failed", "exit_code": 1, "event": "error"}, 1, "task-failed"),
    ({"state": "failed", "exit_code": 255, "event": "error"}, 255, "task-failed"),
    *[({"state": "failed", "exit_code": code, "event": "error"}, 119, "task-failed") for code in sorted(OURS)],
    ({"state": "failed", "exit_code": None, "event": "not-started"}, 122, "not-started"),
    ({"state": "failed", "exit_code": None, "event": "lost"}, 122, "lost"),
    ({"state": "failed", "exit_code": None, "event": "no-capacity"}, 122, "no-capacity"),
    ({"state": "failed", "exit_code": 143, "event": "interruption"}, 143, "interrupted-by-spot"),
    ({"state": "failed", "exit_code": 0, "event": "interruption"}, 122, "interrupted-by-spot"),
    ({"state": "stopped", "exit_code": 143, "event": "stopped"}, 123, "stopped"),
    ({"state": "stopped", "exit_code": 0, "event": "stopped"}, 123, "stopped"),
    ({"state": "failed", "exit_code": 143, "event": "timeout"}, 123, "timeout"),
]


def ended(known: dict[str, Any]) -> Run:
    event = Event(known.get("event", "success"))
    return run(
        state=State(known.get("state", "succeeded")),
        exit_code=known.get("exit_code", 0),
        attempts=(attempt(event=event),),
    )


@pytest.mark.parametrize(("known", "code", "result"), CODES)
def test_exit_codes_and_verdicts(known: dict[str, Any], code: int, result: str) -> None:
    ended_run = ended(known)
    assert exit_code(ended_run) == code
    assert verdict(ended_run, code) == Verdict(cast(Result, result), code, ended_run.exit_code)


def test_a_failure_of_ours_is_never_a_tasks_code() -> None:
    from reconciler.core.errors import Interrupted, Locked, PlanDrift, ReconcilerError

    tasks = {exit_code(ended({"state": "failed", "exit_code": code, "event": "error"})) for code in range(1, 256)}
    errors = (ReconcilerError, UserError, PlanDrift, Locked, Interrupted)
    for command in ("apply", "watch"):
        for code in (1, *(error.exit_code for error in errors), 121, 122, 123, 124, 141):
            assert ours(command, code) not in tasks
    assert ours("plan", 1) == 1


def test_verdicts_without_a_run() -> None:
    assert verdict(None, 0).result == "nothing-to-run"
    assert verdict(None, 2).result == "wrong-input"
    assert verdict(None, 120).result == "tool-failed"
    assert verdict(None, 121).result == "lost-sight"
    assert verdict(None, 130).result == "interrupted"


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, ["1x", "1y", "2x", "2y"]),
        ({"A": "2"}, ["2x", "2y"]),
        ({"A": "2", "B": "x"}, ["2x"]),
        ({"EPOCHS": "20"}, ["1x", "1y", "2x", "2y"]),
        ({"EPOCHS": "20", "B": "y"}, ["1y", "2y"]),
        ({"A": "7"}, "--env A=7: no combination of run.sweep has that; its A is 1, 2"),
        ({"A": "1", "B": "z"}, "--env A=1 B=z: no combination of run.sweep has that; its A is 1, 2"),
    ],
)
def test_variables_beside_a_sweep(given: dict[str, str], left: list[str] | str) -> None:
    swept = combinations(Sweep(grid={"A": ("1", "2"), "B": ("x", "y")}))
    if isinstance(left, str):
        with pytest.raises(UserError) as refused:
            chosen(swept, given)
        assert refused.value.message == left
    else:
        assert ["".join(combination.values()) for combination in chosen(swept, given)] == left


def test_combinations() -> None:
    assert combinations(Sweep(grid={"A": ("1", "2"), "B": ("x", "y")})) == [
        {"A": "1", "B": "x"}, {"A": "1", "B": "y"}, {"A": "2", "B": "x"}, {"A": "2", "B": "y"},
    ]  # fmt: skip
    listed = Sweep.model_validate({"list": [{"A": "1"}, {"A": "2", "C": "z"}, {"A": "1"}]})
    assert combinations(listed) == [{"A": "1"}, {"A": "2", "C": "z"}]
    drawn = {"count": 50, "seed": 7, "choices": {"D": ["3", "5"]}}
    drawn["ranges"] = {"E": {"min": 0.01, "max": 0.3, "log": True}, "N": {"min": 1, "max": 8, "integer": True}}
    swept = combinations(Sweep.model_validate({"random": drawn}))
    assert swept == combinations(Sweep.model_validate({"random": drawn}))
    assert swept != combinations(Sweep.model_validate({"random": drawn | {"seed": 8}}))
    assert len(swept) == 50
    assert {combination["D"] for combination in swept} == {"3", "5"}
    assert all(0.01 <= float(combination["E"]) <= 0.3 for combination in swept)
    assert {int(combination["N"]) for combination in swept} <= set(range(1, 9))
    assert sum(float(combination["E"]) < 0.055 for combination in swept) > 15, "half of them below the geometric mean"
    assert copies(2) == [{"RUN_INDEX": "0", "RUN_COUNT": "2"}, {"RUN_INDEX": "1", "RUN_COUNT": "2"}]


def printed() -> tuple[Terminal, io.StringIO]:
    terminal, stream = Terminal(), io.StringIO()
    terminal.stream = stream
    return terminal, stream


def test_compare_shows_only_what_differs() -> None:
    terminal, stream = printed()
    a = run(id="a", inputs={"cpu": 1024, "data": {"x.csv": "1"}}, metrics={"rmse": 0.5, "mae": 0.25, "old": 1.0})
    b = run(id="b", inputs={"cpu": 2048, "data": {"x.csv": "1", "y.csv": "2"}}, metrics={"rmse": 0.4, "mae": 0.25})
    runs_command._compare(terminal, a, b, as_json=False)
    lines = [line.split() for line in stream.getvalue().splitlines()]
    assert lines == [
        ["a", "b"], ["inputs"], ["cpu", "1024", "2048"], ["data.y.csv", "-", "2"], ["metrics"], ["old", "1", "-"],
        ["rmse", "0.5", "0.4", "(-0.1)"],
    ]  # fmt: skip
    runs_command._compare(terminal, a, a, as_json=False)
    assert stream.getvalue().splitlines()[-2:] == ["  inputs: the same", "  metrics: the same"]


def test_a_run_on_one_line() -> None:
    terminal, _ = printed()
    done = attempt(event=Event.SUCCESS, started=10.0, stopped=75.0, exit_code=0)
    finished = run(attempts=(done,), cost=0.0123, metrics={"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
    assert " ".join(row(terminal, finished).split()) == (
        "20260101-000000-aaaaaaaa 1970-01-01 00:00 UTC succeeded exit 0 1 min 5 s $0.0123 a=1 b=2 c=3"
    )
    of_sweep = run(attempts=(done,), overrides=Overrides({"C": "7", "API_TOKEN": "planted"}), metrics={"a": 1.0})
    assert " ".join(row(terminal, of_sweep).split()).endswith("API_TOKEN=(hidden) C=7 a=1")
    assert dict(flat({"a": {"b": 1}, "c": 2})) == {"a.b": 1, "c": 2}


@pytest.mark.parametrize("line", ["x" * 262_144, "\x1b[31m" * 60_000, "é" * 100_000])
def test_evidence_is_cut_with_where_the_rest_is(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines as long as CloudWatch has them, of a program that doesn't say why it fails."""
    show(Terminal(), explain(case(log=[line] * 9, exit_code=3)), "python -m reconciler logs RUN")
    shown = capsys.readouterr().out
    assert len(shown) < 15_000
    assert shown.count("  found    ") == 6
    assert "  (cut; the whole log: python -m reconciler logs RUN)\n" in shown
    cause = explain(case(log=["Traceback (most recent call last):", f"ValueError: {line}"], exit_code=1))
    show(Terminal(), cause, "python -m reconciler logs RUN")
    assert len(capsys.readouterr().out) < 15_000
    show(Terminal(), explain(case(log=["short"], exit_code=3)), "python -m reconciler logs RUN")
    assert "cut" not in capsys.readouterr().out
