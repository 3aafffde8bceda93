"""Emulators of AWS that others wrote, each as a server of its own on this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.waiting import until

REGION, ACCOUNT = "us-east-1", "123456789012"  # both take an access key of twelve digits for the account


@dataclass(frozen=True)
class Emulator:
    """What is needed to start one.

    program: the environment variable that names its program. arguments: after it. environment: beside those of all.
    In both {port} and {home} are filled in.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @contextmanager
    def run(self, home: Path) -> Iterator[Server]:
        """Start it with an empty home, and end it. Skips the test where the program isn't here."""
        program = Path(os.environ.get(self.program, "")).absolute()
        if not program.is_file():
            pytest.skip(f"no {self.name} here: `make .venv/{self.name}` installs it, {self.program} names its program")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Nothing is inherited, so that neither a container engine nor a setting of this machine plays a part.
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "DOCKER_HOST": f"unix://{home}/none",
        }
        environ |= {key: value.format(port=port, home=home) for key, value in self.environment.items()}
        command = [str(program), *(one.format(port=port, home=home) for one in self.arguments)]
        log = home / "log"
        with (
            log.open("w") as out,
            subprocess.Popen(
                command, env=environ, cwd=home, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as process,
        ):  # fmt: skip
            try:
                until(lambda: process.poll() is not None or _listens(port), f"{self.name} to listen")
                assert process.poll() is None, log.read_text()[-2000:]
                yield Server(self.name, f"http://127.0.0.1:{port}")
            finally:
                os.killpg(process.pid, signal.SIGKILL)


MINISTACK = Emulator("ministack", "MINISTACK_BIN", (), {"GATEWAY_PORT": "{port}", "BIND_HOST": "127.0.0.1"})
# Where it takes the machine for a container it listens on every address, and writes to folders of the machine.
HOST = {"OVERRIDE_IN_DOCKER": "0", "FILESYSTEM_ROOT": "{home}"}
LOCALEMU = Emulator("localemu", "LOCALEMU_BIN", ("start", "--host", "127.0.0.1", "--port", "{port}"), HOST)
EMULATORS = (MINISTACK, LOCALEMU)


class Server:
    """An emulator that runs."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        self._session: Any = boto3.session.Session(ACCOUNT, "test", region_name=REGION)
        self._clients: dict[str, Any] = {}

    @property
    def environment(self) -> dict[str, str]:
        """With which a command reaches it."""
        keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test"}
        return keys | {"AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": REGION}

    def client(self, service: str) -> Any:
        """A client of boto3's: what others do behind the tool's back."""
        if service not in self._clients:
            config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
            self._clients[service] = self._session.client(service, endpoint_url=self.url, config=config)
        return self._clients[service]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
