# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.canonical import policy
from reconciler.core.diff import diff, whole
from reconciler.core.secret import MASK, looks_secret
from reconciler.core.spec import Address, Change, Ref
from tests.core.things import OWNED, Loose, Part, Thing, thing

REF = Ref(Address("image", "repo"), "uri")
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "r"}


def doc(*statements: dict[str, Any]) -> Any:
    return policy({"Version": "2012-10-17", "Statement": list(statements)})


def C(path: str, before: Any, after: Any, **more: bool) -> Change:  # noqa: N802
    return Change(path, before, after, **more)


Case = tuple[str, dict[str, Any], dict[str, Any], list[Change]]
# name, wanted fields, fields that are there, changes
CASES: list[Case] = [
    ("equal", {"size": 1, "text": "a"}, {"size": 1, "text": "a"}, []),
    ("number", {"size": 30}, {"size": 7}, [C("size", 7, 30)]),
    ("to nothing", {"text": ""}, {"text": "a"}, [C("text", "a", "")]),
    ("two fields, in their order", {"size": 1, "text": "b"}, {"size": 2, "text": "a"}, [C("size", 2, 1), C("text", "a", "b")]),
    ("immutable", {"shape": "round"}, {"shape": "square"}, [C("shape", "square", "round", replaces=True)]),
    ("list of words", {"words": ("a", "b")}, {"words": ("b", "a")}, [C("words", ["b", "a"], ["a", "b"])]),
    ("words to none", {"words": ()}, {"words": ("a",)}, [C("words", ["a"], [])]),
    ("none to words", {"words": ("a",)}, {"words": ()}, [C("words", [], ["a"])]),
    ("a model where none was", {"plain": {"a": Part(name="b")}}, {}, [C("plain.a", None, {"name": "b", "size": 0})]),
    ("models where none were", {"plain": {"a": (Part(name="b"),)}}, {}, [C("plain.a[b]", None, {"name": "b", "size": 0})]),
    ("models to none", {}, {"plain": {"a": (Part(name="b"),)}}, [C("plain.a[b]", {"name": "b", "size": 0}, None)]),
    ("immutable part", {"fixed": (Part(name="a", size=1),)}, {"fixed": (Part(name="a", size=2),)},
     [C("fixed[a].size", 2, 1, replaces=True)]),
    ("secret parts", {"vault": (Part(name="a", size=1),)}, {"vault": (Part(name="a", size=2),)}, [C("vault[a].size", MASK, MASK)]),
    ("secret by name in a part", {"named": (Part(name="a", env={"TOKEN": "n"}),)}, {"named": (Part(name="a", env={"TOKEN": "o"}),)},
     [C("named[a].env.TOKEN", MASK, MASK)]),
    ("a rule more", {}, {"rules": (Loose(text="a"),)}, [C("rules[]", {"text": "a", "size": 0}, None, widens=True)]),
    ("reference", {"colour": REF}, {"colour": "red"}, [C("colour", "red", str(REF))]),
    ("the same reference", {"colour": REF}, {"colour": REF}, []),
    ("text like a reference", {"colour": REF}, {"colour": str(REF)}, [C("colour", str(REF), str(REF))]),
    ("local", {"file": "a"}, {"file": "b"}, []),
    # mappings
    ("a key's value", {"plain": {"a": 1, "b": 2}}, {"plain": {"a": 1, "b": 3}}, [C("plain.b", 3, 2)]),
    ("a key more", {"plain": {}}, {"plain": {"a": 1}}, [C("plain.a", 1, None)]),
    ("a key less", {"plain": {"a": 1}}, {"plain": {}}, [C("plain.a", None, 1)]),
    ("keys in order", {"plain": {"b": 1, "a": 1}}, {"plain": {}}, [C("plain.a", None, 1), C("plain.b", None, 1)]),
    ("deep keys", {"plain": {"a": {"b": {"c": 1}}}}, {"plain": {"a": {"b": {"c": 2}}}}, [C("plain.a.b.c", 2, 1)]),
    ("mapping to text", {"plain": {"a": {"b": 1}}}, {"plain": {"a": "b"}}, [C("plain.a", "b", {"b": 1})]),
    ("tags", {"tags": {"a": "1"}}, {"tags": {"a": "2", "b": "3"}}, [C("tags.a", "2", "1"), C("tags.b", "3", None)]),
    # lists of models
    ("part's field", {"parts": (Part(name="a", size=1),)}, {"parts": (Part(name="a", size=2),)}, [C("parts[a].size", 2, 1)]),
    ("order of parts", {"parts": (Part(name="a"), Part(name="b"))}, {"parts": (Part(name="b"), Part(name="a"))}, []),
    ("a part more", {"parts": ()}, {"parts": (Part(name="a", size=1),)}, [C("parts[a]", {"name": "a", "size": 1}, None)]),
    ("a part less", {"parts": (Part(name="a"),)}, {"parts": ()}, [C("parts[a]", None, {"name": "a", "size": 0})]),
    ("a part for another", {"parts": (Part(name="a"),)}, {"parts": (Part(name="b"),)},
     [C("parts[b]", {"name": "b", "size": 0}, None), C("parts[a]", None, {"name": "a", "size": 0})]),
    ("one of two parts", {"parts": (Part(name="a", size=1), Part(name="b"))}, {"parts": (Part(name="b"), Part(name="a", size=2))},
     [C("parts[a].size", 2, 1)]),
    ("two of one name", {"parts": (Part(name="a", size=1),)}, {"parts": (Part(name="a", size=2), Part(name="a", size=3))},
     [C("parts[a].size", 2, 1), C("parts[a]", {"name": "a", "size": 3}, None)]),
    ("the only nameless one", {"loose": (Loose(text="a"),)}, {"loose": (Loose(text="b"),)}, [C("loose[].text", "b", "a")]),
    ("nameless ones", {"loose": (Loose(text="a"), Loose(text="b"))}, {"loose": (Loose(text="c"), Loose(text="d"))},
     [C("loose[]", {"text": "c", "size": 0}, None), C("loose[]", {"text": "d", "size": 0}, None),
      C("loose[]", None, {"text": "a", "size": 0}), C("loose[]", None, {"text": "b", "size": 0})]),
    ("one nameless for two", {"loose": (Loose(text="a"),)}, {"loose": (Loose(text="c"), Loose(text="d"))},
     [C("loose[]", {"text": "c", "size": 0}, None), C("loose[]", {"text": "d", "size": 0}, None),
      C("loose[]", None, {"text": "a", "size": 0})]),
    # at least
    ("more than at least", {"audiences": ("a",)}, {"audiences": ("a", "b")}, []),
    ("less than at least", {"audiences": ("a", "b")}, {"audiences": ("a", "c")}, [C("audiences", ["a", "c"], ["a", "c", "b"])]),
    ("nothing of at least", {"audiences": ("a",)}, {"audiences": ()}, [C("audiences", [], ["a"])]),
    # secrets
    ("secret", {"key": "new"}, {"key": "old"}, [C("key", MASK, MASK)]),
    ("secret where none was", {"key": "new"}, {"key": ""}, [C("key", "", MASK)]),
    ("secret of a part", {"parts": (Part(name="a", password="n"),)}, {"parts": (Part(name="a", password="o"),)},
     [C("parts[a].password", MASK, MASK)]),
    ("secret in a part", {"parts": (Part(name="a", password="n"),)}, {},
     [C("parts[a]", None, {"name": "a", "size": 0, "password": MASK})]),
    ("secret by name", {"options": {"DB_PASSWORD": "n", "USER": "u"}}, {"options": {"DB_PASSWORD": "o", "USER": "v"}},
     [C("options.DB_PASSWORD", MASK, MASK), C("options.USER", "v", "u")]),
    ("secret by name, gone", {}, {"options": {"API_TOKEN": "x"}}, [C("options.API_TOKEN", MASK, None)]),
    ("secret by name that is a number", {"options": {"DB_PASSWORD": 1}}, {"options": {"DB_PASSWORD": 2}},
     [C("options.DB_PASSWORD", MASK, MASK)]),
    ("secret in a command", {"command": ("run", "--password=n")}, {"command": ("run", "--password", "o")},
     [C("command", ["run", "--password", MASK], ["run", f"--password={MASK}"])]),
    ("secret by name, deep", {"options": {"a": {"token": "n"}}}, {"options": {"a": {"token": "o"}}},
     [C("options.a.token", MASK, MASK)]),
    ("secret by name, inside of what is new", {"options": {"a": {"token": "n", "b": ["c"]}}}, {"options": {"a": 1}},
     [C("options.a", 1, {"token": MASK, "b": ["c"]})]),
    ("secret by name, in a list", {"options": {"a": [{"token": "n"}]}}, {}, [C("options.a", None, [{"token": MASK}])]),
    ("below a secret name", {"options": {"secret": {"a": "b"}}}, {"options": {"secret": {"a": "c"}}},
     [C("options.secret.a", MASK, MASK)]),
    ("names say nothing elsewhere", {"plain": {"TOKEN": "n"}}, {"plain": {"TOKEN": "o"}}, [C("plain.TOKEN", "o", "n")]),
    # policies
    ("a statement's part", {"about": doc(STATEMENT)}, {"about": doc(STATEMENT | {"Resource": ["r", "s"]})},
     [C("about.statements[Allow s3:GetObject].resources", ["r", "s"], ["r"])]),
    ("a named statement", {"about": doc(STATEMENT | {"Sid": "Read"})}, {"about": doc(STATEMENT | {"Sid": "Read", "Action": "s3:*"})},
     [C("about.statements[Read].actions", ["s3:*"], ["s3:GetObject"])]),
    ("a named and a nameless statement", {"about": doc(STATEMENT, STATEMENT | {"Sid": "Z", "Resource": "z"})},
     {"about": doc(STATEMENT | {"Resource": "q"}, STATEMENT | {"Sid": "Z", "Resource": "y"})},
     [C("about.statements[Z].resources", ["y"], ["z"]), C("about.statements[Allow s3:GetObject].resources", ["q"], ["r"])]),
    ("a statement more", {"document": doc()}, {"document": doc(STATEMENT)},
     [C("document.statements[Allow s3:GetObject]",
        {"effect": "Allow", "actions": ["s3:GetObject"], "resources": ["r"]}, None, widens=True)]),
]  # fmt: skip


@pytest.mark.parametrize(("want", "seen", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_diff(want: dict[str, Any], seen: dict[str, Any], expected: list[Change]) -> None:
    assert list(diff(thing(**want), thing(**seen))) == expected


@pytest.mark.parametrize("fields", [case[n] for case in CASES for n in (1, 2)])
def test_nothing_differs_from_itself(fields: dict[str, Any]) -> None:
    assert diff(thing(**fields), thing(**fields)) == ()
    assert (
        diff(thing(**fields), Thing.model_validate(thing(**fields).model_dump())) == ()
        or {"colour", "plain"} & fields.keys()
    )


def test_what_a_creation_sets_is_shown_by_field() -> None:
    spec = thing(
        size=3, shape="round", colour=REF, parts=(Part(name="a", password="p"),), options={"A": "b", "TOKEN": "t"},
        key="k", file="/tmp/x", allowed=("a",), document=doc(STATEMENT), loose=(),
    )  # fmt: skip
    assert list(whole(spec)) == [
        C("tags", None, OWNED),
        C("size", None, 3),
        C("shape", None, "round"),
        C("colour", None, str(REF)),
        C("parts", None, [{"name": "a", "size": 0, "password": MASK}]),
        C("options", None, {"A": "b", "TOKEN": MASK}),
        C("key", None, MASK),
        C("allowed", None, ["a"]),
        C("document", None, {
            "version": "2012-10-17",
            "statements": [{"effect": "Allow", "actions": ["s3:GetObject"], "resources": ["r"]}],
        }),
    ]  # fmt: skip


def test_what_stands_for_a_secret() -> None:
    assert MASK == "(hidden)"


def test_a_creation_with_nothing_said_sets_nothing() -> None:
    assert whole(Thing(name="a")) == ()


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD", "password", "SECRET", "clientSecret", "API_KEY", "apikey", "TOKEN", "GITHUB_TOKEN", "splunk-token",
        "AUTH", "BASIC_AUTH", "PRIVATE_KEY", "AWS_CREDENTIALS", "CREDS", "DB_PASS", "PASSPHRASE", "SLACK_WEBHOOK", "SENTRY_DSN",
        "DB_PWD", "COOKIE", "KEYS", "ENCRYPTION_KEY",
    ],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "S3_KEY", "s3_key", "S3_BUCKET", "USE_S3", "AWS_DEFAULT_REGION", "KEYBOARD", "TOKENIZER", "AUTHOR", "COMPASS", "PWD",
        "awslogs-group", "MONKEY", "",
    ],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert not looks_secret(name)
