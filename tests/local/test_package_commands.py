"""Which RUN instructions are installations, and what base images have: tables of plain values."""

from __future__ import annotations

import pytest

from reconciler.local.base_images import Has, base_of
from reconciler.local.package_commands import installation

INSTALLS: list[tuple[str, list[tuple[str, ...]]]] = [
    ("pip install -r requirements.txt", [("pip", "install", "-r", "requirements.txt")]),
    ("pip3 install --no-cache-dir a b", [("pip", "install", "--no-cache-dir", "a", "b")]),
    ("pip3.12 install -U a", [("pip", "install", "-U", "a")]),
    ("python -m pip install a", [("pip", "install", "a")]),
    ("/usr/local/bin/python3 -m pip install a", [("pip", "install", "a")]),
    ("/opt/venv/bin/pip install a", [("pip", "install", "a")]),
    ("python -m pip --python /opt/venv/bin/python install a", [("pip", "install", "a")]),
    ("pip --no-cache-dir --timeout 60 install a", [("pip", "install", "--no-cache-dir", "--timeout", "60", "a")]),
    ("PIP_NO_CACHE_DIR=1 pip install a", [("pip", "install", "a")]),
    ("pip install 'numpy>=1.2' \"b<2\"", [("pip", "install", "numpy>=1.2", "b<2")]),
    ("pip install uvicorn[standard]", [("pip", "install", "uvicorn[standard]")]),
    ("pip install torch==${TORCH} $EXTRA", [("pip", "install", "torch==2.1", "a", "b")]),
    ("pip install --user a", [("pip", "install", "a")]),
    ("pip install --prefix=/install a", [("pip", "install", "a")]),
    ("pip install -t /deps a", [("pip", "install", "a")]),
    ("pip install .", [("pip", "install", ".")]),
    ("pip install -e '.[dev]'", [("pip", "install", ".[dev]")]),
    ("pip install -r r.txt --require-hashes", [("pip", "install", "-r", "r.txt", "--require-hashes")]),
    ("set -eux && pip install --upgrade pip && pip install a && rm -rf /root/.cache/pip", [("pip", "install", "a")]),
    ("pip install a; pip check", [("pip", "install", "a"), ("pip", "check")]),
    ("python -m venv /opt/venv && /opt/venv/bin/pip install a", [("pip", "install", "a")]),
    (". /opt/venv/bin/activate && pip install a", [("pip", "install", "a")]),
    ("cd sub && pip install -r r.txt", [("pip", "install", "-r", "r.txt")]),
    ("uv pip install --system -r r.txt", [("uv pip", "install", "-r", "r.txt")]),
    ("uv pip sync --system r.txt", [("uv pip", "sync", "r.txt")]),
    ("uv --no-cache pip install --system a", [("uv pip", "install", "--no-cache", "a")]),
    ("uv sync --locked --no-dev", [("uv sync", "sync", "--locked", "--no-dev")]),
    ("uv venv && uv pip install a", [("uv pip", "install", "a")]),
]  # fmt: skip
OTHERS = [
    "exit 3", "apt-get update && apt-get install -y gcc", "apt-get install -y gcc && pip install a", "make",
    "pip install a | tee log", "pip install a > log", "pip install $(cat r.txt)", "pip install `cat r.txt`",
    "pip install a || true", "pip install $UNKNOWN", "pip install a &", "(pip install a)", "python setup.py install",
    "pip install 'a", "pip download a", "pip uninstall -y a", "pip", "conda install a", "curl x | sh",
    "pip install --root /x a", "rm -rf /app", "python -m compileall .", "pip config set global.timeout 60",
    "python -m venv --system-site-packages /opt/venv", "sudo pip install a", "sh -c 'pip install a'", "",
]  # fmt: skip


@pytest.mark.parametrize(("text", "commands"), INSTALLS)
def test_an_installation_is_read(text: str, commands: list[tuple[str, ...]]) -> None:
    installed = installation(text, "/app", {"TORCH": "2.1", "EXTRA": "a b"})
    assert installed is not None
    assert [(command.tool, *command.words) for command in installed.commands] == commands


@pytest.mark.parametrize("text", OTHERS)
def test_anything_else_is_left_alone(text: str) -> None:
    assert installation(text, "/app", {}) is None


def test_the_json_form_folders_and_places() -> None:
    installed = installation(["pip", "install", "a"], "/app", {})
    assert installed is not None
    assert installed.commands[0].words == ("install", "a")
    installed = installation("cd sub && A=1 pip install --prefix /install --target=x a", "/app", {})
    assert installed is not None
    (command,) = installed.commands
    assert (command.folder, command.environment, installed.places) == (
        "/app/sub",
        {"A": "1"},
        ("/install", "/app/sub/x"),
    )
    installed = installation("python -m venv /opt/venv", "/app", {})
    assert installed is not None
    assert (installed.commands, installed.places) == ((), ("/opt/venv",))


@pytest.mark.parametrize(
    ("name", "has", "python"),
    [
        ("python", Has.PYTHON, ""), ("python:3.10", Has.PYTHON, "3.10"), ("python:3.13.1-slim", Has.PYTHON, "3.13"),
        ("docker.io/library/python:3.12@sha256:" + "0" * 64, Has.PYTHON, "3.12"), ("python:slim", Has.PYTHON, ""),
        ("localhost:5000/python:3.11", Has.PYTHON, "3.11"), ("gcr.io/distroless/python3-debian12", Has.PYTHON, ""),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm", Has.PYTHON, "3.12"), ("continuumio/miniconda3", Has.PYTHON, ""),
        ("pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime", Has.PYTHON, ""), ("jupyter/scipy-notebook", Has.PYTHON, ""),
        ("public.ecr.aws/lambda/python:3.13", Has.PYTHON, "3.13"), ("python:3", Has.PYTHON, ""),
        ("node:20-alpine", Has.OTHER, ""), ("golang:1.22", Has.OTHER, ""), ("eclipse-temurin:21-jre", Has.OTHER, ""),
        ("ubuntu:24.04", Has.SYSTEM, ""), ("public.ecr.aws/docker/library/alpine", Has.SYSTEM, ""),
        ("debian:trixie-slim", Has.SYSTEM, ""), ("scratch", Has.NOTHING, ""), ("mycompany/base:1", Has.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_what_a_base_image_has(name: str, has: Has, python: str) -> None:
    assert (base_of(name).has, base_of(name).python) == (has, python)
