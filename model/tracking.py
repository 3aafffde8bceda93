"""Tracking in MLflow, over its documented REST API: nothing to install, off without MLFLOW_TRACKING_URI.

The run record of the output is written in any case, so a tracking server that can't be
reached is a warning and not a failure.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from model import harmless, log
from model.errors import InputError

EXPERIMENT = "next-hour"
TIMEOUT = 20
MAX_ANSWER = 10_000_000
"""Bytes of an answer that are read."""
BATCH = 100
"""Parameters, and metrics, that MLflow takes in one call."""


class Unreachable(Exception):
    """The tracking server didn't do what was asked."""


class _SameServer(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to the server that was asked: the request carries the user's token."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request to make next.

        Raises:
            Unreachable: it would go elsewhere, or would lose its body.
        """
        if _origin(newurl) != _origin(req.full_url) or req.get_method() not in ("GET", "HEAD"):
            raise Unreachable(
                f"MLflow at {_shown(req.full_url)} redirects to {_shown(newurl)}, which is not followed: "
                "set MLFLOW_TRACKING_URI to where the server is"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_SameServer)


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


class MlflowRun:
    """One MLflow run. `begin` makes it, `log` fills it, `end` closes it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._base = _shown(env["MLFLOW_TRACKING_URI"]).rstrip("/")
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
            experiment_id = self._ask("GET", f"experiments/get-by-name?{query}", None, "experiment", "experiment_id")
        except Unreachable as error:
            if "RESOURCE_DOES_NOT_EXIST" not in str(error):
                raise
            experiment_id = self._ask("POST", "experiments/create", {"name": self._experiment}, "experiment_id")
        body = {
            "experiment_id": experiment_id,
            "start_time": _now(),
            "run_name": name,
            "tags": [{"key": k, "value": v} for k, v in tags.items() if v],
        }
        info = self._ask("POST", "runs/create", body, "run", "info")
        self.run_id, self._artifacts = str(_field(info, "run_id")), str(_field(info, "artifact_uri"))

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

    def _ask(self, method: str, path: str, body: object, *fields: str) -> Any:
        """What the answer holds at a path of fields."""
        answer: Any = self._call(method, path, body)
        for field in fields:
            answer = _field(answer, field)
        return answer

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        raw = self._send(method, f"{self._base}/api/2.0/mlflow/{path}", data, {})
        if not raw.strip():
            raise Unreachable(f"{self._base} gives an empty answer to {path.partition('?')[0]}")
        try:
            answer = harmless.loads(raw)
        except ValueError as error:
            raise Unreachable(f"{self._base} doesn't answer like an MLflow server") from error
        if not isinstance(answer, dict):
            raise Unreachable(f"{self._base} doesn't answer like an MLflow server")
        return answer

    def _send(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str]) -> bytes:
        request = urllib.request.Request(url, data=data, method=method, headers={**self._headers, **headers})  # noqa: S310  # only http(s), see open_run
        try:
            with _OPENER.open(request, timeout=TIMEOUT) as answer:
                content: bytes = answer.read(MAX_ANSWER + 1)
            if len(content) > MAX_ANSWER:
                raise Unreachable(f"MLflow at {self._base} answers with more than {MAX_ANSWER:,} bytes")
            return content
        except urllib.error.HTTPError as error:
            with error:
                detail = error.read(10_000).decode(errors="replace")[:300]
            raise Unreachable(
                f"MLflow answers {error.code} to {method} {urllib.parse.urlparse(url).path}: {detail}"
            ) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unreachable(f"MLflow at {self._base} can't be reached: {error}") from error


def _field(answer: Any, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        raise Unreachable(f"the MLflow server's answer lacks {name!r}")
    return answer[name]


def _now() -> int:
    return int(time.time() * 1000)


def _shown(uri: str) -> str:
    """The URI without a password in it."""
    parts = urllib.parse.urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _authorization(env: Mapping[str, str]) -> dict[str, str]:
    """The header that says who asks: by token, by user and password, or by those in the address.

    Raises:
        InputError: the token can't be one.
    """
    if token := env.get("MLFLOW_TRACKING_TOKEN", "").strip():
        if not re.fullmatch(r"[!-~]+", token):
            raise InputError("MLFLOW_TRACKING_TOKEN holds spaces, line breaks or other characters that a token can't")
        return {"Authorization": f"Bearer {token}"}
    parts = urllib.parse.urlsplit(env["MLFLOW_TRACKING_URI"])
    user, password = env.get("MLFLOW_TRACKING_USERNAME"), env.get("MLFLOW_TRACKING_PASSWORD", "")
    if not user and parts.username:
        user, password = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    if user:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {}


def open_run(env: Mapping[str, str], name: str, tags: Mapping[str, str]) -> MlflowRun | None:
    """A begun MLflow run, or None when tracking is off or the server can't be reached (which is logged).

    Raises:
        InputError: MLFLOW_TRACKING_URI isn't one of a server.
    """
    uri = env.get("MLFLOW_TRACKING_URI", "").strip()
    if not uri:
        return None
    if not re.match(r"https?://[^/?#]", uri):
        raise InputError(
            f"MLFLOW_TRACKING_URI is {uri!r}: use the http(s) address of a tracking server, "
            "or leave it unset (the run record is written in any case)"
        )
    run = MlflowRun({**env, "MLFLOW_TRACKING_URI": uri})
    try:
        run.begin(name, tags)
    except Unreachable as error:
        log.get().warning("not tracked in MLflow", reason=str(error))
        return None
    log.get().info("tracked in MLflow", mlflow_run=run.run_id)
    return run


def finish(
    run: MlflowRun, params: Mapping[str, object], metrics: list[tuple[str, float, int]], files: Mapping[str, bytes]
) -> None:
    """Log everything and close the run; a failure is a warning."""
    try:
        run.log(params, metrics)
        uploads = [name for name, content in files.items() if run.upload(name, content)]
        run.end("FINISHED")
    except Unreachable as error:
        log.get().warning("MLflow run is not complete", reason=str(error))
        return
    if len(uploads) < len(files):
        log.get().warning("MLflow stores no files", reason="the server was started without --serve-artifacts")


def abandon(run: MlflowRun, status: str) -> None:
    """Close a run that didn't get to its end; a failure is a warning."""
    try:
        run.end(status)
    except Unreachable as error:
        log.get().warning("MLflow run is left open", reason=str(error))
