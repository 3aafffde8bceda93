"""Colours, widths, quiet and verbose, wrong command lines, completion in real shells."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.arguments import parser
from reconciler.cli.style import COLOURS, codes, coloured
from reconciler.cli.terminal import Terminal
from reconciler.core.plain_json import Rows
from reconciler.core.secret import KNOWN
from reconciler.local import stop
from tests.cli.conftest import DEPLOY, DOCKERFILE, PROGRAM, Project
from tests.command import main
from tests.waiting import LONG

ROOT = Path(__file__).parents[2]
ON = [
    ({}, True, True), ({}, False, False), ({"TERM": "dumb"}, True, False), ({"NO_COLOR": "1"}, True, False),
    ({"NO_COLOR": ""}, True, True), ({"FORCE_COLOR": "1"}, False, True), ({"FORCE_COLOR": "0"}, True, False),
    ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
]  # fmt: skip


@pytest.mark.parametrize(("environ", "terminal", "expected"), ON)
def test_when_there_are_colours(environ: dict[str, str], terminal: bool, expected: bool) -> None:
    assert coloured(environ, terminal=terminal) is expected


def rgb(number: int) -> tuple[int, int, int]:
    """What the number of a colour stands for, in any terminal with 256."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    steps = (0, 95, 135, 175, 215, 255)
    return steps[(number - 16) // 36], steps[(number - 16) // 6 % 6], steps[(number - 16) % 6]


def contrast(colour: tuple[int, ...], other: tuple[int, ...]) -> float:
    """As WCAG 2 defines it."""

    def light(colour: tuple[int, ...]) -> float:
        parts = [v / 255 / 12.92 if v / 255 <= 0.03928 else ((v / 255 + 0.055) / 1.055) ** 2.4 for v in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((light(colour), light(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", COLOURS)
def test_every_colour_can_be_read_on_light_and_on_dark(name: str) -> None:
    assert contrast(rgb(COLOURS[name]), (255, 255, 255)) >= 4
    assert contrast(rgb(COLOURS[name]), (0, 0, 0)) >= 4


def test_an_old_terminal_gets_its_sixteen() -> None:
    assert codes({"TERM": "xterm"})["red"] == "31"
    assert codes({"TERM": "xterm-256color"})["red"] == "38;5;161"


def show(folder: Path, *arguments: str, columns: int = 80, **environment: str) -> str:
    """What a command shows at a terminal of so many columns."""
    ours, theirs = pty.openpty()
    environ = (
        os.environ
        | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": str(columns), "CI": ""}
        | environment
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=folder,
        env=environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            text += os.read(ours, 65536)
        except OSError:
            break
    process.wait(LONG)
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project of which nothing is there yet."""
    made = Project(tmp_path_factory.mktemp("output"))
    made.write("deploy.yaml", DEPLOY)
    made.write("train.py", PROGRAM)
    made.write("Dockerfile", DOCKERFILE)
    made.write("prices.csv", "a\n1\n")
    yield made
    stop(made.folder / ".reconciler" / "local")


def plain(text: str) -> list[str]:
    return re.sub(r"\x1b\[[\d;]*[mKJA]", "", text).splitlines()


def test_at_a_terminal_of_80_columns_no_word_is_broken(here: Project) -> None:
    shown = show(here.folder, "plan", "--local")
    assert "\x1b[38;5;28m+\x1b[0m bucket" in shown
    assert "Plan: 11 to create." in shown
    assert [line for line in plain(shown) if len(line) > 80] == []
    assert "\x1b" not in show(here.folder, "plan", "--local", NO_COLOR="1")
    for command in (["plan", "none.yaml"], ["verify"], ["local", "status"]):
        told = show(here.folder, *command, *([] if command[0] == "local" else ["--local"]))
        assert max(map(len, plain(told))) <= 80, told


def test_every_help_fits_into_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    top = parser("python -m reconciler")
    for name, command in [("", top), *top.commands.items()]:
        assert [line for line in command.format_help().splitlines() if len(line) > 80] == [], name


def test_a_pipe_has_no_colours_but_for_who_asks(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in here.run("plan", "--local").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[38;5;28m+\x1b[0m bucket" in here.run("plan", "--local").out
    assert "\x1b" not in here.run("plan", "--local", "--json").out


def test_quiet_says_only_results_and_errors(here: Project) -> None:
    assert here.run("plan", "--local", "--quiet").out == ""
    ended = here.run("plan", "none.yaml", "--quiet")
    assert ended.err.startswith("none.yaml: there is no such file")


def test_verbose_logs_every_call_with_its_request_id(here: Project) -> None:
    here.run("plan", "--local")  # that the embedded AWS is started is no event
    ended = here.run("plan", "--local", "--verbose", "--json")
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert (events[0]["event"], events[0]["command"]) == ("command", "plan")
    assert (events[-1]["event"], events[-1]["exit_code"]) == ("ended", 0)
    calls = [event for event in events if event["event"] == "aws"]
    assert {"CreateRole", "PutObject"} & {call["operation"] for call in calls} == set()
    assert all(call["seconds"] >= 0 and call["timestamp"] for call in calls)
    assert all(call["request_id"] for call in calls if not call.get("error"))
    refused = [call for call in calls if call.get("error")]
    assert {call["level"] for call in refused} == {"warning"}
    assert any(call["error"] == "404" or "NotFound" in call["error"] for call in refused)
    assert json.loads(ended.out)["deploy"] == "tiny"


def test_the_account_of_the_file_is_no_matter_to_the_embedded_aws(here: Project) -> None:
    here.write("pinned.yaml", 'name: tiny\naccount: "999999999999"\nimage: {uri: nginx}\n')
    ended = here.run("plan", "pinned.yaml", "--local")
    assert ended.code == 0
    assert "account 123456789012" in ended.out
    assert "999999999999" not in ended.out


def test_permissions_without_credentials(here: Project) -> None:
    here.write("open.yaml", "name: tiny\nregion: us-east-1\nimage: {uri: nginx}\n")
    ended = here.run("permissions", "open.yaml", "--for", "plan")
    assert ended.code == 0
    assert "arn:aws:ecs:us-east-1:ACCOUNT_ID:cluster/tiny" in ended.out
    assert "arn:aws:s3:::tiny-data-ACCOUNT_ID" in ended.out
    assert "account_id" not in ended.out, "a placeholder that the note doesn't name"
    assert "note: ACCOUNT_ID stands for the account's id, which can't be asked for: no AWS credentials" in ended.err
    assert "`account:` in deploy.yaml says it" in ended.err.replace("\n", " ")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that not even root can read")
def test_data_that_cannot_be_read(here: Project) -> None:
    here.write("unreadable.yaml", "name: tiny\nimage: {uri: nginx}\ndata: /proc/self/mem\n")
    here.run("plan", "--local")  # which says that the embedded AWS is started, if no other test has done so
    ended = here.run("plan", "unreadable.yaml", "--local")
    assert ended.code == 2
    assert ended.err == (
        "error: data: '/proc/self/mem' can't be read: Input/output error\n  allow reading it, or name another file\n"
    )


def test_text_is_folded_only_at_a_terminal() -> None:
    terminal = Terminal()
    assert not terminal.live
    assert terminal.fold("  fix  ", "word " * 40).count("\n") == 0
    terminal.live = True
    lines = terminal.fold("  fix  ", "word " * 40).splitlines()
    assert len(lines) > 1
    assert all(line.startswith("       word") for line in lines[1:])


WRONG = [
    (["aply"], "there is no command 'aply'", "did you mean apply"),
    (["apply", "--tagret", "x"], "there is no argument --tagret", "did you mean --target"),
    (["runs", "bset"], "verb: 'bset' is not one of its values", "did you mean best"),
    (["local", "status", "--local"], "there is no argument --local", "see python -m reconciler local --help"),
    (["local", "xyz"], "action: 'xyz' is not one of its values", "choose from status, env, list, stop, reset"),
    (["local"], "the following arguments are required: action", "choose from status, env, list, stop, reset; see"),
    (["completion"], "the following arguments are required: shell", "choose from bash, zsh, fish; see"),
    (["--local", "plan"], "--local stands before the command", "the command comes first: python -m reconciler plan"),
    (["-q", "--env", "prod", "plan"], "prod stands before the command", "the command comes first"),
    (["--env", "prod", "plan"], "prod stands before the command", "the command comes first: python -m reconciler plan"),
    (
        ["deploy.yaml", "plan"],
        "deploy.yaml stands before the command",
        "the command comes first: python -m reconciler plan",
    ),
    (["plan", "deploy.yaml", "my file.yaml"], "there is no argument my", "see python -m reconciler plan --help"),
    (["plan", "--local=true"], "--local takes no value, and 'true' is given", "see python -m reconciler plan --help"),
    (["it's"], 'there is no command "it\'s"', "choose from init, plan"),
    (["--local", "doctor"], "there is no argument --local", "see python -m reconciler doctor --help"),
    (["--locl"], "which command?", "begin with python -m reconciler init"),
    (["help"], "there is no command 'help'", "did you mean --help?"),
    (["help", "plan"], "there is no command 'help'", "write python -m reconciler plan --help"),
    (["version"], "there is no command 'version'", "did you mean --version?"),
    (["run"], "there is no command 'run'", "did you mean apply?"),
    (["deploy"], "there is no command 'deploy'", "did you mean apply?"),
    (["delete"], "there is no command 'delete'", "did you mean destroy?"),
    (["validate"], "there is no command 'validate'", "did you mean plan?"),
    (["list"], "there is no command 'list'", "did you mean runs?"),
    (["apply", "--yes"], "there is no argument --yes", "leave it out: this command doesn't ask"),
    (["apply", "-auto-approve"], "there is no argument -auto-approve", "leave it out: this command doesn't ask"),
    (["destroy", "--auto-approve"], "there is no argument --auto-approve", "did you mean --yes?"),
    (["apply", "--dry-run"], "there is no argument --dry-run", "`plan` shows what apply would do"),
    (["plan", "-f", "deploy.yaml"], "there is no argument -f", "name the file without an option"),
    (["plan", "--profile", "dev"], "there is no argument --profile", "set AWS_PROFILE"),
    (["plan", "--region=eu-west-1"], "there is no argument --region", "write region: in the file"),
    (["import"], "one of the arguments --prefix --copilot is required", "see python -m reconciler import --help"),
    ([], "which command?", "begin with python -m reconciler init; all of them: python -m reconciler --help"),
    (["plan", "--out"], "argument --out: expected one argument", "see python -m reconciler plan --help"),
]


@pytest.mark.parametrize(("arguments", "message", "hint"), WRONG, ids=str)
def test_a_wrong_command_line_says_what_is_right(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert hint in told


def script(shell: str, folder: Path) -> Path:
    out = io.StringIO()
    sys.stdout, kept = out, sys.stdout
    try:
        assert main(["completion", shell]) == 0
    finally:
        sys.stdout = kept
    path = folder / f"completion.{shell}"
    path.write_text(out.getvalue())
    return path


COMPLETED = [
    (("pl",), ["plan"]),
    (("apply", "--on-interrupt", ""), ["detach", "stop"]),
    (("runs", "be"), ["best"]),
    (("plan", "--det"), ["--detailed-exitcode"]),
    (("local", "s"), ["status", "stop"]),
]


@pytest.mark.parametrize(("words", "expected"), COMPLETED, ids=str)
def test_bash_completes(words: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("no bash here")
    asked = " ".join(f"'{word}'" for word in ("reconciler", *words))
    code = f"source {script('bash', tmp_path)}; COMP_WORDS=({asked}); COMP_CWORD={len(words)}; _reconciler; "
    code += 'echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-euc", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == expected


@pytest.mark.parametrize(("words", "expected"), COMPLETED, ids=str)
def test_fish_completes(words: tuple[str, ...], expected: list[str], tmp_path: Path) -> None:
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    code = f"source {script('fish', tmp_path)}; complete -C 'reconciler {' '.join(words)}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert sorted(line.split("\t")[0] for line in done.stdout.splitlines()) == expected


def test_zsh_completes(tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("no zsh here")
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "PS1": "> ", "HOME": str(tmp_path)}
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=environ, cwd=tmp_path
    )
    os.close(theirs)
    shown = ""

    def until(pattern: str) -> None:
        nonlocal shown
        end = time.monotonic() + LONG
        while not re.search(pattern, shown):
            assert time.monotonic() < end, f"waited in vain for {pattern}: {shown}"
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65536).decode("utf-8", "replace")

    os.write(ours, f"autoload -Uz compinit; compinit -D -u; source {script('zsh', tmp_path)}; echo rea''dy\n".encode())
    until(r"\nready")
    os.write(ours, b"reconciler pl\t")
    until(r"reconciler plan ")
    os.write(ours, b"--det\t")
    until(r"--detailed-exitcode")
    process.kill()
    process.wait()
    os.close(ours)


def test_json_with_a_number_that_reads_like_a_secret_hides_the_texts(capsys: pytest.CaptureFixture[str]) -> None:
    KNOWN.clear()
    KNOWN.add("1234567890")
    try:
        Terminal(json=True).json({"code 1234567890": 1234567890, "text": 'a "1234567890" b', "more": [0.51234567890]})
    finally:
        KNOWN.clear()
    assert json.loads(capsys.readouterr().out) == {
        "code (hidden)": 1234567890, "text": 'a "(hidden)" b', "more": [0.5123456789],
    }  # fmt: skip


def test_json_keeps_the_names_of_its_format(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of a program, `token=exit_code`, made `(hidden)` of two names of the object."""
    KNOWN.clear()
    KNOWN.add("exit_code")
    try:
        for value in (
            {"exit_code": 0, "of exit_code": "exit_code 1"},
            {"timestamp": 0.5, "message": "token=timestamp"},
        ):
            Terminal(json=True).json_line(value)
    finally:
        KNOWN.clear()
    assert [json.loads(text) for text in capsys.readouterr().out.splitlines()] == [
        {"exit_code": 0, "of (hidden)": "(hidden) 1"}, {"timestamp": 0.5, "message": "token=(hidden)"},
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_that_is_printed_row_by_row_looks_like_any(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """So that what a sweep of ten thousand prints isn't held as a whole."""
    made: list[int] = []

    def row(n: int) -> dict[str, object]:
        made.append(n)
        return {"n": n, "text": "a\nb", "parts": [n, {"x": []}]}

    for rows in ([row(n) for n in range(count)], Rows(range(count), row)):
        made.clear()
        Terminal(json=True).json({"first": 1, "of": {"runs": rows, "more": [rows]}, "last": "#"})
    assert made == [*range(count)] * 2
    text = capsys.readouterr().out
    assert text[: len(text) // 2] == text[len(text) // 2 :]
    assert len(json.loads(text[: len(text) // 2])["of"]["runs"]) == count


def test_rows_are_a_list_to_read() -> None:
    rows = Rows([1, 2, 3], str)
    assert (len(rows), rows[0], rows[-1], rows[1:], [*rows]) == (3, "1", "3", ["2", "3"], ["1", "2", "3"])
