"""A program, a record and a file that attack whoever reads: no command to a CI runner, no effect at a terminal.

Real programs in the embedded AWS, and the bytes that the commands really write, both streams together as a runner has
them. tests/core/test_text.py has the forms one by one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from reconciler.local import status, stop
from tests.cli.conftest import DEPLOY, DOCKERFILE, Project
from tests.cli.test_output import show
from tests.command import main
from tests.lab_client import ROOT
from tests.local_fixtures import EmbeddedAws
from tests.runner import SGR, commands, effects

ATTACKS = [
    "::set-output name=result::owned", "  \t::error file=x::forged", "\u00a0\u3000::add-mask::e",
    "##[set-env name=PATH;]x",
    "text ##[error]forged", "##vso[task.setvariable variable=x]y", "at work\r::error::after a carriage return",
    "\x1b[2J\x1b[H::error::cleared", "\x1b]0;title\x07\x1b]52;c;b3duZWQ=\x07", "\x9b2J\x9d0;t\x9c",
    "a\u202eb\u2066c\u200bd",
    "#\u200b#[error]hidden", "#\ufe0f#\ufe0f[error]x", ":\u200d:error::x", "x\x85::error::y\u2028::error::z",
    "\x1bP+q\x1b\\",
    "section_start:1:x\r\x1b[0K::error::gitlab", "\x1b[31m::error::red\x1b[0m", "\x08\x08::error::back\x0b::error::tab",
]  # fmt: skip
HARMLESS = ["Traceback (most recent call last):", "    ^^^^^^~~~", "std::vector 日本語 e\u0301 👩\u200d🔬"]
COLOURS = "\x1b[32mgreen\x1b[0m and \x1b[1;31mred"
NAME = "##[error]m\x1b]0;t\x07\n::error::|`@octocat <!channel> [x](http://evil.example)\u202e"
PROGRAM = f"""\
import json, os, sys
for one in {ATTACKS + HARMLESS + [COLOURS]!a}:
    sys.stdout.buffer.write(one.encode() + b"\\n")
sys.stdout.flush()
import boto3
bucket, _, prefix = os.environ["OUTPUT_URI"].removeprefix("s3://").partition("/")
body = json.dumps({{"metrics": {{{NAME!a}: 1.5}}}})
boto3.client("s3").put_object(Bucket=bucket, Key=f"{{prefix}}/metrics.json", Body=body.encode())
if os.environ["MODE"] == "bad":
    raise ValueError({ATTACKS[4] + ATTACKS[8] + ATTACKS[0]!a})
"""
CI = {"GITHUB_ACTIONS": "true", "CI": "true"}


class Attacked(Project):
    """A project whose every value attacks."""

    def job(self, *arguments: str, code: int | None = 0, **environment: str) -> bytes:
        """What a step's log gets from a command. code: what it has to end with, if that matters."""
        environ = os.environ | {"PYTHONPATH": str(ROOT)} | CI | environment
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments], cwd=self.folder, env=environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False,
        )  # fmt: skip
        assert code in (None, done.returncode), done.stdout.decode()
        return done.stdout

    def here(self, *arguments: str) -> bytes:
        """The same of a command that only reads or is refused, in this process."""
        both = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(self.folder):
            patch.setattr(sys, "argv", ["__main__.py", *arguments])
            for name, value in CI.items():
                patch.setenv(name, value)
            with redirect_stdout(both), redirect_stderr(both), contextlib.suppress(SystemExit):
                main(arguments)
        both.seek(0)
        return both.buffer.read()

    def mode(self, mode: str) -> None:
        """What the program does; the values of the file attack too."""
        values = {"MODE": mode, "EVIL": ATTACKS[4], "LINES": "a\n::error::b"}
        self.write("deploy.yaml", DEPLOY + "tags: " + json.dumps({"owner": "::error::x"}) + "\n")
        text = (
            (self.folder / "deploy.yaml").read_text().replace("  memory: 512\n", "  memory: 512\n  environment: %s\n")
        )
        self.write("deploy.yaml", text % json.dumps(values))

    def client(self, service: str) -> Any:
        """A client of its AWS."""
        running = status(self.folder / ".reconciler" / "local")
        assert running is not None
        return EmbeddedAws(running).client(service)


def harmless(output: bytes) -> str:
    """The output as text, which is neither a command nor has an effect."""
    assert commands(output) == []
    assert effects(output) == []
    return output.decode()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """Two runs: one that succeeded and one that failed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECONCILER_LOCAL_ENGINE", "process")
        made = Attacked(tmp_path_factory.mktemp("attacked"))
        made.write("train.py", PROGRAM)
        made.write("Dockerfile", DOCKERFILE)
        made.write("prices.csv", "a,b\n1,2\n")
        made.write("##[error]::x\u202e.py", "")  # a part of the image
        made.mode("good")
        yield made
        stop(made.folder / ".reconciler" / "local")


@pytest.fixture(scope="module")
def applied(attacked: Attacked, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the two applies said, their summaries and outputs."""
    said = {}
    for mode, code in (("good", 0), ("bad", 1)):
        attacked.mode(mode)
        folder = tmp_path_factory.mktemp(mode)
        files = {"GITHUB_STEP_SUMMARY": str(folder / "summary"), "GITHUB_OUTPUT": str(folder / "output")}
        said[mode] = harmless(attacked.job("apply", "--local", code=None, **files))
        assert f"exit code {code}" in said[mode]
        said[f"{mode} summary"] = (folder / "summary").read_bytes().decode()
        said[f"{mode} output"] = (folder / "output").read_bytes().decode()
    return said


def test_apply(applied: dict[str, str]) -> None:
    lines = applied["good"].splitlines()
    for text in HARMLESS:
        assert f"  | {text}" in lines, "what is harmless is as it was"
    assert "  | green and red" in lines, "no colours in a pipe"
    assert any("# #[error]m\\x1b]0;t\\x07\\n::error::|" in line for line in lines), "a metric is one line"
    assert "  | ::set-output name=result::owned" in lines, "no command, since it isn't at the beginning"
    assert not [line for line in lines if line.startswith(("::", "error::"))]


def test_the_outputs_are_ours(applied: dict[str, str]) -> None:
    for mode in ("good", "bad"):
        names = [line.partition("=")[0] for line in applied[f"{mode} output"].splitlines()]
        assert set(names) == {"run-id", "task-arn", "result", "exit-code", "image-digest", "results"}


def test_the_summary_mentions_nobody_and_links_nowhere(applied: dict[str, str]) -> None:
    for mode in ("good", "bad"):
        page = applied[f"{mode} summary"]
        assert effects(page.replace("\u200b", "").encode()) == []
        outside = re.sub(r"(?s)(`+)(?!`).*?(?<!`)\1(?!`)", "", page)  # of code
        assert not re.search(r"@\w|(?<!\\)\[x|://|<[!a-z]|#\[", outside.replace("\\[", "").replace("\\<", "")), outside
    assert "# #[error]" in applied["good summary"] or "##[error]m\\x1b]0;t\\x07 ::error::\\|" in applied["good summary"]


READ = [
    ("watch",), ("watch", "--from-start"), ("logs",), ("logs", "--json"), ("diagnose",), ("diagnose", "--json"),
    ("runs",), ("runs", "--json"), ("runs", "show"), ("status",), ("status", "--json"), ("plan", "--verbose"),
    ("plan", "--json"),
    ("plan", "--markdown"), ("show",), ("show", "--json"), ("apply", "--skip-run", "--verbose"),
    ("runs", "best", "--metric", NAME), ("watch", "::error::x"), ("plan", "##[error]\n::error::x\x1b[2J"),
    ("logs", "--since", "##[x]\r::error::"), ("runs", "::error::x"), ("--no\n::error::such", "##[error]x"),
]  # fmt: skip


@pytest.mark.share(4)
@pytest.mark.parametrize("arguments", READ, ids=ascii)
@pytest.mark.usefixtures("applied")
def test_commands_that_read(attacked: Attacked, arguments: tuple[str, ...]) -> None:
    local = () if arguments[0] in ("show", "--no\n::error::such") else ("--local",)
    said = harmless(attacked.here(*arguments, *local))
    assert said.strip()
    if arguments[0] == "logs" and "--json" not in arguments and "--since" not in arguments:
        assert ": :set-output name=result::owned" in said.splitlines(), "broken up where it is at the beginning"
        assert set(HARMLESS) <= set(said.splitlines())


@pytest.mark.usefixtures("applied")
def test_json_has_the_values_as_they_are(attacked: Attacked) -> None:
    texts = [json.loads(line)["text"] for line in attacked.here("logs", "--local", "--json").splitlines()]
    assert [text for text in texts if text in ATTACKS] == ATTACKS
    assert json.loads(attacked.here("runs", "--local", "--json"))["runs"][1]["metrics"] == {NAME: 1.5}


@pytest.mark.usefixtures("applied")
def test_a_forged_record(attacked: Attacked) -> None:
    """Who may write records makes reasons and task names."""
    s3 = attacked.client("s3")
    newest = json.loads(attacked.here("runs", "--local", "--json"))["runs"][0]
    forged = newest | {"reason": "\n".join(ATTACKS), "attempts": [
        attempt | {"reason": "\r".join(ATTACKS), "provider": ATTACKS[4]} for attempt in newest["attempts"]
    ]}  # fmt: skip
    key = f"runs/{newest['id']}/run.json"
    kept = s3.get_object(Bucket="tiny-data-123456789012", Key=key)["Body"].read()
    s3.put_object(Bucket="tiny-data-123456789012", Key=key, Body=json.dumps(forged).encode())
    try:
        for command in (["runs", "show"], ["watch"], ["diagnose"], ["status"], ["runs"]):
            harmless(attacked.here(*command, "--local"))
    finally:
        s3.put_object(Bucket="tiny-data-123456789012", Key=key, Body=kept)


@pytest.mark.usefixtures("applied")
def test_what_somebody_set_in_aws_and_who_holds_the_lock(attacked: Attacked) -> None:
    logs, ssm = attacked.client("logs"), attacked.client("ssm")
    # Tags of EC2 may have any character; Logs takes letters, digits, spaces and a few signs.
    logs.tag_log_group(logGroupName="/ecs/tiny", tags={"owner": "x ::error::forged"})
    ec2 = attacked.client("ec2")
    (group,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["tiny"]}])["SecurityGroups"]
    ec2.create_tags(Resources=[group["GroupId"]], Tags=[{"Key": "owner", "Value": "x\n::error::" + ATTACKS[4]}])
    attacked.client("iam").put_role_policy(
        RoleName="tiny-task-role", PolicyName="error", PolicyDocument=json.dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{ATTACKS[4]}", "Sid": "x"}],
        }),
    )  # fmt: skip
    lock = {"holder": "\x1b[2J::error::x", "who": ATTACKS[0], "until": 9e12, "expires": 9e12, "token": "x"}
    ssm.put_parameter(Name="/reconciler/tiny/lock", Type="String", Value=json.dumps(lock), Overwrite=True)
    for command in (["plan"], ["plan", "--markdown"], ["status"], ["apply", "--skip-run"], ["unlock", "--yes"]):
        harmless(attacked.here(*command, "--local"))
    ssm.put_parameter(Name="/reconciler/tiny/lock", Type="String", Value="\x1b[2J\n::error::", Overwrite=True)
    for command in (["status"], ["apply", "--skip-run"]):
        harmless(attacked.here(*command, "--local"))
    ssm.delete_parameter(Name="/reconciler/tiny/lock")


@pytest.mark.usefixtures("applied")
def test_at_a_terminal_only_colours_pass(attacked: Attacked) -> None:
    runs = json.loads(attacked.here("runs", "--local", "--json"))["runs"]
    said = show(attacked.folder, "logs", runs[1]["id"], "--local", CI="", GITHUB_ACTIONS="")
    assert effects(said.encode()) == []
    lines = said.split("\n")
    assert "\x1b[32mgreen\x1b[0m and \x1b[1;31mred\x1b[0m" in lines
    assert "::set-output name=result::owned" in lines, "at a terminal it is only text"
    assert all(line.endswith("\x1b[0m") for line in lines if "\x1b" in line)
    assert "\x1b" not in show(attacked.folder, "logs", runs[1]["id"], "--local", NO_COLOR="1", CI="", GITHUB_ACTIONS="")
    for command in (["runs", "show", runs[1]["id"]], ["diagnose"], ["plan"], ["status"]):
        shown = show(attacked.folder, *command, "--local", CI="", GITHUB_ACTIONS="")
        drawn = re.sub(r"\r(\x1b\[\d+A)?\x1b\[[JK]", "", shown)  # our own live lines
        assert effects(drawn.encode()) == []


@pytest.mark.usefixtures("applied")
def test_output_that_ends_in_the_middle(attacked: Attacked) -> None:
    """Each line is safe by itself: neither what came before nor what comes after matters."""
    output = attacked.job("logs", "--local", "--verbose")
    lines = output.splitlines(keepends=True)
    for count in range(0, len(lines), 7):
        assert commands(b"".join(lines[count:])) == commands(b"".join(lines[: -count or None])) == []


def test_colours_forced_in_ci_are_no_commands(attacked: Attacked, applied: dict[str, str]) -> None:
    said = attacked.job("logs", "--local", FORCE_COLOR="1", code=0)
    assert commands(said) == []
    assert effects(said) == []
    assert SGR.search(said.decode())


def test_what_is_built_is_output_too(tmp_path: Path) -> None:
    """A container engine's lines, as the command line shows them."""
    code = (
        "import sys; from reconciler.cli.terminal import Terminal; from reconciler.cli.live_line import LiveLine\n"
        "from reconciler.cli.build_output import BuildOutput\n"
        "build = BuildOutput(Terminal(), LiveLine(Terminal()), verbose=True)\n"
        "for one in eval(sys.stdin.read()): build.say(one)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=ascii([*ATTACKS, *HARMLESS]).encode(), capture_output=True, check=True,
        env=os.environ | CI | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    assert "    image |     ^^^^^^~~~" in harmless(done.stdout).splitlines()


def test_what_python_and_other_packages_say(tmp_path: Path) -> None:
    code = (
        "import logging, threading; from reconciler.cli.os_errors import tell_harmless; tell_harmless()\n"
        "evil = '\\r::error::x\\n##[error]y\\x1b[2J'\n"
        "logging.getLogger('urllib3').warning('retrying %s', evil)\n"
        "def fail(): raise ValueError(evil)\n"
        "one = threading.Thread(target=fail); one.start(); one.join()\n"
        "fail()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path
    )
    assert done.returncode == 1
    said = harmless(done.stderr)
    assert said.count("ValueError: \\r::error::x") == 2
    assert "retrying \\r::error::x" in said
