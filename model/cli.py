"""The commands: ``python -m model [train | predict | compare | sweep | sample]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from model import __version__, log, settings, stopping
from model.errors import ModelError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model", description="Forecasts of the next hour. Without a command: train, "
        "as the environment says (see model/README.md).")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("train", help="train, evaluate and write model and report to OUTPUT_URI (the default)")
    sample = commands.add_parser("sample", help="write a synthetic price file", add_help=False)
    sample.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def _run(given: argparse.Namespace) -> int:
    if given.command == "sample":
        from model import sample

        return sample.main(given.rest)
    from model.train import train

    train(settings.load(os.environ))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 (failure), 2 (bad input or configuration) or 143 (SIGTERM)."""
    given = _parser().parse_args(arguments)
    try:
        log.configure(os.environ)
        return _run(given)
    except stopping.Stopped:
        log.get().warning("stopped by SIGTERM", note="no manifest.json was written: the output is not complete")
        return stopping.EXIT_CODE
    except ModelError as error:
        log.get().error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        log.get().warning("stopped by Ctrl-C")
        return 130
    except MemoryError:
        log.get().error("out of memory: give the task more memory, or fewer threads with NTHREADS=1")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
