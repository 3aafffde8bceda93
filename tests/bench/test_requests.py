"""The number of requests of each command on the committed deploy.yaml, by operation: exact, so that none comes unseen.

After a change that is meant: UPDATE_GOLDEN=1 python -m pytest tests/bench/test_requests.py, and look at what
git shows of requests.json.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from bench.subjects import deploy_file
from reconciler.aws.clients import Clients, method_of, new_session
from reconciler.aws.service_models import SERVICES
from tests.engine.project import Project, use
from tests.golden import WRITE
from tests.lab_client import ROOT, LabHandle

GOLDEN = Path(__file__).with_name("requests.json")
COMMANDS = {
    "plan of nothing": ("plan", "--skip-image"),
    "apply from nothing": ("apply", "--skip-image", "--skip-run"),
    "plan, no changes": ("plan", "--skip-image"),
    "apply, no changes": ("apply", "--skip-image", "--skip-run"),
    "destroy": ("destroy", "--yes", "--delete-data"),
}


@pytest.fixture
def project(lab: LabHandle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = use(lab, tmp_path, monkeypatch)
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    (tmp_path / "data").mkdir()
    made.write("data/sample.csv", "Open time,Open\n2018-01-01 00:00:00,1\n")
    return made


def requests(lab: LabHandle) -> dict[str, int]:
    """Requests by operation, without the looks at the lock, of which a slow machine makes more."""
    counted = Counter(f"{row['service']}:{row['op']}" for row in lab.log())
    del counted["ssm:GetParametersByPath"]
    return dict(sorted(counted.items()))


@pytest.mark.parametrize("name", ["deploy.yaml", "with a user for CI"])
def test_no_request_is_made_unseen(name: str, project: Project, lab: LabHandle) -> None:
    project.write("deploy.yaml", (ROOT / "deploy.yaml").read_text() if name == "deploy.yaml" else deploy_file())
    counted = {}
    for command, arguments in COMMANDS.items():
        lab.zero()
        project.ok(*arguments)
        counted[command] = requests(lab)
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if WRITE:
        sums = {command: sum(counts.values()) for command, counts in counted.items()}
        GOLDEN.write_text(json.dumps(golden | {name: {"sums": sums} | counted}, indent=1) + "\n")
        pytest.skip("written anew")
    del golden[name]["sums"]
    assert counted == golden[name]


def test_the_models_that_are_cut_have_all_that_is_called(lab: LabHandle) -> None:
    """What AWS has no operation for, or a service that isn't among the known ones, is found here and not by a user."""
    text = "\n".join(path.read_text() for path in (ROOT / "reconciler").rglob("*.py") if "local" not in path.parts)
    call = r'\.(?:call|find|find_all|pages|ensure|allowed)\(\s*"(\w+)",\s*f?"([A-Z]\w+)'
    named = set(re.findall(call, text))
    assert len(named) > 50
    assert {service for service, _ in named} <= set(SERVICES)
    clients = Clients("us-east-1", new_session("x", "x"), lab.url, lambda name: False, lambda: None)
    for service, operation in sorted(named):
        stem = method_of(operation)
        client = clients.get(service)
        known = any(name.startswith(stem) for name in dir(client)) or clients.get(service, operation)
        assert known is True or hasattr(known, stem), f"{service}:{operation}"
    clients.close()
