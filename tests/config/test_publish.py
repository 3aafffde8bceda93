"""The published schema and reference are current, say something of every field, and agree with `load`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from reconciler.config import ConfigErrors, fields, load, show
from reconciler.config.publish import REFERENCE, SCHEMA, json_schema, reference, schema_text
from tests.config.cases import cases

ROOT = Path(__file__).parents[2]
SCHEMA_JSON = json_schema()
FIELDS = [(model, name) for model in [None, *SCHEMA_JSON["$defs"]] for name in
          (SCHEMA_JSON if model is None else SCHEMA_JSON["$defs"][model]).get("properties", {})]  # fmt: skip

GOOD = [
    "name: ok\n",
    "name: ok\ndata: data.csv\nimage: .\n",
    "name: ok\ndata: [data.csv]\n",
    "name: ok\ndata: {files: [data.csv, {file: other.csv, key: a/b.csv}], bucket: {name: my-bucket}}\n",
    "name: ${NAME}\nregion: ${REGION:-us-east-1}\naccount: 123456789012\ntask: {cpu: '${CPU:-512}', memory: 1 GB}\n",
    "name: ok\ntask: {cpu: 4 vCPU, memory: 16GB, environment: {A: 1, B: true, C: x}, command: [a, 1, true]}\n",
    "name: ok\nnetwork: {subnets: subnet-01234567}\nrun: {capacity: FARGATE_SPOT, results: null}\n",
    "name: ok\nnetwork: {subnets: [subnet-01234567], public_ip: '${PUBLIC:-no}'}\nlogs: {retention_days: null}\n",
    "name: ok\nci: {user: {access_keys: 1}}\ntags: {a: 1.10}\n",
]


def valid(text: str) -> bool:
    validator = jsonschema.Draft202012Validator(SCHEMA_JSON)
    return not list(validator.iter_errors(yaml.safe_load(text)))


def test_the_files_are_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run: python -m reconciler.config.publish"
    assert REFERENCE.read_text(encoding="utf-8") == reference(SCHEMA_JSON), "run: python -m reconciler.config.publish"


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA_JSON)
    for pattern in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schema_text()):
        re.compile(json.loads(pattern))
        assert not re.search(r"\(\?[^:=!]|\\[AZ]|\[\[", json.loads(pattern)), "not the same in JavaScript"


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_every_field_says_what_it_is(model: str | None, name: str) -> None:
    where = SCHEMA_JSON if model is None else SCHEMA_JSON["$defs"][model]
    field = where["properties"][name]
    assert field["description"].endswith(".")
    assert field["examples"]
    assert "default" in field or name in where["required"]
    assert where["additionalProperties"] is False
    assert where["description"]


def test_every_field_is_in_the_reference() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    for pattern in fields.table():
        if pattern[-1] not in (fields.ITEM, fields.KEY):
            assert f"| `{pattern[-1]}` |" in text


def _place(pattern: tuple[str, ...], value: Any) -> Any:
    tree: Any = value
    for part in reversed(pattern):
        tree = [tree] if part == fields.ITEM else {part: tree}
    return tree


# Examples that want something beside them, by field.
BESIDE: dict[str, dict[str, Any]] = {
    "task.cpu": {"memory": 8192},
    "task.memory": {"cpu": 4096},
    "data.bucket.kms_key": {"encryption": "aws:kms"},
    "image.repository.moving_tags": {"immutable_tags": True},
}


@pytest.mark.parametrize("pattern", [p for p in fields.table() if p[-1] not in (fields.ITEM, fields.KEY)], ids=".".join)
def test_every_example_is_right(pattern: tuple[str, ...], tmp_path: Path) -> None:
    """Neither `load` nor the schema finds anything wrong in it; what else the section needs is another matter."""
    at = [0 if part == fields.ITEM else part for part in pattern]
    named = ".".join(pattern).replace(f".{fields.ITEM}", "[0]")
    for example in fields.table()[pattern].examples or ():
        tree = _place(pattern[:-1], {**BESIDE.get(named, {}), pattern[-1]: example})
        if pattern[-1] == "immutable_tags":
            tree["image"]["tags"] = ["v1"]
        if pattern[-1] == "gpu":
            tree["run"] = {"capacity": "my-gpu-provider"}
        if pattern[-1] == "gpu_type":
            tree |= {"task": tree["task"] | {"gpu": 1}, "run": {"capacity": "managed"}}
        path = tmp_path / "deploy.yaml"
        path.write_text(yaml.safe_dump({"name": "ok"} | tree))
        try:
            load(path, environ={}, git_sha=lambda: "0" * 40, files=False)
        except ConfigErrors as errors:
            wrong = [str(e) for e in errors.errors if e.path.startswith(named)]
            assert not wrong
        validator = jsonschema.Draft202012Validator(SCHEMA_JSON)
        violations = validator.iter_errors(yaml.safe_load(path.read_text()))
        leaves = [leaf for error in violations for leaf in _leaves(error)]
        assert not [leaf.message for leaf in leaves if list(leaf.absolute_path)[: len(at)] == at]


def _leaves(error: Any) -> list[Any]:
    return [leaf for inner in error.context for leaf in _leaves(inner)] if error.context else [error]


@pytest.mark.parametrize("text", GOOD)
def test_what_loads_is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    path.write_text(text)
    deploy = load(path, environ={"NAME": "ok"}, files=False)
    assert valid(text)
    assert valid(show(deploy))


def test_what_is_bad_by_itself_is_seen_by_the_editor() -> None:
    """Names, types and unknown keys; what concerns several fields is beyond a schema of this kind."""
    unseen = {"account with too few digits", "empty path", "duration below the least", "duration of very many digits"}
    unseen |= {"region that there is none of"}  # the list is botocore's, which the schema hasn't
    for case in cases():
        if case.table in ("names", "types") and case.name not in unseen:
            assert not valid(case.text), case.name


def test_our_own_deploy_yaml(tmp_path: Path) -> None:
    text = (ROOT / "deploy.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.relative_to(ROOT)}\n")
    assert valid(text)
    deploy = load(ROOT / "deploy.yaml", environ={}, git_sha=lambda: None, files=False)
    assert deploy.data.files[0].file == "data/sample.csv"
    other = load(ROOT / "deploy.yaml", environ={"DATA_FILE": "/x/real.csv"}, git_sha=lambda: None, files=False)
    assert other.data.files[0].file == "/x/real.csv"
    assert other.data.files[0].key == deploy.data.files[0].key == deploy.task.environment["S3_KEY"]


def test_our_own_deploy_yaml_is_the_guides() -> None:
    deploy = load(ROOT / "deploy.yaml", environ={}, git_sha=lambda: None, files=False)
    role, group, ci = deploy.task.role, deploy.network.security_group, deploy.ci
    assert ci
    assert deploy.image.repository
    assert [
        deploy.task.execution_role.name, role.name, role.policy_name, ci.policy_name, deploy.data.bucket.name,
        deploy.image.repository.name, deploy.cluster.name, deploy.task.family, deploy.task.container,
        deploy.logs.group, group.name,
    ] == [
        "aig130-p2-ecs-task-execution-role", "aig130-p2-ecs-task-role", "aig130-p2-s3-access-policy",
        "aig130-p2-github-actions-policy", "aig130-p2-ml-data-bucket", "aig130-p2-ml-pipeline-ecr",
        "aig130-p2-ml-cluster", "aig130-p2-ml-task", "ml-pipeline-container", "/ecs/aig130-p2-ml-task",
        "aig130-p2-ml-sg",
    ]  # fmt: skip
    assert group.description == "Security group for AIG130 P2 ML ECS tasks"
    assert deploy.data.files[0].key == "data/btc_1h_data_2018_to_2025.csv"
    assert deploy.data.bucket.versioning
    assert deploy.image.repository.scan_on_push
    assert (deploy.task.cpu, deploy.task.memory, deploy.logs.retention_days) == (1024, 2048, 7)
    assert deploy.task.environment == {
        "USE_S3": "true",
        "S3_BUCKET": "aig130-p2-ml-data-bucket",
        "S3_KEY": "data/btc_1h_data_2018_to_2025.csv",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL))
def test_examples_in_the_reference(block: str, tmp_path: Path) -> None:
    if block.startswith("#"):
        return
    path = tmp_path / "deploy.yaml"
    path.write_text(block)
    try:
        load(path, environ={}, files=False)
    except ConfigErrors as errors:
        pytest.fail(str(errors))
    assert valid(block)
