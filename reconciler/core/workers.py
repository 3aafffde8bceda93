"""The names that a run with worker tasks (`run.workers`) has beside its own. Pure."""

from __future__ import annotations

import hashlib

SCHEDULER, WORKER = "scheduler", "worker"  # containers: beside the program, and that of a worker task
ADDRESS, COUNT = "DASK_SCHEDULER_ADDRESS", "DASK_WORKERS"  # what the program finds
# Where Dask looks for certificates: a path, or the PEM text itself.
CERTIFICATES = tuple(
    f"DASK_DISTRIBUTED__COMM__TLS__{name}" for name in ("CA_FILE", "CLIENT__CERT", "SCHEDULER__CERT", "WORKER__CERT")
)
ENCRYPTED = "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"
VARIABLES = (ADDRESS, COUNT, ENCRYPTED, *CERTIFICATES)  # that each run's containers get
PORTS = range(20_000, 32_000)  # below those that systems give to connections
OPEN = (1024, 65_535)  # what the security group lets tasks of it use among themselves: workers choose their ports

STOP = 5  # seconds from SIGTERM to SIGKILL: a worker that computes would go on for as long as it may
WAIT = 120  # seconds for which a worker looks for its scheduler before it ends itself

OF_WORKERS = "/workers"  # how the mark of their tasks ends


def secret_name(deploy: str, run_id: str) -> str:
    """The parameter with the certificate and key of a run's tasks. run_id: `*` for those of all runs."""
    return f"/reconciler/{deploy}/workers/{run_id}"


def certificates_path(deploy: str) -> str:
    """Where the certificates of all runs of a deploy are."""
    return secret_name(deploy, "").rstrip("/")


def port_of(run_id: str) -> int:
    """Where a run's scheduler listens. Two runs on one machine (`--local`) seldom have the same one."""
    return PORTS[int(hashlib.sha256(run_id.encode()).hexdigest()[:8], 16) % len(PORTS)]


def mark_of(token: str) -> str:
    """What an attempt's worker tasks are started by. token: the attempt's, by which its own task is."""
    return f"{token}{OF_WORKERS}"


def group_of(number: int) -> str:
    """The group of a worker's task, which tells its number."""
    return f"{WORKER}-{number}"


def number_of(group: str) -> int:
    """The number of the worker whose task is in this group; 0 for none."""
    kind, _, number = group.rpartition("-")
    return int(number) if kind == WORKER and number.isdigit() else 0
