"""What a newcomer is told in the first hour, where it takes a server: each text is a file in tests/cli/door/."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.step_output import show_outcome
from reconciler.cli.terminal import Terminal
from reconciler.config.file_checksums import PART
from reconciler.core.errors import ReconcilerError
from reconciler.core.plan import Options
from reconciler.engine.apply import apply
from reconciler.engine.prepare import prepare
from reconciler.image.command import tell
from reconciler.image.engine import BuildRequest, Output, PushRequest
from reconciler.image.kind import ImageKind
from reconciler.kinds import AnyKind, Object
from tests.cli.test_door import DOOR
from tests.faults.case import EVER, error
from tests.faults.forked import StoppableSkipping
from tests.faults.test_missing import LISTED, foreign
from tests.faults.world import Quiet, World, targets
from tests.golden import golden
from tests.lab_client import LabHandle

COMMAND = "reconciler apply"
MOVED = "The bucket you are attempting to access must be addressed using the specified endpoint."
ELSEWHERE = error("s3", "*", "PermanentRedirect", MOVED, EVER, 301) | {"headers": {"x-amz-bucket-region": "eu-west-1"}}
TAKEN = error("s3", "CreateBucket", "BucketAlreadyExists", status=409)


class Endless:
    """A container engine whose build ends only when it is stopped, which is as soon as it has said a line."""

    name = "an engine"

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def find(self, request: BuildRequest) -> str | None:
        """None."""
        return None

    def build(self, request: BuildRequest, output: Output) -> str:
        """Raises Interrupted."""
        tell(
            ["sh", "-c", "echo begun; exec sleep 600"],
            {"PATH": "/bin:/usr/bin"},
            lambda _: self.stop.set(),
            request.is_interrupted,
        )
        raise AssertionError("it wasn't stopped")

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """It never comes to that."""
        raise AssertionError("pushed")


def planned(world: World) -> None:
    """Plan. Raises ReconcilerError."""
    world.plan()


def made(world: World) -> None:
    """Make the bucket, and say how that went."""
    show_outcome(Terminal(), world.apply(["bucket"]), COMMAND)


def interrupted(world: World, kinds: Iterable[str]) -> None:
    """Ctrl-C as soon as something of the data has been sent or the build has said a line."""
    (world.folder / "prices.csv").write_bytes(b"x" * (PART // 2))
    stop = threading.Event()
    aws = world.lab.aws(clock=StoppableSkipping(stop))
    own: list[AnyKind] = [ImageKind(Endless(stop), lambda line: None), Object(lambda name, sent, size: stop.set())]
    here = prepare(world.deploy, aws, world.folder, own, command="apply")
    applied = apply(
        here, Options(targets=targets(here, kinds)), Quiet(), lock=world.lock(), engine=lambda: Endless(stop), stop=stop
    )
    show_outcome(Terminal(), applied.outcome, COMMAND)


# The file, and what is done beside which rules.
TOLD: dict[str, list[tuple[list[dict[str, Any]], Callable[[World], None]]]] = {
    "taken-bucket": [([LISTED, *foreign()], planned), (foreign(), planned), ([TAKEN], made)],
    "bucket-elsewhere": [([ELSEWHERE], planned)],
    "interrupted-upload": [([], lambda world: interrupted(world, ["object"]))],
    "interrupted-build": [([], lambda world: interrupted(world, ["image"]))],
}


@pytest.mark.parametrize("name", TOLD)
def test_what_is_said(name: str, lab: LabHandle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(lab, tmp_path)
    for rules, does in TOLD[name]:
        lab.rules(*rules)
        try:
            does(world)
        except ReconcilerError as wrong:
            Terminal().error(wrong)
    said = capsys.readouterr()
    golden(DOOR / f"{name}.txt", re.sub(r"request id: \S+", "request id: ID", said.out + said.err))
