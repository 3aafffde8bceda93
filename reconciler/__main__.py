"""`python -m reconciler`."""

from __future__ import annotations

import sys

if not hasattr(sys.flags, "safe_path"):  # before anything that an older Python can't read
    sys.stderr.write(f"error: Python 3.11 or later is needed, and {sys.executable} is {sys.version.split()[0]}\n")
    sys.exit(2)
if __name__ == "__main__" and not sys.flags.safe_path:
    # `python -m` looks for modules in the current folder first. That is the user's: their random.py isn't Python's.
    del sys.path[0]

import gc
import os


def main() -> int:
    """Run the command line and return its exit code."""
    # Modules and service models are very many objects and none is garbage: looking through them takes longer than a
    # plan's reads. So what is loaded before a command's work is left out of it.
    gc.set_threshold(100_000, 50, 100)
    try:
        if _helped(sys.argv[1:]):
            return 0
        from reconciler.cli.main import main as run
        from reconciler.cli.os_errors import tell_harmless

        tell_harmless()
        return run(sys.argv[1:], on_loaded=gc.freeze)
    except KeyboardInterrupt:  # while it was being loaded, or at its very end
        _end_at_once()
        sys.stderr.write("interrupted\n")
        return 130
    finally:
        if "signal" in sys.modules:  # where it isn't, what follows is quicker than loading it
            _end_at_once()
        # The interpreter would look through all of it once more at its end, for 0.2 s, before the system takes it back.
        gc.freeze()


def _end_at_once() -> None:
    """Have Ctrl-C end what is at its end without a word, where Python would print a traceback."""
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _helped(arguments: list[str]) -> bool:
    """Print the list of commands, if that is asked for, before anything is loaded. Whether that was done: what can't
    be written is left to who tells of it.
    """
    from reconciler.cli import top_help

    if not top_help.asked(arguments) or sys.stdout is None:
        return False
    from reconciler.cli.program_name import program

    rest = top_help.text(program(), top_help.columns()).encode()
    try:
        while rest:
            rest = rest[os.write(1, rest) :]  # not through sys.stdout, which would keep what couldn't be written
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
