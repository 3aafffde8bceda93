"""What the commands share: the file, the way to AWS, the deployment, and what Ctrl-C does."""

from __future__ import annotations

import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reconciler.aws import clients
from reconciler.aws.calls import Aws, Waiting
from reconciler.aws.credentials import RoleRefused
from reconciler.cli.build_output import BuildOutput
from reconciler.cli.live_line import LiveLine, Uploads
from reconciler.cli.options import InAws, Planning
from reconciler.cli.program_name import program
from reconciler.cli.terminal import Terminal
from reconciler.config import Deploy, load
from reconciler.config.task import WRITE
from reconciler.core.errors import AwsError, Interrupted, Unreachable, UserError
from reconciler.core.job_token import in_gitlab
from reconciler.core.plan import Options
from reconciler.core.secret import KNOWN
from reconciler.core.spec import Address
from reconciler.engine.deployment import Deployment
from reconciler.engine.ownership_record import valid
from reconciler.engine.prepare import prepare
from reconciler.image.engine import Engine
from reconciler.image.kind import ImageKind, ImageSpec
from reconciler.kinds import Folder, Object
from reconciler.lower import checkpoints, promotion, writes_records

LOCAL_HOME = "RECONCILER_LOCAL_HOME"
EMBEDDED = "123456789012"  # the account of the embedded AWS, which has no other


class StoppableClock:
    """Real time, in which a wait ends when the user interrupts."""

    def __init__(self, stop: threading.Event) -> None:
        self.stop = stop

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises Interrupted."""
        if self.stop.wait(seconds):
            raise Interrupted("interrupted")


@dataclass(frozen=True)
class Target:
    """Where a command works: the file, and how AWS is reached. `local`: the home of the embedded AWS, if it is that."""

    deploy: Deploy
    base: Path
    file: Path
    session: Any
    endpoint: str | None
    local: Path | None
    stop: threading.Event
    environment: str = ""  # of the file's, the one that was chosen
    engine_choice: str = ""  # of --local: what builds and runs images, if that was said

    def aws(self, terminal: Terminal, *, read_only: bool = False) -> Aws:
        """A client of AWS for this deploy."""
        return Aws(
            self.deploy.region,
            session=self.session,
            endpoint_url=self.endpoint,
            read_only=read_only,
            clock=StoppableClock(self.stop),
            on_wait=terminal.log.waiting if terminal.log else Patience(terminal).tell,
            on_call=terminal.log.call if terminal.log else lambda call: None,
            unanswered=self._unanswered,
        )

    @cached_property
    def _unanswered(self) -> Callable[[Unreachable], AwsError]:
        """What it means that a call isn't answered."""
        if self.local is None:
            return lambda error: error
        from reconciler.local.ended import unanswered

        return unanswered(self.local)

    def engine(self, aws: Aws, image: ImageSpec | None, *, command: Sequence[str] = ()) -> Engine:
        """What builds images. image: the one to build; command: what the run has instead of the file's.

        Raises UserError when there is nothing that could.
        """
        if self.local is not None:
            from reconciler.local.docker_engine import local_engine
            from reconciler.local.process_engine import Start

            task = self.deploy.task
            start = Start(task.entrypoint, command or task.command)
            return local_engine(self.local, aws, choice=self.engine_choice, start=start, image=image)
        from reconciler.image.docker import find_engine

        return find_engine()

    @property
    def place(self) -> str:
        """The region, or the embedded AWS, as it is printed."""
        if self.local is not None:
            return f"embedded AWS on this machine ({self.endpoint})"
        return self.endpoint or "AWS"


def local_home(file: Path) -> Path:
    """Where the embedded AWS of a deploy.yaml lives: beside it, or where RECONCILER_LOCAL_HOME says."""
    if elsewhere := os.environ.get(LOCAL_HOME):
        return Path(elsewhere).absolute()
    return file.resolve().parent / ".reconciler" / "local"


def reach(file: Path, local: bool, *, quiet: bool = False) -> tuple[Any, str | None, Path | None]:
    """The way to AWS of a deploy.yaml: session and endpoint (None: botocore's own), home of the embedded AWS.

    quiet: don't say that the embedded AWS is started.
    """
    if not local:
        return None, os.environ.get("AWS_ENDPOINT_URL") or None, None
    from reconciler.local import LocalError, ensure_running

    home = local_home(file)
    try:
        running = ensure_running(home, (lambda text: None) if quiet else Terminal(json=True).note)
    except LocalError as error:
        raise UserError(str(error)) from None
    # Never the user's own credentials.
    keys = running.keys
    return clients.new_session(keys.access_key_id, keys.secret_access_key), running.endpoint_url, home


def target_of(options: InAws, *, engine: str = "") -> Target:
    """Read the file and find the way to AWS. engine: of --local. Raises ConfigErrors, UserError."""
    file, environment = options.file, options.environment
    if engine and not options.local:
        raise UserError(f"--engine {engine} is for --local", hint="in AWS, Docker or Podman builds the image")
    deploy = options.deploy or load(file, environ=os.environ, environment=environment)
    if options.local:  # `account:` guards an account of AWS, and the embedded one has an id of its own
        deploy = deploy.model_copy(update={"account": None})
    session, endpoint, home = reach(file, options.local, quiet=options.quiet)
    return Target(
        deploy,
        file.resolve().parent,
        file,
        session,
        endpoint,
        home,
        threading.Event(),
        environment,
        engine,
    )


def command_line() -> str:
    """The command as it was typed, to say how to go on; without the values of secrets."""
    return f"{program()} " + shlex.join(KNOWN.words(sys.argv[1:]))


def where_line(deployment: Deployment, target: Target) -> str:
    """Which deploy, in which account and region, reached how."""
    environment = f" (environment {target.environment})" if target.environment else ""
    deploy, account = deployment.deploy, deployment.names.facts.account
    return f"{deploy.name}{environment}: account {account}, {deploy.region}, {target.place}"


def data_lines(deployment: Deployment) -> list[str]:
    """What was found of data that is in S3 already, a line for each place."""
    return [
        source.trouble or f"data: {source.place.uri}: {source.text}; read as it is" for source in deployment.given_data
    ]


def deployment_of(
    target: Target,
    aws: Aws,
    terminal: Terminal,
    command: str,
    *,
    skip_image: bool = False,
    rehash: bool = False,
    removing: bool = False,
    plan_file: Path | None = None,
    live: LiveLine | None = None,
    build: BuildOutput | None = None,
) -> Deployment:
    """Read what the plan starts from; see `prepare`. live, build: where a command shows what is under way."""
    live = live or LiveLine(terminal)
    build = build or BuildOutput(terminal, live, verbose=False)
    uploads = Uploads(live)
    try:
        return prepare(
            target.deploy,
            aws,
            target.base,
            (ImageKind(None, build.say), Object(uploads), Folder(uploads)),
            skip_image=skip_image,
            rehash=rehash,
            removing=removing,
            checking=command in ("plan", "apply"),
            own_files=[target.file, *([plan_file] if plan_file else [])],
            command=command,
        )
    except RoleRefused as error:
        raise UserError(error.message, hint=_explained(target.deploy) or error.hint) from None


def _explained(deploy: Deploy) -> str:
    """Why this CI job may not become its role; empty where that can't be told."""
    from reconciler.checks import github_token, gitlab_token

    ci = deploy.ci
    if ci and ci.gitlab and in_gitlab(os.environ):
        return gitlab_token.explain(ci.gitlab, os.environ)
    return github_token.explain(ci.github, os.environ) if ci and ci.github else ""


def warn(terminal: Terminal, deployment: Deployment) -> None:
    """Say what the file allows that it had better not."""
    if writes_records(deployment.names):
        terminal.note(
            terminal.fold(
                "warning: ",
                "the file lets the program write the records of runs, by which `apply` decides what to run and what a "
                f"run's end was; its results need no more than task.role.write: [{', '.join(WRITE)}]",
            )
        )
    if missing := checkpoints.missing(deployment.names):
        terminal.note(
            terminal.fold(
                "warning: ",
                f"run.checkpoint needs what task.role.policy doesn't allow: {', '.join(missing)}; without it the "
                "program can't save a checkpoint for the next attempt",
            )
        )
    if missing := promotion.missing(deployment.names):
        terminal.note(
            terminal.fold(
                "warning: ",
                f"run.promote needs what task.role.policy doesn't allow: {', '.join(missing)}; without it the run ends "
                "with an error after its training",
            )
        )
    warn_of_secrets(deployment.deploy, terminal)


def warn_of_secrets(deploy: Deploy, terminal: Terminal) -> None:
    """Name the places of the file whose secrets others may read."""
    if plain := plain_secrets(deploy):
        place_list = ", ".join(plain[:5]) + (f" and {len(plain) - 5} more" if len(plain) > 5 else "")
        warning = f"others may read what looks like a secret in {place_list}: "
        fix = "use `task.secrets`, or `parameters` with `secure: true`"
        terminal.note(terminal.fold("warning: ", warning + fix))


def plain_secrets(deploy: Deploy) -> list[str]:
    """Where the file has secrets whose values AWS or the image show: in the task definition, in a plain parameter, in
    the history of the image.
    """

    def named(place: str, values: Mapping[str, str]) -> Iterator[str]:
        return (f"{place}.{name}" for name, value in values.items() if KNOWN.shown(name, value) != value)

    task = deploy.task
    places = [*named("task.environment", task.environment)]
    for place, words in (("task.entrypoint", task.entrypoint), ("task.command", task.command)):
        if words and KNOWN.words(words) != list(words):
            places.append(place)
    plain = {
        name: str(parameter.value)
        for name, parameter in deploy.parameters.items()
        if parameter.value and not parameter.secure
    }
    return [*places, *named("parameters", plain), *named("image.build_args", deploy.image.build_args)]


def plan_options(options: Planning, graph_addresses: list[Address]) -> Options:
    """What the command line allows. Raises UserError for a target that isn't in the file."""
    targets = []
    for text in options.target:
        kind, _, name = text.partition(".")
        if Address(kind, name) not in graph_addresses:
            import difflib

            near = difflib.get_close_matches(text, [str(a) for a in graph_addresses], 3, 0.3)
            raise UserError(
                f"--target {text}: no such resource in the file", hint=f"near: {', '.join(near)}" if near else ""
            )
        targets.append(Address(kind, name))
    return Options(
        adopt=options.adopt,
        prune=options.prune,
        delete_data=options.delete_data,
        targets=frozenset(targets) if targets else None,
        confirm=confirmed(options.confirm),
    )


def confirmed(texts: Iterable[str]) -> frozenset[Address]:
    """What may be deleted though only the record says that it is ours. Raises UserError for what is no address."""
    addresses = []
    for text in texts:
        kind, _, name = text.partition(".")
        if not (name and valid(Address(kind, name))):
            raise UserError(f"--confirm {text}: it is written KIND.NAME, as the plan shows it")
        addresses.append(Address(kind, name))
    return frozenset(addresses)


class Patience:
    """Says what is waited for, now and then: many calls may wait for the same.

    At a terminal in one line that changes; else the same is said less and less often.
    """

    EVERY = 5.0  # seconds between two lines
    LONGEST = 60.0  # seconds between two of the same

    def __init__(self, terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._clock = terminal, clock
        self._last = -self.EVERY
        self._due: dict[str, tuple[float, float]] = {}  # of each: when it is said again, and how long after that
        self._lock = threading.Lock()

    def tell(self, waiting: Waiting) -> None:
        """Say that AWS is waited for, unless something was said a moment ago."""
        if waiting.seconds <= 2:
            return
        if self._terminal.live:
            self._terminal.waiting(f"  {waiting}")
            return
        with self._lock:
            now = self._clock()
            due, pause = self._due.get(waiting.subject, (now, 2 * self.EVERY))
            if now - self._last < self.EVERY or now < due:
                return
            self._last = now
            self._due[waiting.subject] = now + pause, min(2 * pause, self.LONGEST)
        self._terminal.note(f"  {waiting}")
