"""Files that would mean far more than they say are refused at once, with the place and the way out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.config import ConfigErrors, Deploy, load
from reconciler.config.expand import MOST, TooMuch, expand
from reconciler.config.run import COMBINATIONS, Sweep, most
from reconciler.run.sweep import combinations
from tests.work import assert_linear


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., Deploy]:
    def load_text(text: str, **environ: str) -> Deploy:
        path = tmp_path / "deploy.yaml"
        path.write_text("name: ok\nimage: {uri: x}\n" + text, encoding="utf-8")
        return load(path, environ=environ, git_sha=lambda: None, files=False)

    return load_text


def refused(load_it: Callable[[], object]) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        load_it()
    return [f"{error.line}: {error.path}: {error.message} ({error.fix})" for error in caught.value.errors]


WAY_OUT = "give the program long text as a file"
TOO_MUCH = f"the variables in this file have more than {MOST:,} characters together ({WAY_OUT})"


def test_many_variables_of_much(loaded: Callable[..., Deploy]) -> None:
    """One text, many texts, and an alias of one: said once, at the first that is too much."""
    big = "x" * 100_000
    assert refused(lambda: loaded(f"task: {{environment: {{A: '{'${BIG}' * 20_000}'}}}}\n", BIG=big)) == [
        f"3: task.environment.A: {TOO_MUCH}"
    ]
    lines = "".join(f"    V{n}: ${{BIG}}\n" for n in range(3000))
    assert refused(lambda: loaded(f"task:\n  environment:\n{lines}", BIG=big)) == [
        f"15: task.environment.V10: {TOO_MUCH}"
    ]
    names = ", ".join(["*v"] * 3000)
    half = big[:50_000]  # which a task definition can have once
    errors = refused(lambda: loaded(f"task: {{environment: {{V: &v '${{BIG}}'}}, command: [{names}]}}\n", BIG=half))
    assert errors == [f"3: task.command[19]: {TOO_MUCH}"]


def test_variables_that_real_files_have(loaded: Callable[..., Deploy]) -> None:
    deploy = loaded("task: {environment: {A: '${BIG}', B: 'x${BIG}'}}\n", BIG="y" * 30_000)
    assert len(deploy.task.environment["B"]) == 30_001
    none = expand("${A:-}" * 1000, {}, lambda: None)
    assert (none.text, none.changed) == ("", True)
    with pytest.raises(TooMuch):
        expand("${A}" * 3, {"A": "12345"}, lambda: None, 14)
    assert expand("${A}" * 3, {"A": "12345"}, lambda: None, 15).text == "12345" * 3


def test_expansion_grows_with_the_text() -> None:
    def work(size: int) -> Callable[[], object]:
        text = "${A}-$${B}-" * size
        return lambda: expand(text, {"A": "v"}, lambda: None)

    assert_linear(work, 2000)


def grid(*sizes: int) -> str:
    values = {f"V{n}": [str(value) for value in range(size)] for n, size in enumerate(sizes)}
    return f"run: {{sweep: {{grid: {json.dumps(values)}}}}}\n"


@pytest.mark.parametrize(
    ("text", "many"),
    [
        (grid(101, 100), "10,100"), (grid(*[100] * 40), "more than 1,000,000,000,000"), (grid(10_001), "10,001"),
        ("run: {sweep: {grid: {A: [1, 2]}, random: {count: 999, choices: {B: [1]}}, list: [" + "{A: 1}, " * 9_000
         + "]}}\n",
         "10,001"),
    ],
    ids=["two", "forty", "one", "all kinds"],
)  # fmt: skip
def test_too_many_combinations(loaded: Callable[..., Deploy], text: str, many: str) -> None:
    (error,) = refused(lambda: loaded(text))
    assert error.startswith(
        f"3: run.sweep.grid: these are {many} combinations, each of which is a task; at most 10,000"
    )
    assert error.endswith("(write fewer values, or draw some of them with random)")


def test_as_many_as_are_possible(loaded: Callable[..., Deploy]) -> None:
    sweep = loaded(grid(100, 100)).run.sweep
    assert sweep is not None
    assert most(sweep) == len(combinations(sweep)) == COMBINATIONS


def test_combinations_without_doubles_in_their_order() -> None:
    sweep = Sweep(grid={"A": ("2", "1", "2")}, list=({"B": "x"}, {"A": "1"}, {"B": "x", "A": "1"}))
    assert combinations(sweep) == [{"A": "2"}, {"A": "1"}, {"B": "x"}, {"B": "x", "A": "1"}]


def test_combinations_grow_with_the_grid() -> None:
    def work(size: int) -> Callable[[], object]:
        sweep = Sweep(grid={"A": tuple(map(str, range(size))), "B": ("1", "2")})
        return lambda: combinations(sweep)

    assert_linear(work, 300)


def many(form: str, between: str = ", ") -> Callable[[int], str]:
    """A text with so many of this form, numbered."""
    begin, item, end = form.split("|")
    return lambda size: begin + between.join(item.replace("N", str(n)) for n in range(size)) + end


@pytest.mark.share(4)
@pytest.mark.parametrize(
    "text",
    [
        many("data: [|aN|]\n"),
        many("data: [|aN/|]\n"),
        many("data: [|s3://my-data/N/|]\n"),
        many("run: {capacity: [|my-N|]}\n"),
        many("task: {gpu: 1}\nrun: {capacity: [|my-N|]}\n"),
        many("run: {max_cost: 1, capacity: [|my-N|]}\n"),
        many("notify: {email: [|aN@example.com|]}\n"),
        many("cluster: {default_strategy: [|{provider: FARGATE}|]}\n"),
        many("task: {environment: {|A-N: 1|}}\n"),
        many("task: {environment: {|AN: '${NOT_SET}', A-N: 1|}}\n"),
        many("environments: {dev: {task: {environment: {|AN: 1|}}}}\n"),
        lambda size: (
            many("task: {environment: {|AN: 0|}}\n")(size)
            + many("environments: {dev: {task: {environment: {|AN: 1|}}}}\n")(size)
        ),
        many("parameters: {|AN: 1|}\n"),
    ],
)
def test_a_file_is_checked_in_time_with_its_length(tmp_path: Path, text: Callable[[int], str]) -> None:
    def work(size: int) -> Callable[[], object]:
        path = tmp_path / f"{size}.yaml"
        path.write_text("name: ok\nimage: {uri: x}\n" + text(size), encoding="utf-8")
        environment = "dev" if "environments" in text(1) else ""

        def read() -> None:
            with contextlib.suppress(ConfigErrors):
                load(path, environ={}, git_sha=lambda: None, files=False, environment=environment)

        return read

    assert_linear(work, 300)
