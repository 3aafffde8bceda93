"""Logging in and pushing, with a real Docker engine and a real registry behind a password."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.errors import ReconcilerError
from reconciler.image.docker import CommandLineEngine, all_engines, find_engine
from reconciler.image.engine import Login, PushRequest
from reconciler.image.login import logged_in
from tests.image.guarded_registry import GuardedRegistry

REGISTRY = os.environ.get("RECONCILER_TEST_REGISTRY", "")
FOUND = {engine.name.split()[0].lower(): engine for engine in all_engines(os.environ)}


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> CommandLineEngine:
    """Docker, or the engine that a test is parametrised with."""
    name = getattr(request, "param", "docker")
    if not REGISTRY:
        pytest.skip("RECONCILER_TEST_REGISTRY names no registry")
    if name not in FOUND:
        pytest.skip(f"no {name} on this machine answers")
    return replace(FOUND[name], sleep=lambda seconds: None)


@pytest.fixture
def image(engine: CommandLineEngine) -> Iterator[str]:
    """A tiny image that no registry has."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as writer:
        content = uuid.uuid4().bytes
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        writer.addfile(entry, io.BytesIO(content))
    command = [engine.command, "import", "-"]
    made = subprocess.run(command, input=tar.getvalue(), check=True, capture_output=True).stdout.decode().split()[-1]
    yield made
    subprocess.run([engine.command, "image", "rm", "--force", made], check=True, capture_output=True)


both = pytest.mark.parametrize("engine", ["docker", "podman"], indirect=True)


@pytest.fixture
def registry() -> Iterator[GuardedRegistry]:
    made = GuardedRegistry(REGISTRY)
    yield made
    made.close()


class Tokens:
    """Logins with a new token each time, as ECR gives them."""

    def __init__(self, registry: GuardedRegistry) -> None:
        self.registry = registry
        self.given: list[str] = []

    def __call__(self) -> Login:
        self.given.append(f"secret-{uuid.uuid4().hex}")
        self.registry.passwords = {self.given[-1]}  # the one before has expired
        return Login(self.registry.address, "AWS", self.given[-1])


def content(file: Path) -> bytes:
    """Of a file of another process, which may be gone meanwhile."""
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError:
        return b""


def request(tokens: Tokens) -> PushRequest:
    return PushRequest("pushed", f"{tokens.registry.address}/pushed-{uuid.uuid4().hex[:8]}", "pushed-1", {}, tokens)


@both
def test_pushed_with_a_token_that_nothing_shows(
    engine: CommandLineEngine, image: str, registry: GuardedRegistry
) -> None:
    tokens, said, seen = Tokens(registry), list[str](), list[str]()

    def look(method: str, path: str) -> None:
        """While the push is under way: the token in no process's arguments or environment, and in no file."""
        secret = tokens.given[-1].encode()
        for process in Path("/proc").glob("[0-9]*"):
            for name in ("cmdline", "environ"):
                if secret in content(process / name):
                    seen.append(f"{process / name}")
        for place in (Path("/dev/shm"), Path(os.environ.get("TMPDIR", "/tmp"))):
            for folder in place.glob("reconciler-*"):
                seen.extend(str(file) for file in folder.rglob("*") if secret in content(file))

    registry.before, address = look, registry.address.encode()
    digest = engine.push(image, request(tokens), said.append)
    assert digest.startswith("sha256:")
    assert any(method == "PUT" and "/manifests/" in path for method, path in registry.asked)
    assert seen == []
    assert not any(tokens.given[0] in line for line in said)
    left = [file for file in Path("/dev/shm").glob("reconciler-*/config.json") if address in content(file)]
    assert left == []


@both
def test_token_that_expires_in_a_push_is_replaced(
    engine: CommandLineEngine, image: str, registry: GuardedRegistry
) -> None:
    tokens, said = Tokens(registry), list[str]()

    def expire(method: str, path: str) -> None:
        if method == "PUT" and "/uploads/" in path and len(tokens.given) == 1:
            registry.passwords = set()

    registry.before = expire
    assert engine.push(image, request(tokens), said.append).startswith("sha256:")
    assert len(tokens.given) == 2
    assert [line for line in said if "trying again" in line]


def test_push_goes_on_where_it_broke(engine: CommandLineEngine, image: str, registry: GuardedRegistry) -> None:
    tokens, said, broken = Tokens(registry), list[str](), list[str]()

    def fail(method: str, path: str) -> int | None:
        if method == "PUT" and "/manifests/" in path and len(broken) < 2:
            broken.append(path)
            return 503
        return None

    registry.before = fail
    engine.push(image, request(tokens), said.append)
    assert len(broken) == 2
    uploads = [path for method, path in registry.asked if method == "PUT" and "/uploads/" in path]
    assert len(uploads) == 2  # one layer, one configuration, each sent once
    assert any("Layer already exists" in line for line in said)


def test_push_that_never_works_says_why(engine: CommandLineEngine, image: str, registry: GuardedRegistry) -> None:
    tokens = Tokens(registry)
    registry.before = lambda method, path: 503 if "/manifests/" in path else None
    with pytest.raises(ReconcilerError, match="can't be pushed to"):
        engine.push(image, request(tokens), print)
    assert len(tokens.given) == 5


def ask(environment: dict[str, str], action: str, server: str) -> subprocess.CompletedProcess[str]:
    """Speak with the credential helper as docker does."""
    command = ["docker-credential-reconciler", action]
    return subprocess.run(command, env=environment, input=server, capture_output=True, text=True)


def test_helper_gives_the_token_for_its_registry_only(tmp_path: Path) -> None:
    login = Login("registry.example:5000", "AWS", "pass'word\"\n")
    with logged_in(login, {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}) as env:
        folder = Path(env["DOCKER_CONFIG"])
        assert folder.stat().st_mode & 0o777 == 0o700
        answer = json.loads(ask(env, "get", "registry.example:5000").stdout)
        assert answer == {"ServerURL": login.registry, "Username": "AWS", "Secret": login.password}
        assert json.loads(ask(env, "get", "https://registry.example:5000/v2/\n").stdout) == answer
        assert ask(env, "get", "other.example").returncode == 1
        assert ask(env, "list", "").stdout == "{}\n"
        assert ask(env, "store", '{"Secret": "x"}').returncode == 0
        assert login.password not in str(env)
        assert "word" not in "".join(path.read_text() for path in folder.iterdir() if path.is_file())
    assert not folder.exists()
    assert "word" not in repr(login)


def test_configuration_of_the_user_is_kept(tmp_path: Path) -> None:
    home = tmp_path / ".docker"
    (home / "cli-plugins").mkdir(parents=True)
    (home / "cli-plugins/docker-buildx").write_text("plugin")
    (home / "config.json").write_text(json.dumps({"currentContext": "x", "credHelpers": {"a.example": "pass"}}))
    with logged_in(Login("b.example", "AWS", "p"), {"PATH": "/bin", "HOME": str(tmp_path)}) as env:
        config = json.loads((Path(env["DOCKER_CONFIG"]) / "config.json").read_text())
        assert config == {"currentContext": "x", "credHelpers": {"a.example": "pass", "b.example": "reconciler"}}
        assert (Path(env["DOCKER_CONFIG"]) / "cli-plugins/docker-buildx").read_text() == "plugin"
    assert (home / "cli-plugins/docker-buildx").read_text() == "plugin"  # the links are gone, not what they led to


def test_a_folder_of_the_path_that_cannot_be_looked_into_has_no_engine(tmp_path: Path) -> None:
    """As in the environment of whoever called `sudo -u`; root may enter every folder, but none of such a name."""
    (tmp_path / "locked").mkdir(mode=0)
    path = os.pathsep.join([str(tmp_path / "locked"), str(tmp_path / ("x" * 300))])
    assert all_engines({"PATH": path}) == []


@pytest.mark.parametrize("present", ["", "docker"])
def test_no_engine_says_what_was_tried(tmp_path: Path, present: str) -> None:
    if present:
        (tmp_path / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
        (tmp_path / "docker").chmod(0o755)
    with pytest.raises(ReconcilerError) as error:
        find_engine({"PATH": str(tmp_path)})
    assert ("Cannot connect" if present else "neither docker nor podman is on the PATH") in error.value.message
    assert error.value.exit_code == 2
    assert "--skip-image" in error.value.hint
