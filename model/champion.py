"""Which model is in use: the champion, named in ``champion.json`` and changed only by a conditional write."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model import store
from model.errors import InputError, ModelError

NAME = "champion.json"
FORMAT = 1
HOURS = 2160
"""Latest common hours that decide, unless told otherwise: a quarter of a year."""
MINIMUM = 168
"""Common hours below which nothing can be told."""
KEPT = 50
"""Earlier champions that are remembered."""
METRICS = ("volatility", "qlike", "direction", "return", "interval")
"""What can be judged by: squared error of the log variance, QLIKE, log loss, squared error, interval score."""
CHAMPION = "champion"
"""What a user writes for the model in place."""


class Overtaken(ModelError):
    """Another promotion came between, and nothing was written."""


def place(env: Mapping[str, str], run: str = "", uri: str = "") -> str:
    """Where champions are kept: `uri`, else MODELS_URI, else ``models`` in the run's bucket or in this folder."""
    models = uri or env.get("MODELS_URI", "").strip()
    if models:
        return models.rstrip("/")
    return f"s3://{store.split_s3(run)[0]}/models" if store.is_s3(run) else "models"


def read(models: str) -> tuple[dict[str, Any] | None, str]:
    """The content of champion.json, None if there is none, and its version for the conditional write.

    Raises:
        InputError: it isn't one of this program.
    """
    uri = store.join(models, NAME)
    raw, version = store.read_versioned(uri)
    if raw is None:
        return None, version
    content = store.parse_json(raw, uri)
    if not isinstance(content, dict) or content.get("format") != FORMAT or not _is_one(content):
        raise InputError(f"{uri} was not written by this program, or by a later version of it")
    return content, version


def _is_one(content: dict[str, Any]) -> bool:
    """Whether it names a run, and its history and what was withdrawn name runs."""
    lists = content.get("history"), content.get("withdrawn", [])
    if not all(isinstance(part, list) and all(isinstance(record, dict) for record in part) for part in lists):
        return False
    records = [content, *content["history"], *content.get("withdrawn", [])]
    return all(isinstance(record.get(name), str) for record in records for name in ("run", "manifest_sha256"))


def resolve(model: str, env: Mapping[str, str]) -> str:
    """The URI of the run behind ``champion`` or a URI that ends in champion.json; any other is returned as it is.

    Raises:
        InputError: there is no champion, or its run isn't what was promoted.
    """
    if model != CHAMPION and not model.endswith(f"/{NAME}"):
        return model
    models = place(env) if model == CHAMPION else model.removesuffix(f"/{NAME}")
    content, _ = read(models)
    if content is None:
        raise InputError(
            f"there is no {store.join(models, NAME)}: promote a run first (python -m model promote RUN), or say where "
            "champions are with MODELS_URI"
        )
    check(content)
    return str(content["run"])


def check(champion: Mapping[str, Any]) -> None:
    """Hold the champion's run against what was promoted.

    Raises:
        InputError: it isn't there, or was written anew.
    """
    if digest(str(champion["run"])) != champion["manifest_sha256"]:
        raise InputError(
            f"the run at {champion['run']}, the champion, is not the one that was promoted: its manifest has changed. "
            "Promote a run with promote RUN --force, or go back to the champion before with promote --rollback"
        )


def location(run: str) -> str:
    """A run's URI as it is kept: of S3 without a slash at the end, of a folder the whole path."""
    return run.rstrip("/") if store.is_s3(run) else str(Path(run).resolve())


def digest(run: str) -> str:
    """The checksum of a run's manifest, which names those of all its other files."""
    return hashlib.sha256(store.read_bytes(store.join(run, store.MANIFEST))).hexdigest()


def rollback(models: str) -> dict[str, Any]:
    """Make the champion before this one the champion again; it needn't win anything.

    Raises:
        InputError: there is none before, or its run isn't there any more as it was.
        Overtaken: another promotion came between.
    """
    champion, version = read(models)
    if champion is None or not champion["history"]:
        raise InputError(f"{store.join(models, NAME)} has no earlier champion to go back to")
    *history, before = champion["history"]
    if digest(str(before["run"])) != before["manifest_sha256"]:
        raise InputError(
            f"the run at {before['run']}, the champion before, is not the one that was promoted: its manifest has "
            "changed. Promote a run instead"
        )
    withdrawn = [*champion.get("withdrawn", []), entry(champion)][-KEPT:]
    put(models, {"format": FORMAT, **before, "history": history, "withdrawn": withdrawn}, version)
    return {"promoted": True, "reason": f"rolled back from {champion['run']}", "run": before["run"]}


def entry(champion: Mapping[str, Any]) -> dict[str, Any]:
    """A champion as its successor remembers it."""
    return {k: v for k, v in champion.items() if k not in ("format", "history", "withdrawn")}


def succeed(models: str, new: Mapping[str, Any], before: Mapping[str, Any] | None, version: str) -> None:
    """Make `new` the champion after `before`, which goes into its history; None: there is none.

    Raises:
        Overtaken: champion.json hasn't this version any more.
    """
    history = [*before["history"], entry(before)][-KEPT:] if before else []
    withdrawn = before.get("withdrawn", []) if before else []
    put(models, {"format": FORMAT, **new, "history": history, "withdrawn": withdrawn}, version)


def put(models: str, content: Mapping[str, Any], version: str) -> None:
    """Write champion.json if it still has this version.

    Raises:
        Overtaken: it hasn't.
    """
    uri = store.join(models, NAME)
    if not store.write_versioned(uri, (json.dumps(content, indent=2) + "\n").encode(), version):
        raise Overtaken(f"{uri} was changed by someone else in between: nothing was written; run it again")
