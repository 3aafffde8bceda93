"""One command, from its words to its exit code. No error leaves as a traceback.

Nothing is imported here that `--help` doesn't need; each command's module is imported when it is called.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler import __version__
from reconciler.cli.arguments import parser
from reconciler.cli.os_errors import excuse, open_streams, silence, tell_harmless_logs
from reconciler.cli.terminal import Terminal
from reconciler.core.errors import Interrupted, ReconcilerError
from reconciler.core.secret import KNOWN

if TYPE_CHECKING:
    from reconciler.config import Deploy

READ = {
    "plan", "apply", "destroy", "status", "recover", "watch", "logs", "stop", "diagnose", "runs", "cost",
    "permissions", "verify", "unlock", "rollback", "exec_",
}  # read the file  # fmt: skip


def main(arguments: Sequence[str], on_loaded: Callable[[], None] = lambda: None) -> int:
    """Run one command. Returns its exit code; no error leaves as a traceback.

    on_loaded: called before the command's work, when its modules are loaded.
    """
    open_streams()
    _learn(arguments)
    terminal = Terminal(json="--json" in arguments)
    module = ""
    try:
        try:
            words = parser().parse_args(arguments)
        except SystemExit as system_exit:  # what --help and --version end with
            return int(system_exit.code or 0)
        except BrokenPipeError:  # --help and --version were done; nobody has to read to the end
            silence(sys.stdout)
            return 0
        except OSError as error:
            silence(sys.stdout)
            why = error.strerror or str(error)
            return _report_error(module, terminal, ReconcilerError(f"standard output can't be written: {why}"))
        module = words.module
        terminal = Terminal(quiet=words.quiet, json=words.json, verbose=words.verbose)
        if terminal.log:
            terminal.log.command(module.rstrip("_"), __version__)
        options = _options(words)
        tell_harmless_logs()
        on_loaded()
        code = int(import_module(f"reconciler.cli.{module}").run(options, terminal))
        if terminal.lost and module not in ("apply", "watch"):  # whose exit code is the task's
            code = code or 1
        if terminal.log:
            terminal.log.ended(code)
        return code
    except ReconcilerError as error:
        return _report_error(module, terminal, error)
    except KeyboardInterrupt:
        terminal.note("interrupted")
        return _failed(module, terminal, 130, Interrupted("interrupted"))
    except BrokenPipeError:
        # The reader went away, as `| head` does. Nothing more can be said, not even at exit.
        silence(sys.stdout)
        return 141
    except Exception as error:
        if os.environ.get("RECONCILER_DEBUG"):
            terminal.trace(error)
        if excused := excuse(error):
            return _report_error(module, terminal, excused)
        terminal.crash(error)
        return _failed(module, terminal, 1, ReconcilerError(f"unexpected {type(error).__name__}: {error}"))


def _learn(arguments: Sequence[str]) -> None:
    """Begin with the secrets of the command line and of the environment; deploy.yaml and AWS have others."""
    KNOWN.clear()
    KNOWN.learn_words(arguments)
    if "local" not in arguments[:1]:  # whose `env` hands the embedded AWS's own key over
        KNOWN.environment(os.environ)


def _report_error(module: str, terminal: Terminal, error: ReconcilerError) -> int:
    """Say what went wrong. Returns the exit code."""
    terminal.error(error)
    if module in ("plan", "apply") and os.environ.get("GITHUB_ACTIONS") == "true":
        with contextlib.suppress(ModuleNotFoundError):  # that one may be what went wrong
            from reconciler.cli import github

            github.failed(terminal, module, error)
    return _failed(module, terminal, error.exit_code, error)


def _failed(module: str, terminal: Terminal, code: int, error: ReconcilerError) -> int:
    """The exit code of a command that didn't do its work: never one that a task could have ended with."""
    from reconciler.cli.failure import ENDS_AS_THE_TASK, failure, ours

    code = ours(module, code)
    if terminal.as_json and not terminal.answered:
        terminal.json(failure(code, error, verdict_too=module in ENDS_AS_THE_TASK))
    if terminal.log:
        terminal.log.ended(code)
    return code


def _options(words: argparse.Namespace) -> Any:
    """The options of the command, as its module has them.

    Its deploy.yaml is read before anything is imported that only a deployment needs: what is wrong in it is told at
    once. Not what may be a saved plan, which is JSON. Raises ConfigErrors, UserError.
    """
    from reconciler.cli.options import chosen, made

    environment, _ = chosen(words)
    deploy = _read(words.file, environment) if words.module in READ else None
    return made(import_module(f"reconciler.cli.{words.module}").Arguments, words, deploy)


def _read(file: Path, environment: str) -> Deploy | None:
    """What deploy.yaml says; None for what may be a saved plan. Raises ConfigErrors."""
    with contextlib.suppress(OSError), file.open("rb") as content:
        if content.read(64).lstrip().startswith(b"{"):
            return None
    from reconciler.config import load

    return load(file, environ=os.environ, environment=environment)
