from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from reconciler.aws.calls import Aws
from reconciler.image.docker import CommandLineEngine


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto_url: str) -> Aws:
    session = boto3.session.Session(aws_access_key_id="testing", aws_secret_access_key="testing")
    made = Aws("us-east-1", session=session, endpoint_url=moto_url)
    for repository in made.pages("ecr", "DescribeRepositories", "repositories"):
        made.call("ecr", "DeleteRepository", repositoryName=repository["repositoryName"], force=True)
    made.call("ecr", "CreateRepository", repositoryName="trainer")
    return made


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A small program with a Dockerfile, as a user would have it."""
    folder = tmp_path / "project"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "__main__.py").write_text("print('hello')\n")
    (folder / "notes.txt").write_text("not for the image\n")
    (folder / "Dockerfile").write_text(
        f"FROM python:{sys.version_info[0]}.{sys.version_info[1]}-slim\nWORKDIR /srv\nCOPY app ./app\nENV MODE=train\n"
        'ENTRYPOINT ["python", "-m", "app"]\n'
    )
    (folder / ".dockerignore").write_text("*\n!app\n**/__pycache__\n")
    return folder


def images(aws: Aws, repository: str = "trainer") -> list[dict[str, Any]]:
    return list(aws.pages("ecr", "DescribeImages", "imageDetails", repositoryName=repository))


def copy(context: Path, target: Path) -> Path:
    shutil.copytree(context, target, symlinks=True)
    return target


def remove_images(engine: CommandLineEngine | None, label: str) -> None:
    """Remove the images of an engine that carry a label."""
    assert engine is not None
    listing = [engine.command, "image", "ls", "--quiet", "--filter", f"label={label}"]
    ids = set(subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split())
    if ids:
        subprocess.run([engine.command, "image", "rm", "--force", *ids], check=True, capture_output=True)
