"""The actions of all workflows, this project's and those that `init` writes, are in majors that run on Node.js 24.

GitHub's runners have no earlier one since September 2026:
https://github.blog/changelog/2025-09-19-deprecation-of-node-20-on-github-actions-runners/
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab_client import ROOT

# The first version whose `action.yml` says `using: node24`, for itself and what it uses; each from the release notes of
# that action, as https://github.com/actions/checkout/releases/tag/v5.0.0
ON_NODE_24 = {
    "actions/checkout": (5,),
    "actions/setup-python": (6,),
    "actions/upload-artifact": (6,),
    "actions/download-artifact": (7,),
    "actions/attest-build-provenance": (4,),
    "aws-actions/configure-aws-credentials": (6,),
    "docker/setup-buildx-action": (4,),
    "docker/login-action": (4,),
    "docker/build-push-action": (7,),
    # A container, with a step of setup-python: https://github.com/pypa/gh-action-pypi-publish/pull/408
    "pypa/gh-action-pypi-publish": (1, 14, 1),
}
TEMPLATES = (ROOT / "reconciler/cli/init").glob("*.y*ml")  # of other CI systems too
WORKFLOWS = sorted(
    path for path in (*(ROOT / ".github/workflows").iterdir(), *TEMPLATES) if "runs-on: " in path.read_text()
)


def wrong(text: str) -> list[str]:
    """The actions of a workflow that aren't pinned by commit, or run on an earlier Node.js for all that is known."""
    found = []
    for line in re.findall(r"\buses: *(.*)", text):
        match = re.fullmatch(r"([\w-]+/[\w-]+)@[0-9a-f]{40} # v(\d+)\.(\d+)\.(\d+)", line.strip())
        known = match is not None and tuple(map(int, match.groups()[1:])) >= ON_NODE_24.get(match[1], (1000,))
        found += [] if known else [line]
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_runs_on_node_24(workflow: Path) -> None:
    assert wrong(workflow.read_text()) == []


def test_all_workflows_are_looked_at() -> None:
    assert {"ci.yml", "release.yml", "workflow.yml"} <= {path.name for path in WORKFLOWS}


@pytest.mark.parametrize(
    "action",
    [
        "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v4.2.2",
        "actions/checkout@v5",
        "pypa/gh-action-pypi-publish@ed0c53931b1dc9bd32cbe73a98c7f6766f8a527e # v1.13.0",
        "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8",
        "somebody/else@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v9.0.0",
    ],
)
def test_what_isnt_known_to_is_found(action: str) -> None:
    assert wrong(f"      - uses: {action}\n") == [action]
