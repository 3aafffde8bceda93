"""The Python environments of images for processes: what their Dockerfiles install, made once and kept.

`HOME/environments/KEY` is a virtual environment without the packages of any other. KEY is a hash of the interpreter and
of all that decides what is installed: the commands, and the files that they name as they are in the image. A file
beside it says that it is whole, and which folder on this disk it is: one that came with a checkout isn't used. A lock
for each KEY keeps two commands from making the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.errors import ReconcilerError
from reconciler.image.command import last_words, tell
from reconciler.image.engine import Output
from reconciler.local.image_paths import Places
from reconciler.local.package_commands import Command

VERSION = 1  # of how they are made
KEY_DIGITS = 16
UNUSED_DAYS = 30
# What pip and uv need of the user's environment: where their own settings are, and the way to their index.
PASSED = frozenset((
    "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_DATA_HOME",
))  # fmt: skip
ELSEWHERE = frozenset((
    "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON", "UV_PYTHON", "UV_PROJECT_ENVIRONMENT",
    "UV_SYSTEM_PYTHON",
))  # fmt: skip
NOT_OF_THE_IMAGE = re.compile(r"PATH|HOME|TMPDIR|PYTHON(?:PATH|HOME)|LD_.*")
DECISIVE = re.compile(r"PIP_.*|UV_.*|.*FLAGS|CMAKE_ARGS|CC|CXX")
INCLUDED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)", re.MULTILINE)
LOCAL = re.compile(r"^\s*(?:\.|/|file:|[^#\n]*@\s*file:)", re.MULTILINE)
NOISE = re.compile(r"Looking in (?:indexes|links): ")


@dataclass(frozen=True)
class Install:
    """One RUN that installs. line, text: of the Dockerfile, for people. values: the variables it sees.

    material: what the files that it names hold, as a hash.
    """

    line: int
    text: str
    commands: tuple[Command, ...]
    values: Mapping[str, str]
    material: str


class MissingFile(Exception):
    """A file that a command names and the image doesn't have. The text is its path."""


def material(commands: Sequence[Command], rootfs: Path) -> str:
    """A hash of what the files hold that these commands name. Raises MissingFile."""
    digest = hashlib.sha256()
    for command in commands:
        folder = rootfs / command.folder.lstrip("/")
        for path in _named(command, rootfs, folder):
            _add(digest, path, rootfs)
        if command.tool == "uv sync":
            _add(digest, folder, rootfs)
    return digest.hexdigest()


def _named(command: Command, rootfs: Path, folder: Path) -> Iterator[Path]:
    """The files and folders of the image that a command names."""
    places = Places(rootfs, folder)
    before = ""
    for word in command.words[1:]:
        option, _, value = word.partition("=") if word.startswith("-") else ("", "", word)
        if re.match(r"-[rc]\S", word):
            option, value = word[:2], word[2:]
        bare = value.partition("[")[0]
        path = Path(places.word(bare)) if bare.startswith("/") else folder / bare
        required = (option or before) in ("-r", "-c", "--requirement", "--constraint") and "://" not in value
        before = word if word.startswith("-") and "=" not in word else ""
        if required and value and not path.is_file():
            raise MissingFile(value)
        if bare and (path.is_file() or (path.is_dir() and ("/" in bare or bare.startswith(".")))):
            _check_within(path, rootfs, value)
            yield path


def _check_within(path: Path, rootfs: Path, name: str) -> None:
    """Raises MissingFile where links lead to a file of this machine, which the image doesn't have."""
    if not path.resolve().is_relative_to(rootfs.resolve()):
        raise MissingFile(name)


def _add(digest: hashlib._Hash, path: Path, rootfs: Path, seen: frozenset[Path] = frozenset()) -> None:
    """Add a file, with the requirement files that it names, or a folder with all that is in it."""
    if path in seen:
        return
    if path.is_dir():
        for below, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            for name in sorted(names):
                _add_file(digest, Path(below, name), rootfs)
        return
    text = _add_file(digest, path, rootfs)
    if path.suffix in (".txt", ".in", ".pip", ""):
        for required in INCLUDED.findall(text):
            inner = path.parent / required
            if "://" not in required:
                if not inner.is_file():
                    raise MissingFile(required)
                _check_within(inner, rootfs, required)
                _add(digest, inner, rootfs, seen | {path})
        if LOCAL.search(text):
            _add(digest, rootfs, rootfs)


def _add_file(digest: hashlib._Hash, path: Path, rootfs: Path) -> str:
    with contextlib.suppress(OSError):
        content = path.read_bytes()
        name = os.fsencode(os.path.relpath(path, rootfs))
        digest.update(b"%b\0%b\n" % (name, hashlib.sha256(content).digest()))
        return content.decode("utf-8", "replace") if len(content) < 2**20 else ""
    return ""


class Environments:
    """The environments in a folder, made with what pip and uv need of the user's environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environ = dict(os.environ)

    def make(
        self,
        installs: Sequence[Install],
        rootfs: Path,
        output: Output,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Path:
        """The environment with all of this installed, made if it isn't there. stopped: whether the user interrupted it.

        Raises ReconcilerError, Interrupted.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / self._key(installs)
        with self._locked(path, output):
            if _is_complete(path):
                output(f"the packages that the Dockerfile installs are in {path} already")
            else:
                self._make(path, installs, rootfs, output, stopped)
            os.utime(_mark(path))
        self._drop_unused()
        return path

    def _key(self, installs: Sequence[Install]) -> str:
        decisive = [
            {
                "commands": [
                    (command.tool, command.words, command.folder, dict(command.environment))
                    for command in install.commands
                ],
                "material": install.material,
                "values": {name: value for name, value in install.values.items() if DECISIVE.fullmatch(name)},
            }
            for install in installs
        ]
        parts = [VERSION, sys.version, sys.base_prefix, str(self.folder.absolute()), decisive]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]

    @contextlib.contextmanager
    def _locked(self, path: Path, output: Output) -> Iterator[None]:
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                output("another command installs the same packages: waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make(
        self, path: Path, installs: Sequence[Install], rootfs: Path, output: Output, stopped: Callable[[], bool]
    ) -> None:
        _mark(path).unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        try:
            venv.EnvBuilder(symlinks=True, with_pip=False).create(path)
        except (OSError, subprocess.SubprocessError) as error:
            raise ReconcilerError(f"an environment for the image's packages can't be made in {path}: {error}") from None
        for install in installs:
            output(f"RUN {install.text}")
            for command in install.commands:
                self._run(path, install, command, rootfs, output, stopped)
        _mark(path).write_text(_identity(path))

    def _run(
        self,
        path: Path,
        install: Install,
        command: Command,
        rootfs: Path,
        output: Output,
        stopped: Callable[[], bool],
    ) -> None:
        python = path / "bin" / "python"
        words = [Places(rootfs, path / "bin").word(word) for word in command.words]
        arguments = self._tool(command, python, words)
        folder = rootfs / command.folder.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        code, lines = tell(
            arguments,
            self._environment(path, {**install.values, **command.environment}),
            lambda line: None if NOISE.match(line) else output(line),
            stopped,
            folder=folder,
        )
        if code != 0:
            place = f"line {install.line} of the Dockerfile, RUN {install.text}"
            raise ReconcilerError(
                f"{place}, failed (exit code {code}): {last_words(lines)}",
                hint="correct the command; packages that need another Python or a system library need Docker",
            )

    def _tool(self, command: Command, python: Path, words: Sequence[str]) -> list[str]:
        """What to start for a command. Raises ReconcilerError when there is nothing for it."""
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{self._environ.get('PATH', '')}")
        if command.tool == "uv sync":
            if uv is None:
                raise ReconcilerError(
                    "`uv sync` in the Dockerfile needs uv, which isn't on this machine",
                    hint="install it (`pip install uv`), or use Docker",
                )
            return [uv, words[0], "--no-editable", *words[1:]]
        has_pip = importlib.util.find_spec("pip") is not None
        if uv is not None and (command.tool == "uv pip" or not has_pip):
            return [uv, "pip", words[0], "--python", str(python), *words[1:]]
        if not has_pip:
            raise ReconcilerError(
                "the Dockerfile installs packages, and this Python has neither pip nor uv",
                hint=f"install one ({sys.executable} -m ensurepip), or use Docker",
            )
        if command.tool == "uv pip":
            words = ["install", *(["-r"] if words[0] == "sync" else []), *words[1:]]
        return [sys.executable, "-P", "-m", "pip", "--python", str(python), *words]

    def _environment(self, path: Path, values: Mapping[str, str]) -> dict[str, str]:
        """What pip runs with: the image's variables, the user's own settings of pip, and nothing else of the user's."""
        own_variables = {
            name: value
            for name, value in self._environ.items()
            if (name in PASSED or name.startswith(("PIP_", "UV_", "LC_")) or name.lower().endswith("_proxy"))
            and name not in ELSEWHERE
        }
        image = {name: value for name, value in values.items() if not NOT_OF_THE_IMAGE.fullmatch(name)}
        return {
            **own_variables,
            **{name: value for name, value in image.items() if name not in ELSEWHERE},
            "PATH": f"{path / 'bin'}:{self._environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(path),
            "UV_PROJECT_ENVIRONMENT": str(path),
            "PIP_USER": "0",
            "PIP_NO_INPUT": "1",
            "PIP_PROGRESS_BAR": "off",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_PROGRESS": "1",
        }

    def _drop_unused(self) -> None:
        """Remove what no image has used for long."""
        for mark in self.folder.glob("*.whole"):
            with contextlib.suppress(OSError):
                if time.time() - mark.stat().st_mtime > UNUSED_DAYS * 86400:
                    mark.unlink()
                    shutil.rmtree(mark.with_suffix(""), ignore_errors=True)


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.whole")


def _identity(path: Path) -> str:
    """Which folder this is, as no archive or checkout could bring it along."""
    status = path.lstat()
    return f"{status.st_dev}/{status.st_ino}"


def _is_complete(path: Path) -> bool:
    """Whether it was made here, to its end, and its interpreter is still there."""
    try:
        return (
            path.is_dir()
            and not path.is_symlink()
            and _mark(path).read_text() == _identity(path)
            and os.access(path / "bin" / "python", os.X_OK)
        )
    except OSError:
        return False
