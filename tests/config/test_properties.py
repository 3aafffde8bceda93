"""For any file at all: a deploy, or ConfigErrors whose every problem has its place; and `show` loses nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reconciler.config import ConfigErrors, Deploy, load, show
from reconciler.config import fields as schema_fields
from reconciler.core.aws_names import RETENTION_DAYS
from reconciler.core.fargate import SIZES
from tests.share import examples

ENVIRON = {"NAME": "ok", "EMPTY": "", "API_TOKEN": "s3cr3t-value", "ODD": "a: [b\n'\"#${x}"}


@contextmanager
def file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deploy.yaml"
        path.write_bytes(content)
        yield path


def survives(content: bytes) -> None:
    with file(content) as path:
        try:
            deploy = load(path, environ=ENVIRON, git_sha=lambda: None)
        except ConfigErrors as errors:
            assert errors.errors, "nothing is said"  # noqa: PT017 - an error is one of two good ends
            lines = content.decode("utf-8", "replace").splitlines() or [""]
            for error in errors.errors:
                assert error.message
                assert error.fix
                assert 0 <= error.line <= len(lines) + 1
                assert str(error).startswith(str(path))
                assert "s3cr3t-value" not in str(error)
        else:
            assert isinstance(deploy, Deploy)


@given(st.binary(max_size=300))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes(content: bytes) -> None:
    survives(content)


@given(st.text(alphabet=st.sampled_from(list("name: ok\n\t-[]{}&*!|>'\"%@`#,?~$.0é\u2028\x85")), max_size=120))
@settings(max_examples=examples(400), deadline=None)
@example("name: ok\ntask: &a {environment: *a}")
@example("? ")
@example("<<: {name: ok}")
@example("name: ok\n<<: [{region: us-east-1}, 1]")
@example("!!int name: ok")
@example("name: !!int x")
@example("name: !!float x")
@example("name: !!null x")
@example("name: !!set {a}")
@example("name: !!map x")
@example("%YAML 9.9\n---\nname: ok")
@example("%YAML a\n---\nname: ok")
@example("name: ok\nregion: 0x")
@example("name: ok\ntask: {stop_timeout: " + "9" * 5000 + "}")
def test_any_text_that_looks_like_yaml(text: str) -> None:
    survives(text.encode("utf-8", "surrogatepass"))


KEYS = sorted({part for pattern in schema_fields.table() for part in pattern} | {"<<", "no", "1", "", "x y"})
SCALARS = st.sampled_from(
    ["ok", "No_Way", "${NAME}", "${EMPTY}", "${NOPE}", "${API_TOKEN}", "x${API_TOKEN}", "${ODD}", "$${x}", "${",
     "default", "~/x", "data.csv", "s3://a/b", "arn:aws:s3:::a", "", "1 vCPU", "2GB", "latest", "null", 0, 1, -1, 7,
     10**30, 1.5, True, False, None]
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=15,
)


@st.composite
def shaped(draw: st.DrawFn) -> dict[str, Any]:
    """Mappings with real keys in their real places, and values that are mostly wrong."""

    def value(at: tuple[str, ...], depth: int) -> Any:
        known = [p[-1] for p in schema_fields.table() if p[:-1] == at and p[-1] not in ("[]", "{}")]
        choice = draw(st.integers(0, 3))
        if known and choice:
            keys = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
            return {key: value((*at, key), depth + 1) for key in keys}
        if (*at, "[]") in schema_fields.table() and choice:
            return [value((*at, "[]"), depth + 1) for _ in range(draw(st.integers(0, 2)))]
        return draw(SCALARS if choice else TREES)

    keys = draw(st.lists(st.sampled_from(list(Deploy.model_fields)), max_size=6, unique=True))
    return {"name": "ok"} | {key: value((key,), 0) for key in keys}


@given(shaped() | TREES)
@settings(max_examples=examples(500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_tree(tree: Any) -> None:
    survives(yaml.safe_dump(tree, allow_unicode=True).encode())


NAMES = st.from_regex(r"[a-z][a-z0-9]{1,8}(-[a-z0-9]{1,5}){0,3}", fullmatch=True).filter(lambda s: s[:3] != "sg-")
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30) | st.sampled_from(
    ["no", "1.10", "~", "null", "", " a ", "${x}", "$${x}", "a: b", "- a", "# a", "2024-01-01", "0o17", "1_0", "0x1F",
     "12:30", ".inf", "<<", "=", "a\nb\n", "\n", "\t", "'", '"', "*a", "&a", "!a", "%a", "@a", "`a", "\u2028", "\ufeff",
     "👍", "1e3", ".5", "-", "?", ":"]
)  # fmt: skip
SIZE = st.sampled_from([(c, m) for c, row in SIZES.items() for m in row])


@st.composite
def deploys(draw: st.DrawFn) -> dict[str, Any]:
    def some(**parts: st.SearchStrategy[Any]) -> dict[str, Any]:
        return {k: draw(v) for k, v in parts.items() if draw(st.booleans())}

    cpu, memory = draw(SIZE)
    variables = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True), TEXT, max_size=4)
    words = st.lists(TEXT, max_size=4)
    bucket = some(
        name=NAMES.map(lambda n: f"bucket-{n}"),
        versioning=st.booleans(),
        protect=st.booleans(),
        lifecycle=st.lists(st.fixed_dictionaries({"prefix": TEXT, "expire_days": st.integers(1, 9999)}), max_size=2),
    )
    image = some(
        dockerfile=TEXT.filter(bool),
        build_args=variables,
        tags=st.lists(st.sampled_from(["latest", "1.10", "no", "007", "v1", "_"]), max_size=3),
        target=TEXT.filter(bool),
        repository=st.fixed_dictionaries({"keep_images": st.none() | st.integers(1, 1000)}),
    )
    if draw(st.booleans()):
        image = {"uri": "python:3.12", "tags": []}
    task = {"cpu": cpu, "memory": memory} | some(
        environment=variables.map(lambda v: {f"V_{k}": t for k, t in v.items()}),
        command=words,
        entrypoint=words,
        stop_timeout=st.none() | st.integers(2, 120),
        platform=st.sampled_from(["X86_64", "ARM64"]),
        role=st.sampled_from([
            {"read": ["data/*"]}, {"write": []}, {"name": "a-role"},
            {"policy": {"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:*"], "Resource": "*",
                                       "Condition": {"Bool": {"aws:a": "true"}, "StringLike": {"a:b": ["b", "c"]}}}]}},
        ]),
    )  # fmt: skip
    # Not `.` or the like, which is a folder wherever it is read, and then gets a slash.
    files = draw(st.lists(TEXT.filter(lambda text: bool(text.strip("./"))), max_size=3))
    return {
        "name": draw(NAMES),
        "data": {"bucket": bucket, "files": [{"file": f, "key": f"data/{i}"} for i, f in enumerate(files)]},
        "image": image,
        "task": task,
    } | some(
        region=st.sampled_from(["us-east-1", "eu-central-1"]),
        account=st.sampled_from(["012345678901", "123456789012", None]),
        tags=st.sampled_from([{}, {"a": "no", "b": "1.10", "c": ""}]),
        logs=st.fixed_dictionaries({"retention_days": st.none() | st.sampled_from(RETENTION_DAYS)}),
        network=st.sampled_from([{"subnets": "default"}, {"subnets": ["subnet-01234567"], "vpc": "vpc-01234567"}]),
        ci=st.sampled_from([None, {"github": {"repository": "o/n"}}, {"user": {"access_keys": 1}}]),
        run=st.fixed_dictionaries(
            {"when": st.sampled_from(["always", "never"]), "results": st.none() | TEXT.filter(bool)}
        ),
    )


@given(deploys())
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_show_loses_nothing(tree: dict[str, Any]) -> None:
    deploy = Deploy.model_validate(tree).filled()
    text = show(deploy)
    with file(text.encode()) as path:
        try:
            again = load(path, environ={}, files=False)
        except ConfigErrors as errors:
            pytest.fail(f"{errors}\n{text}")
    assert again == deploy
    assert show(again) == text
    assert deploy.filled() == deploy


def test_show_is_in_the_order_of_the_schema_and_says_what_the_bucket_will_be() -> None:
    text = show(Deploy(name="forecast"))
    keys = [line.split(":")[0] for line in text.splitlines() if line[0] not in " -"]
    assert keys == [name for name in Deploy.model_fields if name != "environments"], "what is shown is one of them"
    assert "\ndata:\n  bucket:\n    name: null  # forecast-data-ACCOUNT\n" in text
    assert "name: null  # forecast-data-123456789012\n" in show(Deploy(name="forecast", account="123456789012"))
    assert "# " not in show(Deploy.model_validate({"name": "a1", "data": {"bucket": {"name": "abc"}}}))
