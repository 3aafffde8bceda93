"""What is planted by every way in comes out by none: the command line is driven against an embedded AWS, and all that
it prints, writes and records is searched for each value, however that is written.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import boto3
import pytest

from reconciler.local import ensure_running, stop
from tests.cli.conftest import Project

PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIplantedLine1of3\nMIIplantedLine2of3\nMIIplantedLine3of3\n-----END PRIVATE KEY-----"
)
PLANTED = {
    "the environment, under another name": "planted-one/with+signs=7",
    "the environment, in a longer text": "planted two 'with' \"quotes\" é",
    "the environment, of several lines": PEM,
    "the environment, short": "p1x",
    "a variable of the file": "planted-three-1",
    "a variable of the file, short": "q2z",
    "a URL's password": "planted-four-1",
    "a value's own form": "sk-plantedFive0123456789",
    "a parameter": "planted-six-1",
    "a build argument": "planted-seven-1",
    "a command's option": "planted-eight-1",
    "--env": "planted-nine-1",
    "--env, short": "r3w",
    "--env, of another name": "planted-one/with+signs=7",
    "--command": "planted-ten-1",
}
DEPLOY = """\
name: tiny
data: prices.csv
image: {context: ., build_args: {PIP_TOKEN: planted-seven-1, EPOCHS: "3"}}
task:
  cpu: 256
  memory: 512
  command: [python, train.py, --api-key, planted-eight-1]
  environment:
    FIRST: ${API_TOKEN}
    SECOND: "dsn ${DB_PASSWORD} end"
    THIRD: "${PRIVATE_KEY}"
    FOURTH: ${SHORT_TOKEN}
    DB_PASSWORD: planted-three-1
    MY_PASSWORD: q2z
    DATABASE: postgres://user:planted-four-1@db.internal/prices
    MODEL_ACCESS: sk-plantedFive0123456789
    TOKENIZER: bert-shown
    KEYS: "3"
    MAX_TOKENS: "512"
logs:
  retention_days: 1
parameters:
  SIXTH_KEY: {value: planted-six-1, give_as: environment}
"""
PROGRAM = "import os, sys\nprint('began')\nsys.exit(int(os.environ.get('EXIT', '0')))\n"
GIVEN = (
    "--env",
    "NINTH_TOKEN=planted-nine-1",
    "--env",
    "TENTH_TOKEN=r3w",
    "--env",
    f"OTHER={PLANTED['--env, of another name']}",
)
SHOWN = ("bert-shown", '"512"')


def written(value: str) -> Iterator[str]:
    """The ways in which it may be written."""
    for secret in (value, *(line for line in value.splitlines() if "planted" in line)):
        for text in (
            secret,
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            quote(secret, safe=""),
            quote_plus(secret),
        ):
            yield text
            yield json.dumps(text)[1:-1]
        if len(secret) > 8:
            yield base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]


def holds(text: str, value: str) -> str:
    """How a text has the value, folded or not; empty if it doesn't."""
    flat = " ".join(text.split())
    for form in written(value):
        if len(value) > 4 and (form in text or " ".join(form.split()) in flat):
            return form
        if len(value) <= 4 and re.search(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])", text):
            return form
    return ""


class Outs(dict[str, str]):
    """What came out, by how."""

    def take(self, name: str, here: Project, *arguments: str, code: int = 0) -> str:
        """Run a command and keep what it printed."""
        ended = here.run(*arguments)
        assert ended.code == code, f"{name}: {ended.code}\n{ended.out}\n{ended.err}"
        self[name] = ended.out + ended.err
        return ended.out


def command_lines(apply: int, folder: Path) -> str:
    """The command lines of what an apply and its embedded AWS started, but not the apply's own."""
    parents, lines = dict[int, int](), dict[int, str]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                )
                lines[int(entry.name)] = (entry / "cmdline").read_text(errors="replace").replace("\0", " ")
            except OSError:
                continue  # it has ended
    ours = {apply} | {pid for pid, line in lines.items() if str(folder) in line}  # the server is nobody's child
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    # A child that has just been forked has its parent's command line, until it runs its own program.
    shown = [line for pid, line in lines.items() if pid in ours and line != lines.get(apply)]
    # The task's own command line is what deploy.yaml says: in a container it is the container's.
    return "\n".join(line for line in shown if "pytest" not in line and "train.py" not in line)


def under_way(outs: Outs, here: Project, ssm: Any) -> None:
    """An apply as a process of its own, while which the lock, its message and all command lines are looked at."""
    command = [sys.executable, "-m", "reconciler", "apply", "--local", "--env", "ROUND=2", *GIVEN]
    locks, lines = set[str](), set[str]()
    with subprocess.Popen(
        command, cwd=here.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None:
            for parameter in ssm.get_parameters_by_path(Path="/reconciler/tiny/lock")["Parameters"]:
                locks.add(parameter["Value"])
            lines.add(command_lines(process.pid, here.folder))
        outs["apply, as a process"] = process.stdout.read() if process.stdout else ""
    assert process.returncode == 0, outs["apply, as a process"]
    assert locks, "the lock was never seen"
    assert any(lines), "no command line was seen"
    outs["the lock"], outs["command lines"] = "\n".join(locks), "\n".join(lines)
    # Another apply comes while the lock is held: as it was seen, and for a minute from now.
    held = json.dumps(json.loads(min(locks)) | {"id": "held", "host": "elsewhere", "expires": time.time() + 60})
    ssm.put_parameter(Name="/reconciler/tiny/lock/000000001", Value=held, Type="String")
    other = here.run("apply", "--local", "--env", "ROUND=3")
    ssm.delete_parameter(Name="/reconciler/tiny/lock/000000001")
    outs["the lock's message"] = other.out + other.err


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> Outs:
    """All that comes out."""
    here, printed = Project(tmp_path_factory.mktemp("secrets")), Outs()
    for name, text in (("deploy.yaml", DEPLOY), ("train.py", PROGRAM), ("prices.csv", "a,b\n1,2\n")):
        here.write(name, text)
    here.write("Dockerfile", 'FROM python:3.13-slim\nARG PIP_TOKEN\nCOPY train.py .\nCMD ["python", "train.py"]\n')
    home = here.folder / ".reconciler" / "local"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GITHUB_"))]:
            patch.delenv(name)
        patch.setenv("RECONCILER_LOCAL_ENGINE", "process")
        patch.setenv("API_TOKEN", PLANTED["the environment, under another name"])
        patch.setenv("DB_PASSWORD", PLANTED["the environment, in a longer text"])
        patch.setenv("PRIVATE_KEY", PEM)
        patch.setenv("SHORT_TOKEN", "p1x")
        try:
            server = ensure_running(home)
            endpoint, keys = server.endpoint_url, server.keys
            session = boto3.session.Session(keys.access_key_id, keys.secret_access_key, region_name="us-east-1")
            take(printed, here, patch)
            under_way(printed, here, session.client("ssm", endpoint_url=endpoint))
            stored(printed, here, session, endpoint)
        finally:
            stop(home)
    return printed


def take(printed: Outs, here: Project, patch: pytest.MonkeyPatch) -> None:
    """Run the commands one after the other."""
    printed.take("show", here, "show")
    printed.take("show --json", here, "show", "--json")
    printed.take("plan", here, "plan", "--local")
    printed.take("plan --json", here, "plan", "--local", "--json")
    printed.take("plan --markdown --verbose", here, "plan", "--local", "--markdown", "--verbose")
    printed.take("plan --out", here, "plan", "--local", "--out", "saved.plan")
    summary, output = here.folder / "summary.md", here.folder / "output.txt"
    with patch.context() as github:
        github.setenv("GITHUB_ACTIONS", "true")
        github.setenv("GITHUB_STEP_SUMMARY", str(summary))
        github.setenv("GITHUB_OUTPUT", str(output))
        printed.take("apply --verbose, in GitHub Actions", here, "apply", "--local", "--verbose", *GIVEN)
    more = ("--env", "EXIT=3", "--env", "DB_PASSWORD=planted-nine-1")
    failed = printed.take("apply --json, failed", here, "apply", "--local", "--json", *GIVEN, *more, code=3)
    first = json.loads(failed)["run"]["id"]
    words = ("--command", "python", "train.py", "--token=planted-ten-1")
    last = json.loads(printed.take("apply --json", here, "apply", "--local", "--json", *GIVEN, *words))["run"]["id"]
    printed.take("runs --json", here, "runs", "--local", "--json")
    printed.take("runs show", here, "runs", "show", last, "--local")
    printed.take("runs show --json", here, "runs", "show", last, "--local", "--json")
    printed.take("runs compare", here, "runs", "compare", first, last, "--local")
    printed.take("runs compare --json", here, "runs", "compare", first, last, "--local", "--json")
    printed.take("diagnose --json", here, "diagnose", first, "--local", "--json")
    printed.take("status --json", here, "status", "--local", "--json")
    here.write("deploy.yaml", DEPLOY.replace("planted-three-1", "planted-one-1").replace("q2z", "new"))
    printed.take("plan of a change", here, "plan", "--local")
    printed.take("plan --json of a change", here, "plan", "--local", "--json")
    here.write("deploy.yaml", DEPLOY)
    printed.take("import", here, "import", "--prefix", "tiny", "--local", "--out", "imported.yaml")


def stored(printed: Outs, here: Project, session: Any, endpoint: str) -> None:
    """What was left in files, in the bucket and in Parameter Store."""
    for path in sorted(here.folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != "deploy.yaml":
            printed[f"the file {path.relative_to(here.folder)}"] = path.read_text(errors="replace")
    s3, ssm = (session.client(name, endpoint_url=endpoint) for name in ("s3", "ssm"))
    for entry in s3.list_objects_v2(Bucket="tiny-data-123456789012")["Contents"]:
        body = s3.get_object(Bucket="tiny-data-123456789012", Key=entry["Key"])["Body"].read()
        printed[f"the object {entry['Key']}"] = body.decode(errors="replace")
    for parameter in ssm.describe_parameters()["Parameters"]:
        if parameter["Name"] != "/tiny/SIXTH_KEY":
            printed[f"the parameter {parameter['Name']}"] = ssm.get_parameter(Name=parameter["Name"])["Parameter"][
                "Value"
            ]


@pytest.mark.parametrize("way", PLANTED)
def test_what_comes_in_by_this_way_comes_out_by_none(way: str, outs: Outs) -> None:
    assert len(outs) > 40
    leaks = {name: form for name, text in outs.items() if (form := holds(text, PLANTED[way]))}
    if way == "the environment, short":
        # What an account has under a name that tells nothing, too short to be anybody's: `import` can't know.
        leaks.pop("the file imported.yaml", None)
    assert not leaks


@pytest.mark.parametrize("kept", SHOWN)
def test_what_is_none_is_shown(kept: str, outs: Outs) -> None:
    for name in ("show --json", "plan --json", "apply --json"):
        assert kept in outs[name], name


def test_a_change_of_a_secret_is_still_seen(outs: Outs) -> None:
    assert re.search(r"DB_PASSWORD +\(hidden\) [0-9a-f]{16} +\(hidden\) [0-9a-f]{16}", outs["runs compare"])
    assert "DB_PASSWORD" in outs["plan of a change"]


def test_a_lock_names_the_verb_and_the_file(outs: Outs) -> None:
    assert json.loads(outs["the lock"].splitlines()[0])["command"] == "apply deploy.yaml"
    assert "`apply deploy.yaml`" in outs["the lock's message"]


@pytest.mark.parametrize("how", ["plan", "apply --verbose, in GitHub Actions"])
def test_what_others_may_read_is_warned_of(how: str, outs: Outs) -> None:
    warned = [line for line in outs[how].splitlines() if line.startswith("warning:") and "secret" in line]
    assert len(warned) == 1
    text = warned[0]
    for place in ("task.environment.FIRST", "task.environment.SECOND", "and 6 more"):
        assert place in text
    assert "TOKENIZER" not in text
    assert "`secure: true`" in text
