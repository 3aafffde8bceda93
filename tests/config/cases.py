"""The tables of bad files: each case with its text, what is in the environment and beside it, and the whole message.

`python -m tests.config.cases` writes the messages anew; read the difference before committing it.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reconciler.config import ConfigErrors, load
from reconciler.core.secret import KNOWN

FOLDER = Path(__file__).with_name("bad")


@dataclass(frozen=True)
class Case:
    """One bad file. Beside it are always data.csv, Dockerfile and an empty folder, and what `have` names."""

    table: str
    name: str
    text: str
    error: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    have: tuple[str, ...] = ()


def cases() -> list[Case]:
    collected = []
    for table in sorted(FOLDER.glob("*.yaml")):
        for name, case in yaml.safe_load(table.read_text(encoding="utf-8")).items():
            collected.append(Case(table.stem, name, **{**case, "have": tuple(case.get("have", ()))}))
    return collected


def message(case: Case, folder: Path) -> str:
    """What `load` says of the case, with the file's path as `deploy.yaml`; empty if it finds nothing wrong."""
    (folder / "folder").mkdir()
    for name in ("data.csv", "Dockerfile", *case.have):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    path = folder / "deploy.yaml"
    path.write_bytes(case.text.encode())
    try:
        load(path, environ=case.environ, git_sha=lambda: None)
    except ConfigErrors as errors:
        return str(errors).replace(str(path), "deploy.yaml") + "\n"
    return ""


class _Dumper(yaml.SafeDumper):
    pass


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def record() -> None:
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    for case in cases():
        KNOWN.clear()
        with tempfile.TemporaryDirectory() as folder:
            error = message(case, Path(folder))
        entry: dict[str, Any] = {"text": case.text}
        if case.environ:
            entry["environ"] = case.environ
        if case.have:
            entry["have"] = list(case.have)
        tables.setdefault(case.table, {})[case.name] = entry | {"error": error}
    for table, entries in tables.items():
        text = "\n".join(
            yaml.dump({name: entry}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31)
            for name, entry in entries.items()
        )
        (FOLDER / f"{table}.yaml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
