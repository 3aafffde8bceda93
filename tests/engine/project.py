"""A project whose AWS is the session's lab, and its command line run in this process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.folder import Folder
from tests.lab_client import LabHandle

DEPLOY = """\
name: tiny
data: prices.csv
image:
  uri: python:3.13-slim
  repository: {keep_images: 5}
task:
  cpu: 256
  memory: 512
  environment: {EPOCHS: 3, API_TOKEN: hunter2}
logs: {retention_days: 7}
ci: {user: {}}
run: {when: never}
"""


@dataclass
class Project(Folder):
    """One whose commands reach the lab."""

    lab: LabHandle


def use(lab: LabHandle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A folder whose commands reach the lab."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in lab.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return Project(folder, lab)


@pytest.fixture
def project(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty AWS and a small project."""
    new_project = use(lab, tmp_path, monkeypatch)
    first_files(new_project)
    return new_project


def first_files(project: Project) -> None:
    """Write what the small project has."""
    project.write("deploy.yaml", DEPLOY)
    project.write("prices.csv", "a,b\n1,2\n3,4\n")
