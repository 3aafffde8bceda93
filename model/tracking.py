"""Tracking in MLflow, over its documented REST API: nothing to install, off without MLFLOW_TRACKING_URI.

The run record of the output is written in any case, so a tracking server that can't be
reached is a warning and not a failure.
"""

from __future__ import annotations

import base64
import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from model import log
from model.errors import InputError

EXPERIMENT = "next-hour"
TIMEOUT = 20
BATCH = 100
"""Parameters, and metrics, that MLflow takes in one call."""


class Unreachable(Exception):
    """The tracking server didn't do what was asked."""


class MlflowRun:
    """One MLflow run. `begin` makes it, `log` fills it, `end` closes it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._base = env["MLFLOW_TRACKING_URI"].rstrip("/")
        self._experiment = env.get("MLFLOW_EXPERIMENT_NAME", "") or EXPERIMENT
        self._headers = {"Content-Type": "application/json", **_authorization(env)}
        self.run_id = ""
        self._artifacts = ""

    def begin(self, name: str, tags: Mapping[str, str]) -> None:
        """Create the run, and the experiment if there is none.

        Raises:
            Unreachable: the server doesn't answer as it should.
        """
        try:
            query = urllib.parse.urlencode({"experiment_name": self._experiment})
            found = self._call("GET", f"experiments/get-by-name?{query}")["experiment"]["experiment_id"]
        except Unreachable as error:
            if "RESOURCE_DOES_NOT_EXIST" not in str(error):
                raise
            found = self._call("POST", "experiments/create", {"name": self._experiment})["experiment_id"]
        body = {
            "experiment_id": found,
            "start_time": _now(),
            "run_name": name,
            "tags": [{"key": k, "value": v} for k, v in tags.items() if v],
        }
        info = self._call("POST", "runs/create", body)["run"]["info"]
        self.run_id, self._artifacts = info["run_id"], info["artifact_uri"]

    def log(self, params: Mapping[str, object], metrics: list[tuple[str, float, int]]) -> None:
        """Log parameters, and metrics as (name, value, step); what isn't a finite number is left out."""
        at = _now()
        pairs = [{"key": k, "value": str(v)[:500]} for k, v in params.items()]
        values = [
            {"key": name, "value": value, "timestamp": at, "step": step}
            for name, value, step in metrics
            if math.isfinite(value)
        ]
        for first in range(0, max(len(pairs), len(values)), BATCH):
            part = slice(first, first + BATCH)
            body = {"run_id": self.run_id, "params": pairs[part], "metrics": values[part]}
            self._call("POST", "runs/log-batch", body)

    def upload(self, name: str, content: bytes) -> bool:
        """Store a file with the run; False if the server doesn't proxy artifacts (then nothing is stored)."""
        if not self._artifacts.startswith("mlflow-artifacts:"):
            return False
        path = urllib.parse.urlparse(self._artifacts).path.strip("/")
        place = urllib.parse.quote(f"{path}/{name}")
        kind = {"Content-Type": "application/octet-stream"}
        self._send("PUT", f"{self._base}/api/2.0/mlflow-artifacts/artifacts/{place}", content, kind)
        return True

    def end(self, status: str) -> None:
        """Close the run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self._call("POST", "runs/update", {"run_id": self.run_id, "status": status, "end_time": _now()})

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        raw = self._send(method, f"{self._base}/api/2.0/mlflow/{path}", data, {})
        try:
            answer = json.loads(raw or b"{}")
        except ValueError as error:
            raise Unreachable(f"{self._base} doesn't answer like an MLflow server") from error
        return answer if isinstance(answer, dict) else {}

    def _send(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]) -> bytes:
        request = urllib.request.Request(url, data=data, method=method, headers={**self._headers, **headers})  # noqa: S310  # only http(s), see open_run
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            detail = error.read().decode(errors="replace")[:300]
            raise Unreachable(
                f"MLflow answers {error.code} to {method} {urllib.parse.urlparse(url).path}: {detail}"
            ) from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"MLflow at {_shown(self._base)} can't be reached: {error}") from error


def _now() -> int:
    return int(time.time() * 1000)


def _shown(uri: str) -> str:
    """The URI without a password in it."""
    parts = urllib.parse.urlparse(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _authorization(env: Mapping[str, str]) -> dict[str, str]:
    if token := env.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    if user := env.get("MLFLOW_TRACKING_USERNAME"):
        both = f"{user}:{env.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
    return {}


def open_run(env: Mapping[str, str], name: str, tags: Mapping[str, str]) -> MlflowRun | None:
    """A begun MLflow run, or None when tracking is off or the server can't be reached (which is logged).

    Raises:
        InputError: MLFLOW_TRACKING_URI isn't one of a server.
    """
    uri = env.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        return None
    if not uri.startswith(("http://", "https://")):
        raise InputError(f"MLFLOW_TRACKING_URI is {uri!r}: use the http(s) address of a tracking server, "
                         "or leave it unset (the run record is written in any case)")  # fmt: skip
    run = MlflowRun({**env, "MLFLOW_TRACKING_URI": uri})
    try:
        run.begin(name, tags)
    except Unreachable as error:
        log.get().warning("not tracked in MLflow", reason=str(error))
        return None
    log.get().info("tracked in MLflow", mlflow_run=run.run_id)
    return run


def finish(run: MlflowRun, params: Mapping[str, object], metrics: list[tuple[str, float, int]],
           files: Mapping[str, bytes]) -> None:  # fmt: skip
    """Log everything and close the run; a failure is a warning."""
    try:
        run.log(params, metrics)
        stored = [name for name, content in files.items() if run.upload(name, content)]
        run.end("FINISHED")
    except Unreachable as error:
        log.get().warning("MLflow run is not complete", reason=str(error))
        return
    if len(stored) < len(files):
        log.get().warning("MLflow stores no files", reason="the server was started without --serve-artifacts")


def abandon(run: MlflowRun, status: str) -> None:
    """Close a run that didn't get to its end; a failure is a warning."""
    try:
        run.end(status)
    except Unreachable as error:
        log.get().warning("MLflow run is left open", reason=str(error))
