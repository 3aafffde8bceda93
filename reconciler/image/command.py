"""Running a program and showing what it says."""

from __future__ import annotations

import re
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reconciler.core.errors import Interrupted, ReconcilerError

KEPT_LINES = 200
LOOK = 0.2  # seconds between two looks whether the user has interrupted


def try_run(arguments: Sequence[str], environment: Mapping[str, str], seconds: float = 60) -> str | None:
    """What a command printed, or None if it failed."""
    try:
        answer = _answer(arguments, environment, seconds)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout if answer.returncode == 0 else None


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command printed. Raises ReconcilerError with what it complained of."""
    try:
        answer = _answer(arguments, environment, 60)
    except (OSError, subprocess.SubprocessError) as error:
        raise ReconcilerError(f"{' '.join(arguments[:2])} failed: {error}") from None
    if answer.returncode != 0:
        raise ReconcilerError(f"{' '.join(arguments[:2])} failed: {answer.stderr.strip() or 'it said nothing'}")
    return answer.stdout


def _answer(
    arguments: Sequence[str], environment: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  the engine that was found on the PATH
        list(arguments), env=dict(environment), capture_output=True, text=True, timeout=seconds
    )


def tell(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    output: Callable[[str], None],
    is_interrupted: Callable[[], bool] = lambda: False,
    *,
    folder: Path | None = None,
) -> tuple[int, list[str]]:
    """Run a command, handing over each line as it comes. Returns its exit code and its last lines.

    The command ends with us: interrupted, it is asked to end, and ended after ten seconds. is_interrupted: asked
    several times a second whether the user has interrupted. folder: where it runs (None: where this process does).
    Raises Interrupted when that ended it.
    """
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    process = subprocess.Popen(  # noqa: S603  the engine that was found on the PATH
        list(arguments),
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    over = threading.Event()
    watcher = threading.Thread(target=_end_when, args=(process, is_interrupted, over), daemon=True)
    watcher.start()
    try:
        with process.stdout:
            for raw in process.stdout:
                line = raw.rstrip()
                if line:
                    lines.append(line)
                    output(line)
        code = process.wait()
        if code != 0 and is_interrupted():
            raise Interrupted("interrupted")
        return code, list(lines)
    finally:
        over.set()
        watcher.join()
        _end(process)


def _end_when(process: subprocess.Popen[str], is_interrupted: Callable[[], bool], over: threading.Event) -> None:
    """End the process once the user has interrupted, unless it is over before."""
    while not over.wait(LOOK):
        if is_interrupted():
            _end(process)
            return


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def last_words(lines: list[str]) -> str:
    """The last line that says something; builders end with a repetition of the command otherwise."""
    messages = [line.strip() for line in lines if line.strip() and not set(line.strip()) <= set("-=> ")]
    errors = [line for line in messages if re.search(r"error|denied|failed|cannot|unknown|refused", line, re.I)]
    return (errors or messages or ["it said nothing"])[-1]
