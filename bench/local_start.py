"""How long the embedded AWS takes from its start to its first answer, and moto's own server beside it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.measure import Sample
from reconciler.local import lifecycle
from reconciler.local.keys import Keys

SECONDS = 60.0
PAUSE = 0.02


def ours(home: Path) -> Sample:
    """The embedded AWS, in a folder that isn't there yet."""
    began = time.perf_counter()
    running = lifecycle.ensure_running(home)
    try:
        _identity(running.endpoint_url, running.keys)
        return _sample(began, running.pid)
    finally:
        lifecycle.stop(home)


def moto() -> Sample:
    """moto as it is: nothing but the service that is asked is loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until(lambda: socket.create_connection(("127.0.0.1", port)).close())
        _identity(f"http://127.0.0.1:{port}", Keys("test", "test"))
        return _sample(began, server.pid)
    finally:
        server.terminate()
        server.wait()


def _identity(url: str, keys: Keys) -> None:
    import boto3

    client: Any = boto3.client(
        "sts",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
    )
    client.get_caller_identity()


def _until(done: Callable[[], None]) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            done()
            return
        time.sleep(PAUSE)
    raise RuntimeError(f"no answer within {SECONDS:.0f} s")


def _sample(began: float, pid: int) -> Sample:
    wall, process = time.perf_counter() - began, psutil.Process(pid)
    times = process.cpu_times()
    return Sample(wall, times.user + times.system, process.memory_info().rss / 2**20, 1)


def load_client() -> None:
    """Load what asks, so that it isn't measured."""
    import boto3

    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    boto3.client("sts", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
