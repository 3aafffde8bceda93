"""What others may have written, nested however deeply, is refused by its name before it is read."""

from __future__ import annotations

import contextlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost

from model import boost, champion, checkpoint, compare, harmless, params, predict, sweep, ubjson
from model.errors import InputError
from model.harmless import DEEPEST, Deep
from model.ubjson import Unreadable

DEEP = "[" * 100_000


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's readers, which would go to the limit of calls, are given nothing."""

    def read(*_arguments: Any, **_more: Any) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(json, "loads", read)
    monkeypatch.setattr(tomllib, "loads", read)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("champion.json", DEEP, lambda folder: champion.read(str(folder))),
        ("manifest.json", DEEP, lambda folder: predict.read_manifest(str(folder))),
        ("manifest.json", DEEP, lambda folder: compare.read(str(folder))),
        ("params.json", DEEP, lambda folder: params.load({"PARAMS_FILE": str(folder / "params.json")})),
        ("params.toml", "a = " + DEEP, lambda folder: params.load({"PARAMS_FILE": str(folder / "params.toml")})),
        ("--grid", DEEP, lambda folder: sweep.parse_grid(DEEP)),
    ],
)
def test_it_is_refused(name: str, content: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}: not valid (JSON|TOML): it is nested deeper than 100 levels"):
        read(tmp_path)


@pytest.mark.usefixtures("unread")
def test_a_model_file_and_a_checkpoint_are_refused() -> None:
    with pytest.raises(Unreadable, match="it is nested deeper than 100 levels"):
        ubjson.decode(b'{"a":' + DEEP.encode())
    with pytest.raises(checkpoint.Unfit, match="it isn't a checkpoint of this program"):
        checkpoint.unseal(DEEP[: checkpoint._MAX_HEADER - 1].encode() + b"\n", {})


@pytest.mark.parametrize(
    ("name", "value"), [("start", DEEP), ("start", "{"), ("start", '{"mean": 1}'), ("rounds", "many")]
)
def test_a_booster_whose_notes_were_changed_cannot_be_read(name: str, value: str) -> None:
    table = xgboost.DMatrix(np.ones((4, 1)), label=np.ones(4), feature_names=["a"])
    booster = xgboost.train({"nthread": 1}, table, num_boost_round=1)
    booster.set_attr(target="direction", rounds="1")
    booster.set_attr(**{name: value})
    raw = bytes(booster.save_raw("json"))
    with pytest.raises(Unreadable, match="it was changed" + (".*nested deeper" if value is DEEP else "")):
        boost.load(raw, ["a"])
    with pytest.raises(Unreadable, match="it was changed"):
        boost.load(raw, ["b"])


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1])
def test_ubjson_may_be_as_deep_as_json(depth: int) -> None:
    key = b"L\0\0\0\0\0\0\0\1a"
    raw = b"{" + key + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    text = b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    if depth > DEEPEST:
        for content in (raw, text):
            with pytest.raises(Unreadable, match="it is nested deeper than 100 levels"):
                ubjson.decode(content)
    else:
        assert ubjson.decode(raw) == ubjson.decode(text)


FLAT = [
    json.dumps([DEEP, {DEEP: "{" * 300}]),
    json.dumps(['"' + DEEP, "\\" + DEEP, '\\"' + DEEP, "'" + DEEP, "#" + DEEP]),
    json.dumps(["[" * 300, "", "\u2603"], ensure_ascii=False),
    "[" + ",".join(["[{}]"] * 300) + "]",
]


@pytest.mark.parametrize("text", FLAT)
def test_brackets_in_texts_are_none(text: str) -> None:
    for encoding in ("utf-8", "utf-16", "utf-8-sig"):
        assert harmless.loads(text.encode(encoding)) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        f"a = '{DEEP}'",
        f"a = '\\'\n# {DEEP}\nb = 1",
        f'a = """\n"{DEEP}\\"""\n{DEEP}"""',
        f"a = '''\n'{DEEP}\"''\n'''",
        f"a = {'[' * 99}1,#]\n{']' * 99}",
        "[[a]]\nb = [{c = 'd'}] # don't [\n" * 300,
    ],
)
def test_toml_that_is_flat_enough(text: str) -> None:
    harmless.refuse_deep(text)
    tomllib.loads(text)


@pytest.mark.parametrize(
    "before", ["", '# "\n', "# '\n", "# '''\n", "b = '\"'\n", "b = '\\'\n", "b = '''\"'''\n", 'b = """\'\'\'"""\n']
)
@pytest.mark.parametrize("deep", [DEEP, "[\n" * 200, "{b = [" * 100, "[ # ]\n" * 200, "['[', '''\n[''', " * 200])
def test_toml_that_is_not(before: str, deep: str) -> None:
    with pytest.raises(Deep):
        harmless.refuse_deep(f"{before}a = {deep}")


def test_a_table_where_a_number_belongs_is_refused_however_deep(tmp_path: Path) -> None:
    """TOML writes tables in one another without a bracket."""
    path = tmp_path / "params.toml"
    for key in ("eta", "direction.eta", "direction.eta.x", "eta" + ".a" * 3000, "direction.eta" + ".a" * 3000):
        path.write_text(f"{key} = {{a = 1}}")
        with pytest.raises(InputError, match=r"params.toml: eta is a table: use a number from 0.0001 to 1"):
            params.load({"PARAMS_FILE": str(path)})
    path.write_text("eta = [" + "1," * 100_000 + "]")
    with pytest.raises(InputError, match=r"params.toml: eta is a list: use a number") as caught:
        params.load({"PARAMS_FILE": str(path)})
    assert len(str(caught.value)) < 300
    path.write_text("direction = [" + "1," * 100_000 + "]")
    with pytest.raises(InputError, match=r"params.toml: direction must hold a table of hyperparameters") as caught:
        params.load({"PARAMS_FILE": str(path)})
    assert len(str(caught.value)) < 300


def test_a_long_text_is_looked_through_once() -> None:
    """Each of these would take a minute if it were looked through again for each of its quotes."""
    for part in ('"\\', '"\\[', '["\\', '\\"[', '"[', '[["', "['", "'''[", '"""[', "#["):
        with contextlib.suppress(Deep):
            harmless.refuse_deep("[]," * 101 + part * 200_000)
