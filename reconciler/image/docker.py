"""Docker and Podman by their command lines, which know contexts, rootless set-ups and remote engines better than we do.

BuildKit is used where there is one: `docker buildx`, or a client before 23, which has it built in; else the classic
builder. Of several docker commands on the PATH, the one with the better builder is taken.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core import plain_json
from reconciler.core.errors import ReconcilerError
from reconciler.core.files import read_file
from reconciler.core.job_token import without_tokens
from reconciler.image.command import last_words, run, tell, try_run
from reconciler.image.engine import BuildRequest, Output, PushRequest, no_engine
from reconciler.image.inputs import snapshot
from reconciler.image.login import logged_in

LOCAL = "reconciler.local"  # a registry that doesn't exist: images under it are never pulled or pushed by mistake
DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")
STEP_FAILED = "did not complete successfully"  # BuildKit's words where a RUN failed, which it names
REFUSED = re.compile(r"zstd|compression|exporter|media-?types", re.I)
FINAL = re.compile(r"does not exist|is not authorized|immutable|name unknown|no such image|invalid reference", re.I)
# BuildKit's names of its own steps and their parts, and layers that wait for their turn: what takes time or goes wrong
# has other lines.
NOISE = re.compile(
    r"#\d+ (?:sha256:|\[internal\]|transferring|DONE 0\.|writing image|naming to|exporting|preparing)|"
    r"[0-9a-f]{12}: (?:Preparing|Waiting)$"
)
# Variables that the client itself, or what it is loaded with, goes by: there a build argument would do more than that.
CLIENTS = re.compile(
    r"(?:PATH|HOME|USER|LOGNAME|SHELL|PWD|TMPDIR|TMP|TEMP|LANG|LC_.*|TERM|SSL_.*|LD_.*|GODEBUG|GOMAXPROCS|GOGC|GOMEMLIMIT|SSH_.*|XDG_.*"
    r"|DOCKER_(?:HOST|CONFIG|CONTEXT|CERT_PATH|TLS.*|API_VERSION|BUILDKIT|CLI_.*|CONTENT_.*|DEFAULT_.*|CUSTOM_.*)"
    r"|BUILDKIT_(?:HOST|PROGRESS|TTY_.*|COLORS)|BUILDX_.*|CONTAINERS?_.*|REGISTRY_AUTH_FILE|STORAGE_.*|NO_COLOR|OTEL_.*"
    r"|SOURCE_DATE_EPOCH|EXPERIMENTAL_.*)\Z"
)
ATTEMPTS = 5
LOOPBACK = ("127.", "localhost", "[::1]")
# Docker's newer image store keeps and pushes layers as they were compressed. By force, since those that are there, as
# of the base, would stay as they are: compressed in either way, or not at all if the base came from a file.
CONTAINERD_STORE = "io.containerd.snapshotter"
COMPRESSED = "type=docker,compression={},force-compression=true,oci-mediatypes=true"


@dataclass(frozen=True)
class CommandLineEngine:
    """See `reconciler.image.engine.Engine`. builder: buildx, buildkit, classic or podman."""

    command: str
    version: str
    builder: str
    environment: Mapping[str, str] = field(repr=False)
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        """`Docker 28.2.2 (BuildKit)`."""
        if self.builder == "podman":
            return f"Podman {self.version}"
        return f"Docker {self.version} ({'classic builder' if self.builder == 'classic' else 'BuildKit'})"

    def find(self, request: BuildRequest) -> str | None:
        """The id of the image that was tagged with these inputs."""
        return self.image_id(self._tag(request))

    def image_id(self, reference: str) -> str | None:
        """The id of a local image, or None."""
        image = self.inspect(reference)
        return str(image["Id"]) if image else None

    def inspect(self, reference: str) -> dict[str, Any] | None:
        """What the engine knows of a local image, or None."""
        answer = try_run([self.command, "image", "inspect", reference], self.environment)
        images = plain_json.parse(answer) if answer else []
        return dict(images[0]) if images else None

    def build(self, request: BuildRequest, output: Output) -> str:
        """Build from a snapshot of the inputs. Raises ReconcilerError with the builder's last lines."""
        tag = self._tag(request)
        login = request.login() if request.cache and request.login and self.builder != "podman" else None
        with (
            tempfile.TemporaryDirectory(prefix="reconciler-build-") as folder,
            logged_in(login, self.environment) as env,
        ):
            context, dockerfile = Path(folder, "context"), Path(folder, "Dockerfile")
            snapshot(request.inputs, context)
            dockerfile.write_bytes(read_file(request.inputs.dockerfile))
            if self.builder == "classic":
                env["DOCKER_BUILDKIT"] = "0"
            elif self.builder == "buildkit":
                env["DOCKER_BUILDKIT"] = "1"
            arguments = self._build_arguments(request, tag, self._cache(request, env, output), env)
            arguments += ["--file", str(dockerfile), str(context)]
            for options in self._kept(request):
                code, lines = tell([*arguments, *options], env, _without_noise(output), request.is_interrupted)
                if code == 0 or STEP_FAILED in (last := last_words(lines)) or not REFUSED.search(last):
                    break
        if code != 0:
            raise ReconcilerError(
                f"the image can't be built ({self.name}, exit code {code}): {last_words(lines)}",
                hint=_hint(request, lines),
            )
        image = self.image_id(tag)
        if image is None:
            raise ReconcilerError(f"{self.name} built the image and doesn't have it as {tag}")
        return image

    def push(self, image: str, request: PushRequest, output: Output) -> str:
        """Push under `request.tag`, again after a failure: layers that arrived aren't sent twice."""
        reference = f"{request.uri}:{request.tag}"
        run([self.command, "tag", image, reference], self.environment)
        try:
            for attempt in range(1, ATTEMPTS + 1):
                with logged_in(request.login(), self.environment) as env, tempfile.NamedTemporaryFile() as digest_file:
                    code, lines = tell(
                        self._push_command(reference, digest_file.name),
                        env,
                        _without_noise(output),
                        request.is_interrupted,
                    )
                    output_lines = [*lines, f"digest: {digest_file.read().decode()}"]
                digest = DIGEST.findall("\n".join(output_lines))
                if code == 0 and digest:
                    return str(digest[-1])
                last = last_words(lines)
                if FINAL.search(last) or attempt == ATTEMPTS:
                    break
                output(f"push failed ({last}); trying again with a new token ({attempt + 1} of {ATTEMPTS})")
                self.sleep(2.0 ** (attempt - 1))
        finally:
            try_run([self.command, "image", "rm", reference], self.environment)  # only this name of the image
        raise ReconcilerError(f"the image can't be pushed to {request.uri}: {last}", hint="run the same command again")

    def _tag(self, request: BuildRequest) -> str:
        base = f"-{request.base}" if request.base else ""
        return f"{LOCAL}/{request.repository}:inputs-{request.inputs.hash}{base}"

    def _build_arguments(
        self, request: BuildRequest, tag: str, cache: list[str], environment: dict[str, str]
    ) -> list[str]:
        """The command line. environment: of the engine's client, from which it takes the build arguments.

        Every user of the machine can read a command line, and only this one an environment.
        """
        inputs = request.inputs
        start = {
            "buildx": ["buildx", "build", "--provenance=false", "--progress=plain"],
            "buildkit": ["build", "--progress=plain"],
            "classic": ["build"],
            "podman": ["build", "--format=docker"],
        }[self.builder]
        arguments = [self.command, *start, "--platform", inputs.platform, "--tag", tag, *cache]
        if inputs.target:
            arguments += ["--target", inputs.target]
        for name, value in inputs.build_args.items():
            if CLIENTS.match(name) and environment.get(name) != value:
                arguments += ["--build-arg", f"{name}={value}"]
            else:
                environment[name] = value
                arguments += ["--build-arg", name]
        for name, value in request.labels.items():
            arguments += ["--label", f"{name}={value}"]
        return arguments

    def _kept(self, request: BuildRequest) -> list[list[str]]:
        """Options by which the engine keeps what was built: the second ones, if it doesn't know the first ones."""
        if self.builder != "buildx":
            return [[]]  # by itself
        how = COMPRESSED.format("zstd" if request.zstd else "gzip")
        return [["--output", how], ["--load"]] if self.keeps_compression else [["--load"]]

    @property
    def keeps_compression(self) -> bool:
        """Whether it keeps layers as they are compressed: Docker's own BuildKit with its newer image store."""
        store = try_run([self.command, "info", "--format", "{{json .DriverStatus}}"], self.environment) or ""
        if CONTAINERD_STORE not in store:
            return False
        builder = try_run([self.command, "buildx", "inspect"], self.environment) or ""
        return re.search(r"^Driver:\s*docker\s*$", builder, re.M) is not None  # another's layers go through a file

    def _cache(self, request: BuildRequest, environment: Mapping[str, str], output: Output) -> list[str]:
        """Options to reuse the layers of the image in the repository, and to leave what the next build needs."""
        if self.builder in ("buildx", "buildkit"):
            inline = ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
            return [*inline, "--cache-from", request.cache] if request.cache else inline
        if self.builder == "podman" or not request.cache:
            return []
        # The classic builder looks at nothing but --cache-from once it is given, so only where there is nothing else;
        # and an image doesn't hold the layers of earlier stages, which take the time where there are any.
        if len(request.inputs.parsed.stages) > 1 or try_run(
            [self.command, "image", "ls", "--quiet", f"{LOCAL}/{request.repository}"], self.environment
        ):
            return []
        output(f"looking for layers to reuse in {request.cache}")
        code, _ = tell([self.command, "pull", "--quiet", request.cache], environment, lambda line: None)
        return ["--cache-from", request.cache] if code == 0 else []

    def _push_command(self, reference: str, digest_file: str) -> list[str]:
        if self.builder != "podman":
            return [self.command, "push", reference]  # says the digest
        plain_http = ["--tls-verify=false"] if reference.startswith(LOOPBACK) else []
        return [self.command, "push", *plain_http, "--digestfile", digest_file, reference]


def find_engine(environment: Mapping[str, str] | None = None) -> CommandLineEngine:
    """The best container engine that answers. Raises UserError that says what was tried and how to go on."""
    failures: list[str] = []
    engines = all_engines(os.environ if environment is None else environment, failures)
    if not engines:
        raise no_engine("; ".join(failures) or "neither docker nor podman is on the PATH")
    return best(engines)


def best(engines: Iterable[CommandLineEngine]) -> CommandLineEngine:
    """The engine among these that builds best."""
    order = ("buildx", "buildkit", "classic", "podman")
    return min(engines, key=lambda engine: order.index(engine.builder))


def all_engines(environment: Mapping[str, str], failures: list[str] | None = None) -> list[CommandLineEngine]:
    """Every engine on the PATH that answers; `failures` gets the others, each with why not."""
    env, engines = without_tokens(environment), []
    for command in _commands(env):
        engine, problem = _ask(command, env)
        if engine is not None:
            engines.append(engine)
        elif failures is not None:
            failures.append(f"{command}: {problem}")
    return engines


def _commands(environment: Mapping[str, str]) -> list[str]:
    folders = [Path(folder) for folder in environment.get("PATH", os.defpath).split(os.pathsep) if folder]
    candidates = [folder / name for name in ("docker", "podman") for folder in folders]
    # `Path.is_file` raises where a folder of the PATH may not be entered, as those of whoever called `sudo -u`.
    executables = [path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK)]  # noqa: PTH113
    return [str(path) for path in {path.resolve(): path for path in reversed(executables)}.values()][::-1]  # each once


def _ask(command: str, env: Mapping[str, str]) -> tuple[CommandLineEngine | None, str]:
    """The engine behind a command, or why there is none."""
    template = "{{.Client.Version}} {{.Server.Version}}"
    podman = Path(command).name == "podman"
    try:
        answer = subprocess.run(  # noqa: S603  found on the PATH
            [command, "version", "--format", "{{.Client.Version}}" if podman else template],
            env=env,
            capture_output=True,
            text=True,
            timeout=15,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return None, str(error)
    words = answer.stdout.split()
    if answer.returncode != 0 or not words:
        return None, last_words(answer.stderr.splitlines()) or "no answer"
    if podman or "podman" in answer.stderr.lower():
        return CommandLineEngine(command, words[0], "podman", env), ""
    if try_run([command, "buildx", "version"], env):
        builder = "buildx"
    else:
        builder = "buildkit" if int(words[0].split(".")[0]) < 23 else "classic"
    return CommandLineEngine(command, words[-1], builder, env), ""


def _hint(request: BuildRequest, lines: list[str]) -> str:
    if any("exec format error" in line for line in lines):
        return (
            f"this machine can't run programs for {request.inputs.platform}: set task.platform to its own, build on "
            "such a machine, or install emulation (docker run --privileged --rm tonistiigi/binfmt --install all)"
        )
    return f"see the lines above; the Dockerfile is {request.inputs.dockerfile}"


def _without_noise(output: Output) -> Output:
    return lambda line: None if NOISE.match(line) else output(line)
