"""`plan` and `apply` warn of a secret that others may read, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.target import plain_secrets
from reconciler.config import load

NOTHING = [
    "task: {environment: {TOKENIZER: bert, MAX_TOKENS: '512', KEYS: '3', TOKEN_URL: 'https://example.com/t'}}",
    "task: {secrets: {API_TOKEN: 'arn:aws:ssm:us-east-1:123456789012:parameter/x'}}",
    "parameters: {API_TOKEN: {secure: true}}",
    "parameters: {API_TOKEN: {name: /shared/token}}",
    "parameters: {EPOCHS: 3}",
    "task: {environment: {API_TOKEN: ''}}",
]
SOMETHING = [
    ("task: {environment: {API_TOKEN: planted-1-x, LR: '0.1'}}", "task.environment.API_TOKEN"),
    ("task: {environment: {OTHER: '${MY_SECRET}'}}", "task.environment.OTHER"),
    ("task: {environment: {DB: 'postgres://u:planted-1-x@h/d'}}", "task.environment.DB"),
    ("task: {command: [python, -m, model, --api-key, planted-1-x]}", "task.command"),
    ("task: {entrypoint: [sh, -c, 'TOKEN=planted-1-x python']}", "task.entrypoint"),
    ("parameters: {API_TOKEN: {value: planted-1-x}}", "parameters.API_TOKEN"),
    ("image: {context: ., build_args: {PIP_TOKEN: planted-1-x}}", "image.build_args.PIP_TOKEN"),
]


def found(folder: Path, text: str) -> list[str]:
    image = "" if "image:" in text else "image: .\n"
    (folder / "deploy.yaml").write_text(f"name: tiny\ndata: p.csv\n{image}{text}\n")
    deploy = load(folder / "deploy.yaml", environ={"MY_SECRET": "planted-1-x"}, files=False)
    return plain_secrets(deploy)


@pytest.mark.parametrize("text", NOTHING)
def test_nothing(text: str, tmp_path: Path) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(("text", "place"), SOMETHING)
def test_where(text: str, place: str, tmp_path: Path) -> None:
    assert found(tmp_path, text) == [place]
