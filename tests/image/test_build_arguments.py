"""Which engine is taken, and build arguments as its client gets them: an executable notes how it was called."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from reconciler.image.docker import CommandLineEngine, best
from reconciler.image.engine import BuildRequest
from reconciler.image.inputs import read_inputs

CLIENT = """\
#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], dict(os.environ)]) + "\\n")
if sys.argv[1:3] == ["image", "inspect"]:
    print(json.dumps([{{"Id": "sha256:made"}}]))
"""


@pytest.mark.parametrize("builder", ["buildx", "buildkit", "classic", "podman"])
def test_their_values_are_in_no_command_line(builder: str, tmp_path: Path) -> None:
    client, log, context = tmp_path / "docker", tmp_path / "calls", tmp_path / "context"
    client.write_text(CLIENT.format(python=sys.executable, log=str(log)))
    client.chmod(0o755)
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nARG PIP_TOKEN\nARG HTTPS_PROXY\nARG PATH\nARG EMPTY\n")
    given = {
        "PIP_TOKEN": "planted-1 and more",
        "HTTPS_PROXY": "http://u:planted-2@proxy",
        "PATH": "/opt/bin",
        "EMPTY": "",
    }
    engine = CommandLineEngine(str(client), "28.0.0", builder, {"PATH": os.environ["PATH"]})
    inputs = read_inputs(context, build_args=given)
    engine.build(BuildRequest(inputs, "repo"), lambda line: None)

    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert "planted" not in json.dumps([arguments for arguments, _ in calls])
    arguments, environment = next(call for call in calls if "build" in call[0])
    asked = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--build-arg"]
    assert {"PIP_TOKEN", "HTTPS_PROXY", "EMPTY", "PATH=/opt/bin"} <= set(asked)  # the client needs its own PATH
    for name in ("PIP_TOKEN", "HTTPS_PROXY", "EMPTY"):
        assert environment[name] == given[name]
    assert environment["PATH"] == os.environ["PATH"]


def test_the_engine_that_builds_best_is_taken_wherever_it_is_on_the_path() -> None:
    engines = [CommandLineEngine(builder, "1", builder, {}) for builder in ("podman", "classic", "buildkit", "buildx")]
    assert [best(engines[:end]).builder for end in (1, 2, 3, 4)] == ["podman", "classic", "buildkit", "buildx"]
