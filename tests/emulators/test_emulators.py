"""A file's whole life against emulators that others wrote: what is believed of AWS here isn't this project's alone.

Apply, an empty plan, drift made behind the tool's back, repair, import, destroy, and nothing is left. An emulator is
started once for all of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.engine import act
from tests.emulators.deploys import FILES, GITHUB, File
from tests.emulators.gaps import GAPS
from tests.emulators.server import EMULATORS, Emulator, Server
from tests.folder import Folder
from tests.lab_client import LabHandle
from tests.live.cleanup import FINDERS


@pytest.fixture(scope="module", params=EMULATORS, ids=lambda one: one.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    emulator: Emulator = request.param
    with emulator.run(tmp_path_factory.mktemp(emulator.name)) as server:
        yield server


@pytest.fixture
def folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty folder whose commands reach the emulator."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(act, "AGAIN", 0.5)  # an emulator that doesn't show what was written never will
    return Folder(tmp_path)


def left(server: Server, name: str) -> dict[str, list[str]]:
    """What is there of a deploy, by its kind in the plural: what a finder of the live suite is called."""
    found = {finder.__name__: [what for what, _ in finder(server.client, name)] for finder in FINDERS}
    providers = server.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    found["oidc_providers"] = [one["Arn"] for one in providers if one["Arn"] == GITHUB]
    return {kind: what for kind, what in found.items() if what}


def plural(kind: str) -> str:
    return f"{kind.replace('-', '_')}s".replace("ys", "ies")


def imported(folder: Folder, file: File) -> None:
    """Have the file put together again from what is there. It names each difference that its plan shows."""
    told = folder.ok("import", "--prefix", file.name, "--data", "prices.csv").out
    differences = folder.todo()
    assert ("its plan shows no differences" in told) is (differences == {})
    assert all(address in told for address in differences)
    assert not [address for address, action in differences.items() if action not in ("update", "delete")]


@pytest.mark.parametrize("file", FILES, ids=lambda one: one.name)
def test_the_whole_life_of_a_file(server: Server, folder: Folder, file: File) -> None:
    gaps = [gap for gap in GAPS if gap.emulator == server.name]
    folder.write("deploy.yaml", json.dumps(file.without(*(path for gap in gaps for path in gap.sections))))
    folder.write("prices.csv", "a,b\n1,2\n3,4\n")
    folder.ok("apply")
    made = folder.plan()
    assert {step["action"] for step in made.values()} == {"none"}

    drifts = [one for one in file.drifts if not any(one.address.startswith(gap.drifts) for gap in gaps)]
    for one in drifts:
        one.do(server.client, file.name)
    todo = folder.plan()
    for one in drifts:
        step = todo[one.address.format(n=file.name)]
        assert step["action"] == ("update" if one.path else "create"), (one.address, step)
        assert not one.path or any(change["path"].startswith(one.path) for change in step["changes"]), step
    also = {address.format(n=file.name) for one in drifts for address in (one.address, *one.also)}
    assert {address for address, step in todo.items() if step["action"] != "none"} == also
    folder.ok("apply")
    assert folder.todo() == {}

    (folder.folder / "deploy.yaml").rename(folder.folder / "ours.yaml")
    if not any("import" in gap.commands for gap in gaps):
        imported(folder, file)

    kinds = {plural(step["kind"]) for step in made.values()}
    assert set(left(server, file.name)) - {"parameters"} == kinds - {"objects", "services", "parameters"}
    folder.ok("destroy", "ours.yaml", "--yes", "--delete-data")
    assert left(server, file.name) == {}


def test_its_gaps_are_still_there(server: Server) -> None:
    closed = [gap for gap in GAPS if gap.emulator == server.name and gap.closed(server.client)]
    assert not closed, "as AWS's now: take the gap away, and try what was left out for it"


def test_the_embedded_aws_has_none_of_these_gaps(lab: LabHandle) -> None:
    """And so each is seen to be closed where it is."""
    assert [gap for gap in GAPS if not gap.closed(lab.client)] == []


def test_the_gaps_are_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "real-aws.md").read_text()
    rows = [f"| {gap.emulator} | `{gap.operation}` | {gap.does} | {gap.aws} | {gap.left_out} |" for gap in GAPS]
    assert [row for row in rows if row not in page] == []
    emulators = "|".join(one.name for one in EMULATORS)
    assert len(re.findall(rf"^\| ({emulators}) \|", page, re.MULTILINE)) == len(rows)
