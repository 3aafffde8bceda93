"""``python -m model``: see `model.cli`."""

import os

from model.stopping import EXIT_CODE, Stopped, begin_work, install

install()
# One BLAS thread: sums come out in one order whatever the machine, and the
# threads that there are go to training whole models side by side.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"


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
