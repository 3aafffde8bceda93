"""Markdown of plans and runs: what programs and files give can't become anything else on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.cli import github, markdown
from reconciler.cli.log_lines import readable
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import UserError
from reconciler.core.graph import Graph, Node
from reconciler.core.plain_json import plain
from reconciler.core.plan import Options, Plan, make_plan
from reconciler.core.secret import Secrets
from reconciler.core.spec import Observed
from reconciler.core.text import block
from reconciler.kinds import LogGroupSpec
from reconciler.run.retry import Attempt, Event
from reconciler.run.run import Run
from reconciler.run.state import State


def ended(name: str, metrics: dict[str, float], reason: str = "") -> Run:
    attempt = Attempt(number=1, provider="FARGATE", token="t", launched=0.0,
                      task_arn="arn:aws:ecs:us-east-1:1:task/c/abc", event=Event.SUCCESS,
                      exit_code=0, started=1.0, stopped=66.0)  # fmt: skip
    return Run(id=name, fingerprint="f", state=State.SUCCEEDED, created=0.0, inputs={}, output="s3://b/runs/x/output",
               cluster="c", container="main", log_group="/ecs/c", log_prefix="ecs", attempts=(attempt,), exit_code=0,
               reason=reason, cost=0.0123, metrics=metrics)  # fmt: skip


SUCCEEDED = {"result": "succeeded", "exit_code": 0, "task_exit_code": 0}


def test_a_run() -> None:
    text = markdown.run(ended("20260101-a", {"rmse": 0.25}), SUCCEEDED, "us-east-1", "repo@sha256:1", [])
    assert text.startswith("### ✅ Run `20260101-a` succeeded\n\n|  |  |\n| --- | --- |\n")
    assert "| Took | 1 min 5 s |" in text
    assert "| Cost | at most $0.0123 |" in text
    assert "[console](https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/c/tasks/abc?region=us-east-1)" in text
    assert "| Image | `repo@sha256:1` |" in text
    assert "| `rmse` | 0.25 |" in text
    assert "xychart" not in text


def test_what_a_program_gives_stays_what_it_is() -> None:
    name, reason = "a|b`c", "<script>alert(1)</script> | @somebody [x](http://y) `z`\n# head"
    text = markdown.run(ended("r", {name: 1.0}, reason), SUCCEEDED, "us-east-1", "", [])
    assert "| ``a\\|b`c`` | 1 |" in text
    assert "<script" not in text.replace("\\<", "")
    assert "@somebody" not in text
    assert "](http://y" not in text.replace("\\]", "")
    assert not [line for line in text.splitlines() if line.startswith("# ")]


def test_charts_of_what_changed_over_the_runs() -> None:
    past = [
        ended(f"run-{n:08}", {"rmse": 1.0 / (n + 1), "rows": 3.0, **({"new": 1.0} if n == 2 else {})}) for n in range(3)
    ]
    charts = markdown.plots(past[-1], past)
    assert charts[0] == "#### Over the last runs"
    chart = (
        '```mermaid\nxychart-beta\n    title "rmse"\n    x-axis ["00000000", "00000001", "00000002"]\n'
        "    line [1, 0.5, 0.333333]\n```"
    )
    assert charts[1:] == [chart], "neither what is always the same nor what there is once"
    many = [ended(f"run-{n}", {f"m{k}": n * k + 1.0 for k in range(1, 9)}) for n in range(2)]
    assert len(markdown.plots(many[-1], many)) == 1 + markdown.PLOTS


def test_a_sweep_and_nothing() -> None:
    record = plain(ended("r1", {"rmse": 0.5}))
    record["overrides"] = {"environment": {"ETA": "0.1"}}
    answer = {"verdict": {"result": "some-failed", "exit_code": 124},
             "sweep": {"id": "s1", "counts": {"succeeded": 1, "failed": 1}, "runs": [record]}}  # fmt: skip
    assert markdown.ended("tiny", answer) == (
        "### ❌ s1: 1 failed, 1 succeeded\n\n| Run | Combination | End | Metrics |\n| --- | --- | --- | --- |\n"
        "| `r1` | ETA=0.1 | succeeded, exit code 0 | rmse=0.5 |\n"
    )
    done = {"verdict": {"result": "nothing-to-run", "exit_code": 0}}
    assert markdown.ended("tiny", done) == "### ✅ `tiny`: nothing-to-run, no run\n"


@pytest.mark.parametrize("inside", ["plain", "``` fence", "````` longer"])
def test_a_block_ends_where_it_should(inside: str) -> None:
    first, *middle, last = block(inside, "text").splitlines()
    assert middle == [inside]
    assert first == f"{last}text"
    assert last not in inside


def test_an_error() -> None:
    text = markdown.failed("plan", UserError("it is wrong", hint="write it right"))
    assert text == "### ❌ `plan`\n\n```text\nit is wrong\nwrite it right\n```\n"


SWEPT = {
    "id": "sweep-1", "counts": {"succeeded": 5184},
    "runs": [
        {"id": f"20260101-000000-{n:08x}", "state": "succeeded", "exit_code": 0,
         "overrides": {"environment": {"LEARNING_RATE": "0.001", "MAX_DEPTH": str(n), "SUBSAMPLE": "\u00e9" * 90}},
         "metrics": {"rmse": n / 3, "a" * 60: 1.0, "b" * 60: 1.0}}
        for n in range(5184)
    ],
}  # fmt: skip


def test_table_of_a_large_sweep_is_cut_below_what_github_takes() -> None:
    text = markdown.ended("sweepbig", {"verdict": SUCCEEDED, "sweep": SWEPT})
    assert 800_000 < len(text.encode()) <= 2**20
    lines = text.splitlines()
    assert lines[-1].startswith("\u2026 and ")
    rows = [line for line in lines if line.startswith("| `2026")]
    assert lines[-1] == f"\u2026 and {5184 - len(rows)} more lines; `runs --limit N` lists all", "the log has 50"
    assert all(row.endswith(" |") for row in rows)


def planned(*values: str) -> Plan:
    """A plan to give log groups these tags."""
    groups = [LogGroupSpec(name=f"g{n}", tags={"x": value}) for n, value in enumerate(values)]
    graph = Graph([Node(group) for group in groups])
    seen = {group.address: Observed(group.model_copy(update={"tags": {"x": "was"}})) for group in groups}
    return make_plan("a1", graph, seen, options=Options(adopt=True))


@pytest.mark.parametrize(
    "values",
    [
        ["a" * 90_000, "last"],  # one line that is longer than a page
        ["\U0001f600" * 400] * 400,
        ["`" * 70_000, "`" * 900, *["b" * 300] * 300],
        ["- x\n" * 200] * 200,
    ],
    ids=["one line", "not ASCII", "fences", "many"],
)
def test_a_plan_fits_into_a_comment_and_says_where_the_rest_is(values: list[str]) -> None:
    text = markdown.plan(planned(*values), "here; " * 300, "it costs")
    assert len(text) <= 65_536
    body, _, end = text.rpartition("\n\n</details>\n")
    assert end == "\nit costs\n"
    fence = body.rpartition("\n")[2]
    assert set(fence) == {"`"}
    assert body.count(f"\n{fence}") == 2
    assert "g0" in body, "a line of any length doesn't hide the others"
    if len(values) > 100:
        last = body.split("\n")[-2]
        assert re.fullmatch(r"  … and [0-9,]+ more lines; without --markdown the plan has all of them", last)
    else:
        assert "last" in body


def test_an_error_that_is_cut_says_so() -> None:
    text = markdown.failed("plan", UserError("x" * 70_000))
    assert len(text) < 65_536
    assert text.endswith("x …\n… cut; the log has all of it\n```\n")


def test_what_is_cut_within_a_fold_is_folded() -> None:
    text = markdown.plan(planned(*["c" * 90] * 500), "here")
    fitted = markdown.fit(text + "more\n" * 100, 20_000)
    assert fitted.count("<details") == fitted.count("</details>") == 1
    assert fitted.count("```") == 2
    assert fitted.rstrip().endswith("; the log has all of it")


def test_a_summary_that_hides_a_secret_still_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word in the place of a secret is longer than a short one."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setattr(github, "KNOWN", known := Secrets())
    known.learn("PASSWORD", "pw12")
    github.plan(Terminal(), "pw12\n" * (2**20 // 5), planned("x"))
    text = (tmp_path / "summary.md").read_text()
    assert len(text.encode()) <= 2**20
    assert "pw12" not in text
    assert text.endswith("the log has all of it\n")


@pytest.mark.parametrize("room", [-5, 0, 50, 200, 1000, 4000])
def test_a_summary_fits_its_room(room: int) -> None:
    text = "### \u2705 x\n\n" + block("+ a line \u00e9\n" * 2000, "diff") + "\n\nend\n"
    fitted = markdown.fit(text, room)
    assert len(fitted.encode()) <= max(room, 0)
    assert fitted.count("```") % 2 == 0
    assert markdown.fit(text, len(text.encode())) == text


def test_summary_of_a_step_that_has_one_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.md"
    file.write_text("x" * 1_000_000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    github.failed(Terminal(), "prices", UserError("\n".join(["bad"] * 100_000)))
    assert 1_000_000 < file.stat().st_size <= 2**20


NESTED = '{"message": "m", "x": ' + '{"a":' * 100_000 + "1" + "}" * 100_001


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (NESTED, NESTED),
        ('{"message": "m", "x": ' + "[" * 100_000, None),
        ('{"message": "m", "x": ' + "1" * 5000 + "}", None),
        ('{"message": "m", "x": 1e400, "y": NaN}', "m  x=Infinity y=NaN"),
        ('{"message": "\\ud800"}', "\\ud800"),
        ('{"message": "a\\u00e9"}', "a\u00e9"),
    ],
)
def test_hostile_structured_line(line: str, shown: str | None) -> None:
    assert readable(line) == (line if shown is None else shown)
