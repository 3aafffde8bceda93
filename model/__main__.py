"""``python -m model``: see `model.cli`."""

from model.stopping import EXIT_CODE, Stopped, begin_work, install

install()


def main() -> int:
    """Import the program, which takes seconds, then run it."""
    from model.cli import main as run

    try:
        begin_work()
        return run()
    except Stopped:  # before or after the part of `run` that handles it
        return EXIT_CODE


if __name__ == "__main__":
    raise SystemExit(main())
