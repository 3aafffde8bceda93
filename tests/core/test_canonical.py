"""Policy documents: what means the same is equal, what doesn't isn't."""

# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from reconciler.core.canonical import Caseless, Policy, Statement, caseless, json_text, policy, strings


def document(version: str | None = "2012-10-17", **parts: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"], **parts}
    return {
        **({"Version": version} if version else {}),
        "Statement": [{key: value for key, value in statement.items() if value is not None}],
    }


TWO = [
    {"Sid": "A", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    {"Sid": "B", "Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"},
]
ROOT = "arn:aws:iam::123456789012:root"
SAME: list[tuple[str, Any, Any]] = [
    ("order of statements", {"Statement": TWO}, {"Statement": TWO[::-1]}),
    ("a statement twice", {"Statement": TWO}, {"Statement": [*TWO, TWO[0]]}),
    ("one statement without a list", {"Statement": TWO[0]}, {"Statement": [TWO[0]]}),
    ("one action", document(Action="s3:GetObject"), document(Action=["s3:GetObject"])),
    ("order of actions", document(Action=["a:B", "a:C"]), document(Action=["a:C", "a:B"])),
    ("an action twice", document(Action=["a:B"]), document(Action=["a:B", "a:B"])),
    ("case of actions", document(Action=["S3:getobject"]), document(Action=["s3:GetObject"])),
    ("an action in two cases", document(Action=["a:B", "A:b"]), document(Action="a:B")),
    ("case of actions changes their order", document(Action=["a:b", "a:C"]), document(Action=["a:B", "a:c"])),
    ("case of what isn't the action", document(Action=None, NotAction="A:B"), document(Action=None, NotAction=["a:b"])),
    ("one resource", document(Resource="*"), document(Resource=["*"])),
    ("order of resources", document(Resource=["x", "y"]), document(Resource=["y", "x"])),
    ("case of Effect", document(Effect="ALLOW"), document(Effect="allow")),
    ("account id", document(Principal={"AWS": "123456789012"}), document(Principal={"AWS": [ROOT]})),
    ("account id among others", document(Principal={"AWS": ["x", "123456789012"]}), document(Principal={"AWS": [ROOT, "x"]})),
    ("account id that is kept out", document(NotPrincipal={"AWS": "123456789012"}), document(NotPrincipal={"AWS": ROOT})),
    ("everybody", document(Principal="*"), document(Principal={"AWS": "*"})),
    ("everybody in a list", document(Principal="*"), document(Principal={"AWS": ["*"]})),
    ("one service", document(Principal={"Service": "ecs-tasks.amazonaws.com"}),
     document(Principal={"Service": ["ecs-tasks.amazonaws.com"]})),
    ("order of principals", document(Principal={"AWS": "x", "Service": "y"}), document(Principal={"Service": "y", "AWS": "x"})),
    ("a truth value", document(Condition={"Bool": {"aws:SecureTransport": True}}),
     document(Condition={"Bool": {"aws:SecureTransport": "true"}})),
    ("a truth value in a list", document(Condition={"Bool": {"aws:SecureTransport": False}}),
     document(Condition={"Bool": {"aws:SecureTransport": ["false"]}})),
    ("a number", document(Condition={"NumericEquals": {"s3:max-keys": 10}}),
     document(Condition={"NumericEquals": {"s3:max-keys": ["10"]}})),
    ("order of a condition's values", document(Condition={"StringLike": {"k": ["b", "a"]}}),
     document(Condition={"StringLike": {"k": ["a", "b"]}})),
    ("order of conditions", document(Condition={"A": {"x": "1"}, "B": {"y": "2"}}),
     document(Condition={"B": {"y": "2"}, "A": {"x": "1"}})),
    ("case of a condition's key", document(Condition={"StringEquals": {"aws:RequestedRegion": "x"}}),
     document(Condition={"StringEquals": {"AWS:requestedregion": "x"}})),
    ("an empty condition", document(Condition={}), document()),
    ("an empty Sid", document(Sid=""), document()),
    ("no version is the old one", document(version=None), document(version="2008-10-17")),
]  # fmt: skip
OTHER: list[tuple[str, Any, Any]] = [
    ("version", document(), document(version="2008-10-17")),
    ("effect", document(), document(Effect="Deny")),
    ("Sid", document(Sid="A"), document(Sid="B")),
    ("case of Sid", document(Sid="A"), document(Sid="a")),
    ("action", document(Action="s3:Get*"), document()),
    ("an action more", document(Action=["s3:GetObject", "s3:PutObject"]), document()),
    ("action and not that action", document(Action="a:b"), document(Action=None, NotAction="a:b")),
    ("resource", document(Resource="x"), document(Resource="y")),
    ("case of resources", document(Resource="x"), document(Resource="X")),
    ("resource and not that resource", document(Resource="x"), document(Resource=None, NotResource="x")),
    ("account id that isn't an AWS principal", document(Principal={"Federated": "123456789012"}),
     document(Principal={"Federated": ROOT})),
    ("something that begins as an account id", document(Principal={"AWS": "1234567890123"}),
     document(Principal={"AWS": "arn:aws:iam::1234567890123:root"})),
    ("sort of principal", document(Principal={"AWS": "x"}), document(Principal={"Service": "x"})),
    ("principal and not that principal", document(Principal={"AWS": "x"}), document(NotPrincipal={"AWS": "x"})),
    ("everybody and nobody said", document(Principal="*"), document()),
    ("condition", document(Condition={"StringEquals": {"k": "x"}}), document()),
    ("a condition's test", document(Condition={"StringEquals": {"k": "x"}}), document(Condition={"StringLike": {"k": "x"}})),
    ("a condition's value", document(Condition={"StringEquals": {"k": "x"}}), document(Condition={"StringEquals": {"k": "y"}})),
    ("case of a condition's value", document(Condition={"StringEquals": {"k": "x"}}),
     document(Condition={"StringEquals": {"k": "X"}})),
    ("a statement more", {"Statement": TWO}, {"Statement": TWO[:1]}),
]  # fmt: skip


@pytest.mark.parametrize(("written", "other"), [case[1:] for case in SAME], ids=[case[0] for case in SAME])
def test_means_the_same(written: Any, other: Any) -> None:
    assert policy(written) == policy(other)
    assert policy(written).statements == policy(other).statements


@pytest.mark.parametrize(("written", "other"), [case[1:] for case in OTHER], ids=[case[0] for case in OTHER])
def test_means_something_else(written: Any, other: Any) -> None:
    assert policy(written) != policy(other)


@pytest.mark.parametrize("written", [case[1] for case in SAME + OTHER], ids=[case[0] for case in SAME + OTHER])
def test_a_document_survives_the_way_there_and_back(written: Any) -> None:
    canonical = policy(written)
    assert policy(canonical) is canonical
    assert policy(canonical.document()) == canonical
    assert policy(canonical.text()) == canonical
    assert policy(quote(canonical.text())) == canonical
    assert policy(json.dumps(canonical.document(), indent=2)) == canonical
    assert Policy.model_validate_json(canonical.model_dump_json()) == canonical


def test_text_with_percent_signs_is_not_decoded_unless_it_is_encoded() -> None:
    text = json.dumps(document(Resource="arn:aws:s3:::b/%7Ba%7D"))
    assert policy(text).statements[0].resources == ("arn:aws:s3:::b/%7Ba%7D",)
    assert policy("  " + quote(text)).statements[0].resources == ("arn:aws:s3:::b/%7Ba%7D",)


def test_the_shortest_document_is_written() -> None:
    canonical = policy(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Sid": "A", "Effect": "allow", "Principal": {"AWS": ["123456789012"]}, "Action": ["s3:PutObject", "s3:GetObject"],
                "Resource": ["x"], "Condition": {"Bool": {"aws:SecureTransport": [True]}},
            },
        }
    )  # fmt: skip
    assert canonical.document() == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "A", "Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "x", "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            }
        ],
    }  # fmt: skip
    assert canonical.text().startswith('{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow",')


def test_every_part_of_a_statement_is_kept() -> None:
    written = {
        "Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "NotAction": "a:B", "NotResource": "y",
    }  # fmt: skip
    assert policy({"Version": "v", "Statement": written}).document() == {"Version": "v", "Statement": [written]}


def test_an_empty_document() -> None:
    assert policy({"Statement": {}}).statements == (Statement(effect=""),)
    assert policy({"Version": "2012-10-17"}) == Policy()
    assert policy({}) == Policy(version="2008-10-17")
    assert Policy().document() == {"Version": "2012-10-17", "Statement": []}


def test_actions_stay_as_they_are_written() -> None:
    assert policy(document(Action="s3:GetObject")).document()["Statement"][0]["Action"] == "s3:GetObject"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()), ("a", ("a",)), ([], ()), ((), ()), (["b", "a", "b"], ("a", "b")), ({"b", "a"}, ("a", "b")),
        (True, ("true",)), (False, ("false",)), (3, ("3",)), ([1, "1", True], ("1", "true")), ("", ("",)),
    ],
)  # fmt: skip
def test_strings(value: Any, expected: tuple[str, ...]) -> None:
    assert strings(value) == expected


def test_caseless() -> None:
    assert Caseless("a:B") == "A:b" == Caseless("a:b")
    assert (Caseless("a") != "A") is False
    assert Caseless("a") != "b"
    assert Caseless("a") != 1
    assert hash(Caseless("a:B")) == hash(Caseless("A:b"))
    assert [str.__str__(text) for text in caseless(["b", "C", "a"])] == ["a", "b", "C"]
    assert len(caseless(["a", "A"])) == 1
    assert isinstance(Statement(effect="Allow", actions=("a:b",)).actions[0], Caseless)


@pytest.mark.parametrize(
    ("statement", "identity", "label", "denies"),
    [
        (Statement(effect="Allow"), "", "Allow", False),
        (Statement(effect="Deny", actions=caseless("a:B")), "", "Deny a:B", True),
        (Statement(effect="Allow", actions=caseless(["a:B", "a:C", "a:D"])), "", "Allow a:B and 2 more", False),
        (Statement(effect="Allow", actions=caseless(["a:B", "a:C"])), "", "Allow a:B and 1 more", False),
        (Statement(effect="Allow", not_actions=caseless("a:B")), "", "Allow all but a:B", False),
        (Statement(effect="Allow", sid="Read", actions=caseless("a:B")), "Read", "Read", False),
    ],
)
def test_what_a_statement_is_known_by(statement: Statement, identity: str, label: str, denies: bool) -> None:
    assert (statement.identity, statement.label, statement.denies) == (identity, label, denies)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ('{"b": [1, 2],\n "a": null}', '{"a":null,"b":[1,2]}'),
        ('"text"', '"text"'),
        ("{not json", "{not json"),
        ("", ""),
        (None, None),
        ({"b": 1}, {"b": 1}),
    ],
)
def test_json_text(written: object, kept: object) -> None:
    assert json_text(written) == kept
