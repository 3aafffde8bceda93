"""One project for all tests here, with an embedded AWS of its own: each test writes its program and applies it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reconciler.local import status, stop
from tests import golden as files
from tests.cli.conftest import Project
from tests.folder import Result
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until

if TYPE_CHECKING:
    from tests.run.ears import Ears

BUCKET = "tiny-data-123456789012"
GOLDEN = Path(__file__).with_name("golden")
ROOT = Path(__file__).parents[2]
DEPLOY = """\
name: tiny
data: prices.csv
image: .
task:
  cpu: 256
  memory: 512
"""
DOCKERFILE = 'FROM python:3.13-slim\nCOPY train.py .\nCMD ["python", "train.py"]\n'


SLEEPS = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"
COMMAND_LINE = "import sys\nfrom reconciler.__main__ import main\nsys.exit(main())\n"


class Lane(Project):
    """A project whose resources are there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._clients: dict[str, Any] = {}
        self._started: list[subprocess.Popen[str]] = []

    def program(self, source: str, *, deploy: str = "", dockerfile: str = DOCKERFILE) -> None:
        """Write what the task runs. deploy: what is added to deploy.yaml."""
        self.write("train.py", source)
        self.write("deploy.yaml", DEPLOY + deploy)
        self.write("Dockerfile", dockerfile)

    def bare(self) -> None:
        """Have nothing but what each test begins with: no service, no schedule, nobody who is told."""
        self.program("print('none')\n")
        made = self.run("apply", "--local", "--skip-run", "--prune")
        assert made.code == 0, made.out + made.err

    def client(self, service: str) -> Any:
        """A boto3 client."""
        if service not in self._clients:
            self._clients[service] = self.embedded.client(service)
        return self._clients[service]

    @property
    def embedded(self) -> EmbeddedAws:
        """The embedded AWS."""
        running = status(self.folder / ".reconciler" / "local")
        assert running is not None
        return EmbeddedAws(running)

    @property
    def endpoint(self) -> str:
        """Where the embedded AWS is."""
        return self.embedded.endpoint_url

    @property
    def keys(self) -> dict[str, str]:
        """What leads a program to it with every right, as environment variables."""
        keys = self.embedded.running.keys
        return {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}

    def control(self, method: str, path: str, body: object = None) -> Any:
        """A control request to the embedded AWS."""
        code, answer = self.embedded.control(method, path, body)
        assert code == 200, answer
        return answer

    def behave(self, *rules: dict[str, Any]) -> None:
        """Ask for trouble."""
        self.control("POST", "behaviour", list(rules))

    def recorded(self, change: Callable[[dict[str, Any]], None]) -> str:
        """Change the record of the newest run, as time or another version may have. Returns the run's id."""
        record: dict[str, Any] = json.loads(self.run("runs", "--local", "--json").out)["runs"][0]
        change(record)
        for key in (f"runs/{record['id']}/run.json", f"runs/fingerprints/{record['fingerprint']}.json"):
            self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(record).encode())
        return str(record["id"])

    def tasks(self, state: str = "") -> list[Any]:
        """The tasks in a state, or all."""
        ecs = self.client("ecs")
        arns = [
            arn
            for desired in (("RUNNING",) if state == "RUNNING" else ("RUNNING", "STOPPED"))
            for page in ecs.get_paginator("list_tasks").paginate(cluster="tiny", desiredStatus=desired)
            for arn in page["taskArns"]
        ]
        tasks = [
            task
            for first in range(0, len(arns), 100)
            for task in ecs.describe_tasks(cluster="tiny", tasks=arns[first : first + 100])["tasks"]
        ]
        return [task for task in tasks if state in ("", task["lastStatus"])]

    def start(self, *arguments: str, first: str = "", **more: Any) -> subprocess.Popen[str]:
        """Run the command line as a process of its own. first: Python that it runs before, to change its times."""
        program = ["-c", f"{first}\n{COMMAND_LINE}"] if first else ["-m", "reconciler"]
        made = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        self._started.append(made)
        return made

    def kill_started(self) -> None:
        """End what a test that failed left running."""
        for process in self._started:
            process.kill()  # nothing if it has ended
            process.wait()
        self._started.clear()

    @contextlib.contextmanager
    def meanwhile(self, action: Callable[[Any], None], state: str = "PROVISIONING") -> Iterator[None]:
        """Do something once a new task is in this state, while the test goes on."""
        before = {task["taskArn"] for task in self.tasks()}

        def wait() -> None:
            def look() -> Any:
                return next((t for t in self.tasks(state) if t["taskArn"] not in before), None)

            action(until(look, f"a new task that is {state}"))

        thread = threading.Thread(target=wait)
        thread.start()
        yield
        thread.join()


class Gate:
    """What a program waits at until the test opens it: nothing that it does meanwhile can come too late.

    wait: the lines of a program that do so. pauses: those that have the command line wait at it instead of the pause
    of a minute or more that a file asks for.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.wait = f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.02)\n"
        self.pauses = (
            "from reconciler.cli.target import StoppableClock\nsleep = StoppableClock.sleep\n"
            "def at_gate(clock, seconds):\n    if seconds < 50:\n        return sleep(clock, seconds)\n    "
            f"{self.wait.strip().replace(chr(10), chr(10) + '    ')}\nStoppableClock.sleep = at_gate\n"
        )

    def open(self) -> None:
        """Let it go on."""
        self._path.touch()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate, which is open after the test."""
    made_gate = Gate(tmp_path / "open")
    yield made_gate
    made_gate.open()


def records(lane: Lane) -> list[Any]:
    """The runs, newest first."""
    recorded: list[Any] = json.loads(lane.run("runs", "--local", "--json", "--limit", "1000").out)["runs"]
    return recorded


@pytest.fixture(scope="session")
def project_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """One project, whose resources the first module that asks for it makes."""
    project = Lane(tmp_path_factory.mktemp("project"))
    project.write("prices.csv", "a,b\n1,2\n3,4\n")
    yield project
    stop(project.folder / ".reconciler" / "local")


@pytest.fixture(scope="module")
def shared(project_of_all: Lane) -> Iterator[Lane]:
    """The project, while tasks are processes and nothing of the user's leads elsewhere."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
    os.environ["RECONCILER_LOCAL_ENGINE"] = "process"
    try:
        project_of_all.bare()
        yield project_of_all
    finally:
        os.environ.pop("RECONCILER_LOCAL_ENGINE")
        os.environ.update(kept)


@pytest.fixture
def lane(shared: Lane) -> Iterator[Lane]:
    """The project, with nothing left of the test before."""
    shutil.rmtree(shared.folder / "results", ignore_errors=True)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield shared
    for number, handler in handlers.items():
        signal.signal(number, handler)
    shared.kill_started()
    shared.behave()
    for task in shared.tasks("RUNNING"):
        shared.client("ecs").stop_task(cluster="tiny", task=task["taskArn"])
    until(lambda: not shared.tasks("RUNNING"), "the end of what this test left")
    s3 = shared.client("s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="runs/"):
        keys = [{"Key": s3_object["Key"]} for s3_object in page.get("Contents", ())]
        if keys:
            s3.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    scheduler = shared.client("scheduler")
    for schedule in scheduler.list_schedules(NamePrefix="tiny.")["Schedules"]:  # of runs that weren't seen to their end
        with contextlib.suppress(scheduler.exceptions.ResourceNotFoundException):
            scheduler.delete_schedule(Name=schedule["Name"])


WAITING = "waiting for the last lines"  # where a machine is slow
STATES = ("PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED")


def normal(text: str) -> str:
    """The output from the run on, without what differs each time. States are seen or not: they are left out."""
    lines = text.splitlines()
    begins = ("Run ", "Following", "Nothing to run", "Waiting for the end", "  task arn:", "  (", "  | ")
    first = next((i for i, line in enumerate(lines) if line.startswith(begins)), 0)
    # The inside of a traceback is Python's and the libraries', and differs from version to version.
    kept = [
        line
        for line in lines[first:]
        if not line.strip().startswith((*STATES, WAITING)) and not line.startswith("  |  ")
    ]
    text = "\n".join(kept) + "\n"
    for pattern, instead in (
        (r"\d{8}-\d{6}-[0-9a-f]{8}(-\d+)?", "RUN"),
        (r"(?<![0-9a-f])[0-9a-f]{32}\b", "TASK"),
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"0x[0-9a-f]{8,}", "0xADDRESS"),
        # A task that is ended in its first moments may have no start that ECS knows.
        (r" after (\d+ min \d+ s|\d+\.\d+ s)(?=, exit code 143)", ""),
        (r"(\d+ min \d+ s|\d+\.\d+ s) {2,}", "TIME s  "),
        (r"\d+ min \d+ s|\d+\.\d+ s\b", "TIME s"),
        (r'File "[^"]*/(?=[^/"]+")', 'File "'),
        (r"http://127.0.0.1:\d+", "ENDPOINT"),
    ):
        text = re.sub(pattern, instead, text)
    return text


def golden(name: str, result: Result) -> None:
    """The output is that of the file of this name."""
    files.golden(GOLDEN / f"{name}.txt", normal(result.out))


@pytest.fixture
def ears(lane: Lane) -> Iterator[Ears]:
    """Those who are told, and what the file says of them is gone afterwards."""
    from tests.run.ears import Ears

    with Ears(lane) as made_ears:
        yield made_ears
    lane.bare()
