"""A local AWS of its own for each subject: `tests.lab`, a process reached over HTTP, with latency and counts."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
SHOWN = 2_000  # characters of what a lab that has ended wrote last


class Lab:
    """A running lab, as a context manager, which answers at once. module: what serves it.

    log_file: what it writes to its standard error, which stays where it was needed: after an error, or a bad end.
    """

    def __init__(self, home: Path, *, module: str = "tests.lab") -> None:
        command = [sys.executable, "-m", module, "0", "--home", str(home), "--until-eof"]
        handle, name = tempfile.mkstemp(prefix="lab-", suffix=".log")
        self.log_file = Path(name)
        with os.fdopen(handle, "wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url.startswith("http:"):
            self._process.kill()
            raise RuntimeError(f"the lab did not start: {self.url} {self.ended()}")
        self.reset()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=20)  # closes its standard input
        if kind is None and self._process.returncode == 0:
            self.log_file.unlink(missing_ok=True)

    def control(self, method: str, name: str) -> Any:
        """The answer to a control request (tests/lab.py), which is neither counted nor delayed."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=120)
        try:
            connection.request(method, f"/__lab/{name}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise RuntimeError(f"the lab doesn't answer ({type(error).__name__}): {self.ended()}") from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise RuntimeError(f"the lab answered {response.status} to {name}: {self.ended()}")
        return json.loads(body)

    def ended(self) -> str:
        """How it ended, if it did, and what it wrote last."""
        try:
            code: int | None = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            code = None
        how = "it runs" if code is None else f"it ended by signal {-code}" if code < 0 else f"it ended with {code}"
        return f"{how}; {self.log_file}: ... {self.log_file.read_text(errors='replace')[-SHOWN:]}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def memory(self) -> float:
        """MB that it has now; 0 where the system doesn't say."""
        try:
            pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            return 0.0
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def reset(self) -> None:
        """Forget every resource, the log, the latency and the rate."""
        self.control("POST", "reset")

    def zero(self) -> None:
        """Forget the log."""
        self.control("POST", "zero")

    def latency(self, milliseconds: float) -> None:
        """Sleep so long before each answer."""
        self.control("POST", f"latency?ms={milliseconds}")

    def rate(self, per_second: float) -> None:
        """Throttle what is more than this for a service; 0 for no limit."""
        self.control("POST", f"rate?per_second={per_second}")

    def log(self) -> list[dict[str, Any]]:
        """The requests so far, in order: n, t (seconds), service, op, status, fault."""
        return list(self.control("GET", "log"))

    def operations(self) -> dict[str, int]:
        """How many there were since the log was forgotten, by service and operation, without reading the log."""
        return dict(self.control("GET", "count")["operations"])

    def launches(self) -> list[float]:
        """When each task was launched since the log was forgotten, in seconds."""
        return [row["t"] for row in self.control("GET", "log/RunTask") if row["status"] == 200]

    @property
    def requests(self) -> int:
        """How many there were since the log was forgotten."""
        return int(self.control("GET", "count")["requests"])

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that is to use it, with nothing of the user's own AWS settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        more = {"AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(ROOT)}
        return kept | KEYS | more
