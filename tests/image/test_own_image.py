"""The project's own image, built and run with a real Docker engine."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from model.sample import write
from reconciler.image.docker import CommandLineEngine
from reconciler.image.engine import BuildRequest
from reconciler.image.inputs import read_inputs
from reconciler.local.docker_choice import usable_docker
from tests.waiting import LONG

BASE = os.environ.get("RECONCILER_TEST_BASE", "")
DOCKER = usable_docker(os.environ)
ROOT = Path(__file__).parents[2]
MAX_BYTES = 345_000_000
pytestmark = [
    pytest.mark.skipif(DOCKER is None, reason="no Docker engine on this machine answers"),
    pytest.mark.skipif(not BASE, reason="RECONCILER_TEST_BASE names no image with Python to build on"),
]


def docker(*words: str) -> str:
    assert DOCKER is not None
    return subprocess.run([DOCKER.command, *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def engine() -> CommandLineEngine:
    assert DOCKER is not None
    return DOCKER


@pytest.fixture(scope="module")
def image(engine: CommandLineEngine) -> str:
    inputs = read_inputs(ROOT, build_args={"BASE": BASE})
    said: list[str] = []
    return engine.build(
        BuildRequest(inputs, "reconciler-test", {"org.opencontainers.image.revision": "x"}), said.append
    )


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    write(tmp_path / "prices.csv", 3000, 7)
    (tmp_path / "prices.csv").chmod(0o644)
    tmp_path.chmod(0o755)
    return tmp_path / "prices.csv"


@pytest.fixture
def container(image: str, sample: Path) -> list[str]:
    """The arguments of `docker create` for a container as strict as it should bear."""
    strict = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--memory=2g"]
    given = ["--env=OUTPUT_URI=/tmp/out", "--env=DATA_PATH=/prices.csv", "--env=FOLDS=5"]
    return [*strict, *given, f"--mount=type=bind,source={sample},target=/prices.csv,readonly", image]


def test_small_and_plain(engine: CommandLineEngine, image: str) -> None:
    inspected = engine.inspect(image) or {}
    print(f"size: {inspected['Size'] / 1e6:.0f} MB")
    assert inspected["Size"] < MAX_BYTES
    config = inspected["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["env", "--block-signal=TERM", "python", "-m", "model"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    labels = {name.removeprefix("org.opencontainers.image.") for name in config["Labels"]}
    assert {"title", "description", "base.name", "revision"} <= labels
    tools = (
        "command -v gcc cc make g++ || true; find / -xdev -path /proc -prune -o -name '*.whl' -print; ls /root/.cache"
    )
    left = docker("run", "--rm", "--user=0", "--entrypoint=sh", image, "-c", f"{tools} 2>/dev/null || true")
    # Only pip's own bundled wheel, which belongs to Python, may be there.
    assert [line for line in left.splitlines() if "ensurepip" not in line and "python-wheels" not in line] == []


def test_nothing_that_is_needed_was_left_out(image: str) -> None:
    """Each module of the program, and the parts of scipy by which XGBoost and pandas hand matrices over."""
    program = (
        "import importlib, pkgutil, model, scipy.special, scipy.linalg, scipy.sparse.linalg, scipy.sparse.csgraph, "
        "xgboost.sklearn, pandas, fastparquet, boto3\n"
        "for one in pkgutil.walk_packages(model.__path__, 'model.'):\n"
        "    if not one.name.endswith('__main__'): importlib.import_module(one.name)\n"
        "for one in ('s3', 'ssm', 'sts'): boto3.client(one, region_name='us-east-1')\n"
        "import pandas as pd; pd.DataFrame({'a': pd.arrays.SparseArray([0, 1])}).sparse.to_coo()\n"
        "print('all of it')"
    )
    assert docker("run", "--rm", "--entrypoint=python", image, "-c", program) == "all of it"


def test_it_trains_on_a_read_only_root(container: list[str]) -> None:
    answer = subprocess.run(
        [DOCKER.command if DOCKER else "", "run", "--rm", *container], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert json.loads(answer.stderr.splitlines()[-1])["event"] == "done"


@pytest.mark.parametrize("seconds", [0.0, 0.3, 2.0])
def test_sigterm_ends_it_at_once_even_while_it_imports(container: list[str], seconds: float) -> None:
    identity = docker("create", *container)
    try:
        docker("start", identity)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # the moment in the program's life is what is tested
            time.sleep(0.01)
        docker("stop", f"--time={LONG:.0f}", identity)
        # It ended by the signal, before its work was done.
        assert docker("inspect", "--format={{.State.ExitCode}}", identity) == "143"
        shown = subprocess.run([DOCKER.command if DOCKER else "", "logs", identity], capture_output=True, text=True)
        assert '"done"' not in shown.stdout + shown.stderr
    finally:
        docker("rm", "--force", identity)


@pytest.mark.parametrize(
    ("program", "health"), [("while True: pass", "healthy"), ("import time; time.sleep(60)", "unhealthy")]
)
def test_health_is_getting_on_with_work(container: list[str], image: str, program: str, health: str) -> None:
    often = ["--health-interval=300ms", "--health-retries=3", "--health-start-period=0s", "--entrypoint=python"]
    identity = docker("run", "--detach", *often, *container, "-c", program)
    try:
        for _ in range(200):
            state = json.loads(docker("inspect", "--format={{json .State.Health}}", identity))
            if len(state["Log"]) >= 5:
                break
            time.sleep(0.05)
        assert state["Status"] == health
    finally:
        docker("rm", "--force", identity)
