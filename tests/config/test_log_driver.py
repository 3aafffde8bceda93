"""How lines get to the log: what the file says, and what the log driver is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.config import load
from reconciler.core.log_driver import buffer_problem, event_problem
from reconciler.lower import log_options

SMALL = {"max-buffer-size": "4m"}


@pytest.mark.parametrize(
    ("logs", "told"),
    [
        ({}, {"mode": "blocking"}),
        ({"mode": "non-blocking"}, {"mode": "non-blocking"}),
        ({"mode": "non-blocking", "options": SMALL}, {"mode": "non-blocking", **SMALL}),
        ({"mode": "account"}, {}),
        ({"mode": "account", "options": SMALL}, SMALL),
        # What said it before there was `mode`.
        ({"options": {"mode": "non-blocking", **SMALL}}, {"mode": "non-blocking", **SMALL}),
        ({"options": SMALL}, {"mode": "non-blocking", **SMALL}),
        ({"options": {"mode": "blocking"}}, {"mode": "blocking"}),
    ],
    ids=json.dumps,
)
def test_no_line_is_lost_unless_the_file_says_so(logs: dict[str, Any], told: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(json.dumps({"name": "ok", "logs": logs}))
    options = log_options(load(tmp_path / "deploy.yaml", environ={}, files=False))
    assert {key: value for key, value in options.items() if not key.startswith("awslogs-")} == told


@pytest.mark.parametrize(
    ("size", "right"),
    [("10m", True), ("1048576", True), ("1.5 MiB", True), ("2gb", True), ("4K", True), ("", False), ("m", False),
     ("-1m", False), ("ten", False), ("4x", False), ("4m ", False)],
)  # fmt: skip
def test_sizes_of_a_buffer(size: str, right: bool) -> None:
    assert (buffer_problem({"max-buffer-size": size}) is None) is right


@pytest.mark.parametrize(
    ("pattern", "right"),
    [
        ("^INFO", True), (r"^\[(?:INFO|WARN)\]", True), ("^{", True), ("[[:alpha:]]+", True), (r"\pL", True),
        (r"\z", True),
        (r"(?P<level>INFO)", True), ("(?U)a", True), (r"\w{1000}", True), (r"a\\1", True), (r"\(?#\d", True),
        (r"\(?=x", True), ("[(?=)]", True), (r"\123", True), (r"\Qa\1(\E", True),
        ("(", False), ("[", False), ("a{2,1}", False), ("(?=x)", False), ("(?<!x)y", False), (r"(a)\1", False),
        (r"\\(?=x)", False), ("[]a](?!x)", False), ("(?#c)", False), ("(?>a)", False),
    ],
)  # fmt: skip
def test_patterns_that_go_reads(pattern: str, right: bool) -> None:
    assert (event_problem({"awslogs-multiline-pattern": pattern}) is None) is right
