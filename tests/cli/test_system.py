"""What this machine refuses, and how the program was called: one clear message, the right exit code, no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.os_errors import excuse
from reconciler.cli.program_name import program, typed
from tests.command import main

ROOT = Path(__file__).parents[2]
FULL = Path("/dev/full")


def shell(command: str, folder: Path, *options: str) -> tuple[int, str, str]:
    """How a command line ends in a shell, where `r` is the program: exit code, standard output and error."""
    python = " ".join([sys.executable, *options, "-m", "reconciler"])
    text = f'r() {{ {python} "$@"; }}; {command}'
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", text], cwd=folder, env=environ, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy.yaml").write_text("name: tiny\nimage: {uri: nginx}\n")
    return tmp_path


@pytest.mark.share(3)
@pytest.mark.skipif(not FULL.is_char_device(), reason="no /dev/full here")
@pytest.mark.parametrize("command", ["show", "show --json", "completion bash", "--help", "plan --help", "--version"])
def test_a_full_disk_is_said_and_no_success(command: str, folder: Path) -> None:
    code, _, err = shell(f"r {command} >{FULL}", folder)
    assert (code, err) == (1, "error: standard output can't be written: No space left on device\n")
    assert shell(f"r {command} >{FULL} 2>&1", folder)[0] == 1


@pytest.mark.share(4)
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("r show >&-", 0), ("r show <&- 2>&-", 0), ("r --version >&-", 0), ("r none >&- 2>&-", 2),
        ("r --help >&3", 0), ("r --version >&3", 0), ("r none >&3 2>&3", 2), ("r show >&3", 141),
    ],
)  # fmt: skip
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_has_to_listen(command: str, code: int, unbuffered: str, folder: Path) -> None:
    reader_went_away = "exec 3> >(:); wait $!"
    ended, _, err = shell(f"export PYTHONUNBUFFERED={unbuffered}; {reader_went_away}; {command}", folder)
    assert (ended, err) == (code, "")


def test_characters_that_an_output_lacks_are_no_error(folder: Path) -> None:
    (folder / "deploy.yaml").write_text("name: tiny\nimage: {uri: nginx}\ntags: {who: Zoë}\n")
    code, out, _ = shell("PYTHONIOENCODING=ascii r show", folder)
    assert code == 0
    assert "who: Zo?" in out


LOADING = """\
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "reconciler.cli.parser":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from reconciler.__main__ import main
sys.exit(main())
"""


def test_ctrl_c_while_it_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


ENDING = """\
import gc, os, signal, sys
def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
gc.freeze = interrupted
sys.argv = ["reconciler", "--version"]
from reconciler.__main__ import main
sys.exit(main())
"""


def test_ctrl_c_while_it_ends() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


OLD = """\
import runpy, sys, types
flags = {name: getattr(sys.flags, name) for name in dir(sys.flags) if name[0] != "_" and name != "safe_path"}
sys.flags, sys.version = types.SimpleNamespace(**flags), "3.10.12 (main)"
runpy.run_module("reconciler", run_name="__main__")
"""


def test_a_python_that_is_too_old() -> None:
    done = subprocess.run([sys.executable, "-c", OLD], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: Python 3.11 or later is needed, and {sys.executable} is 3.10.12\n"


def test_a_python_without_the_packages(folder: Path) -> None:
    hint = "in a checkout: `make demo`, then .venv/bin/python -m reconciler; else pip install '.[local]' there"
    code, out, err = shell("r plan", folder, "-S")
    message, line = err.splitlines()
    assert message.startswith("error: pydantic isn't installed in the Python that runs this, /")
    assert (code, out, line) == (2, "", f"  {hint}")
    told = {"version": 1, "error": message.removeprefix("error: "), "exit_code": 2, "hint": hint}
    assert json.loads(shell("r plan --json", folder, "-S")[1]) == told
    verdict = {"result": "wrong-input", "exit_code": 2, "task_exit_code": None}
    code, out, err = shell("GITHUB_ACTIONS=true r apply --json", folder, "-S")
    assert (code, json.loads(out), err.splitlines()) == (2, {**told, "verdict": verdict}, [message, line])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "results/a"), "results/a: Permission denied"),
        (OSError(28, "No space left on device", b"bytes"), "the operating system refused something: No space left"),
        (OSError(18, "Invalid cross-device link", "a", None, "b"), "a to b: Invalid cross-device link"),
        (ModuleNotFoundError("no", name="yaml.nodes"), "yaml.nodes isn't installed"),
        (ModuleNotFoundError("no", name="reconciler.plna"), None),  # which is a bug of ours
        (OSError("cannot read"), None),
        (ValueError("x"), None),
    ],
)
def test_whose_fault_an_error_is(error: Exception, said: str | None) -> None:
    problem = excuse(error)
    assert (problem is None) if said is None else (problem is not None and str(problem).startswith(said))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("/home/me/.local/bin/reconciler", "reconciler"), ("reconciler", "reconciler"),
        ("C:/bin/reconciler.exe", "reconciler"), ("/x/reconciler/__main__.py", "python -m reconciler"),
    ],
)  # fmt: skip
def test_what_to_type_is_what_was_typed(
    argv: str, expected: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [argv])
    assert program() == expected
    assert typed("run `python -m reconciler plan`") == f"run `{expected} plan`"
    assert main(["init", str(folder)]) == 0
    assert f"\n  {expected} plan {folder / 'deploy.yaml'} " in capsys.readouterr().out
    assert main([]) == 2
    assert f"begin with {expected} init; all of them: {expected} --help" in capsys.readouterr().err
