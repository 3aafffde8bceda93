"""What widens access: in the abstract, and in policy documents with every part of a statement."""

# ruff: noqa: E501  (tables of cases read best in whole lines)
from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.access import Sense, sense_of, widens
from reconciler.core.canonical import policy
from reconciler.core.diff import diff
from reconciler.core.spec import Conditions, Grants, Immutable, Neutral, Restricts
from tests.core.things import thing

N, M, L, LO, MO = Sense.NONE, Sense.MORE, Sense.LESS, Sense.LESS_OR_OTHER, Sense.MORE_OR_OTHER


@pytest.mark.parametrize(
    ("marks", "around", "sense"),
    [
        ([], N, N), ([], M, M), ([], L, L), ([Immutable()], M, M), ([Grants()], N, M), ([Grants()], L, M),
        ([Immutable(), Grants()], N, M), ([Restricts()], N, L), ([Restricts()], M, L), ([Restricts()], L, M),
        ([Neutral()], M, N), ([Neutral()], N, N), ([Conditions()], M, LO), ([Conditions()], L, MO), ([Conditions()], N, N),
    ],
)  # fmt: skip
def test_the_sense_of_a_field(marks: list[Any], around: Sense, sense: Sense) -> None:
    assert sense_of(marks, around) is sense


@pytest.mark.parametrize(("sense", "other"), [(N, N), (M, L), (LO, MO)])
def test_what_denies_turns_the_sense(sense: Sense, other: Sense) -> None:
    assert sense.turned is other
    assert other.turned is sense


@pytest.mark.parametrize(
    ("sense", "want", "seen", "expected"),
    [
        (N, (), ("a",), False), (N, "a", "b", False),
        (M, (), ("a",), True), (M, ("a",), (), False), (M, ("a",), ("b",), True), (M, ("a", "b"), ("a",), False),
        (M, None, ("a",), True), (M, ("a",), None, False), (M, "", "a", True), (M, "a", "", False), (M, "a", "b", True),
        (M, None, {"a": 1}, True), (M, {"a": 1}, None, False),
        (L, (), ("a",), False), (L, ("a",), (), True), (L, ("a",), ("b",), True), (L, ("a", "b"), ("a",), True),
        (L, ("a",), None, True), (L, None, ("a",), False),
        (LO, ("a",), None, True), (LO, None, ("a",), False), (LO, ("a",), ("a", "b"), True), (LO, ("a", "b"), ("a",), True),
        (MO, ("a",), None, False), (MO, None, ("a",), True), (MO, ("a",), ("a", "b"), True), (MO, ("a", "b"), ("a",), True),
    ],
)  # fmt: skip
def test_widens(sense: Sense, want: Any, seen: Any, expected: bool) -> None:
    assert widens(sense, want, seen) is expected


@pytest.mark.parametrize(
    ("operator", "want", "seen", "wider"),
    [
        ("StringLike", ("a/*", "b/*"), ("a/*",), False), ("StringLike", ("a/*",), ("a/*", "b/*"), True),
        ("StringLike", ("a/*",), ("a/b/*", "a/c"), False), ("StringLike", ("a/b/*",), ("a/*",), True),
        ("StringEquals", ("a", "b"), ("b",), False), ("StringEquals", ("a",), ("b",), True),
        ("StringEquals", ("a*",), ("ab",), True), ("stringequals", ("a", "b"), ("b",), False),
        ("ForAnyValue:StringLike", ("a*", "b"), ("a",), False), ("ForAllValues:StringEqualsIfExists", ("a", "b"), ("a",), False),
        ("IpAddress", ("1.0.0.0/8", "2.0.0.0/8"), ("1.0.0.0/8",), False), ("ArnLike", ("a", "b"), ("a",), False),
        ("StringNotEquals", ("a",), ("a", "b"), False), ("StringNotLike", ("a*", "b"), ("b",), True),
        ("NotIpAddress", ("1.0.0.0/8",), ("1.0.0.0/8", "2.0.0.0/8"), False),
        ("NumericLessThan", ("1", "2"), ("1",), True), ("Null", ("true",), ("false",), True),
    ],
)  # fmt: skip
def test_values_of_a_condition(operator: str, want: Any, seen: Any, wider: bool) -> None:
    assert widens(LO, want, seen, operator) is wider
    assert widens(MO, seen, want, operator) is wider, "what denies, the other way round"
    assert widens(LO, want, None, operator)
    assert not widens(LO, None, seen, operator)


BASE = {
    "Sid": "A", "Effect": "Allow", "Principal": {"AWS": "x"}, "Action": "s3:GetObject", "Resource": "r",
    "Condition": {"StringEquals": {"k": "v"}},
}  # fmt: skip
NOTS = {"Sid": "A", "Effect": "Allow", "NotPrincipal": {"AWS": "x"}, "NotAction": "s3:GetObject", "NotResource": "r"}
WIDER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("an action", BASE, {"Action": ["s3:GetObject", "s3:PutObject"]}),
    ("another action", BASE, {"Action": "s3:*"}),
    ("a resource", BASE, {"Resource": ["r", "s"]}),
    ("a principal", BASE, {"Principal": {"AWS": ["x", "y"]}}),
    ("a sort of principal", BASE, {"Principal": {"AWS": "x", "Service": "y"}}),
    ("everybody", BASE, {"Principal": "*"}),
    ("no condition", BASE, {"Condition": {}}),
    ("a condition's other value", BASE, {"Condition": {"StringEquals": {"k": "w"}}}),
    ("a condition's further value", BASE, {"Condition": {"StringEquals": {"k": ["v", "w"]}}}),
    ("a condition's other test", BASE, {"Condition": {"StringLike": {"k": "v"}}}),
    ("no exception of an action", NOTS, {"NotAction": "s3:PutObject"}),
    ("no exception of a resource", NOTS, {"NotResource": "s"}),
    ("no exception of a principal", NOTS, {"NotPrincipal": {"AWS": "y"}}),
]
NARROWER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("an action less", BASE | {"Action": ["a:A", "a:B"]}, {"Action": "a:A"}),
    ("a resource less", BASE | {"Resource": ["r", "s"]}, {"Resource": "r"}),
    ("a condition more", BASE, {"Condition": {"StringEquals": {"k": "v", "l": "w"}}}),
    ("a condition's value less", BASE | {"Condition": {"StringEquals": {"k": ["v", "w"]}}}, BASE),
    ("an exception more", NOTS, {"NotAction": ["s3:GetObject", "s3:PutObject"]}),
    ("a resource's exception more", NOTS, {"NotResource": ["r", "s"]}),
]


def policy_widens(want: Any, seen: Any) -> bool:
    """Whether a change of the statements widens."""
    documents = [policy({"Version": "2012-10-17", "Statement": statements}) for statements in (want, seen)]
    changes = diff(thing(document=documents[0]), thing(document=documents[1]))
    assert changes
    return any(change.widens for change in changes)


@pytest.mark.parametrize(("base", "change"), [case[1:] for case in WIDER], ids=[case[0] for case in WIDER])
def test_what_widens_a_statement_that_allows(base: dict[str, Any], change: dict[str, Any]) -> None:
    assert policy_widens(base, base | change)


@pytest.mark.parametrize(("base", "change"), [case[1:] for case in NARROWER], ids=[case[0] for case in NARROWER])
def test_what_narrows_a_statement_that_allows(base: dict[str, Any], change: dict[str, Any]) -> None:
    assert not policy_widens(base, base | change)


@pytest.mark.parametrize(("base", "change"), [case[1:] for case in NARROWER], ids=[case[0] for case in NARROWER])
def test_the_same_widens_a_statement_that_denies(base: dict[str, Any], change: dict[str, Any]) -> None:
    deny = base | {"Effect": "Deny"}
    assert policy_widens(deny, deny | change)


@pytest.mark.parametrize(
    ("want", "seen", "expected"),
    [
        ([BASE], [BASE, BASE | {"Sid": "B", "Action": "s3:PutObject"}], True),
        ([BASE], [BASE, BASE | {"Sid": "B"}], False),
        ([BASE, BASE | {"Sid": "B"}], [BASE], False),
        ([BASE], [BASE, BASE | {"Sid": "B", "Effect": "Deny"}], False),
        ([BASE, BASE | {"Sid": "B", "Effect": "Deny"}], [BASE], True),
        ([BASE | {"Effect": "Deny"}], [BASE], True),
        ([BASE], [BASE | {"Effect": "Deny"}], False),
        ([], [BASE], True),
        ([BASE], [], False),
    ],
    ids=[
        "allow more",
        "allow the same twice",
        "allow less",
        "deny more",
        "deny less",
        "deny to allow",
        "allow to deny",
        "any",
        "none",
    ],
)
def test_statements(want: Any, seen: Any, expected: bool) -> None:
    assert policy_widens(want, seen) is expected


def test_a_version_or_a_name_widens_nothing() -> None:
    changes = diff(
        thing(document=policy({"Version": "2012-10-17", "Statement": BASE})),
        thing(document=policy({"Version": "2008-10-17", "Statement": BASE})),
    )
    assert [(change.path, change.widens) for change in changes] == [("document.version", False)]


def test_a_document_that_is_not_about_access_widens_nothing() -> None:
    (change,) = diff(thing(), thing(about=policy({"Version": "2012-10-17", "Statement": BASE})))
    assert (change.path, change.widens) == ("about.statements[A]", False)


def test_the_widening_change_comes_first() -> None:
    changes = diff(thing(size=1, allowed=("a",)), thing(size=2, allowed=("a", "b")))
    assert [(change.path, change.widens) for change in changes] == [("allowed", True), ("size", False)]


@pytest.mark.parametrize(
    ("want", "seen", "expected"), [((), ("a",), False), (("a",), (), True), (("a", "b"), ("a",), True)]
)
def test_less_of_what_restricts_widens(want: tuple[str, ...], seen: tuple[str, ...], expected: bool) -> None:
    (change,) = diff(thing(blocked=want), thing(blocked=seen))
    assert change.widens is expected


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


DENY = {"Effect": "Deny", "Action": "s3:Put*", "Resource": "*"}
IF = {"Condition": {"StringEquals": {"aws:RequestedRegion": "x"}}}
IF_EITHER = {"Condition": {"StringEquals": {"aws:RequestedRegion": ["x", "y"]}}}
IF_BOTH = {"Condition": {"StringEquals": {"aws:RequestedRegion": "x", "k": "v"}}}


@pytest.mark.parametrize(
    ("want", "seen", "wider"),
    [
        # The same in other statements.
        ([allow(["a:X", "a:Y"], "r")], [allow("a:X", "r"), allow("a:Y", "r")], False),
        ([allow("a:X", "r"), allow("a:Y", "r")], [allow(["a:X", "a:Y"], "r")], False),
        ([allow("a:X", ["q", "r"])], [allow("a:X", "q", Sid="A"), allow("a:X", "r", Sid="B")], False),
        ([allow("a:X", "r", Sid="A")], [allow("a:X", "r", Sid="B")], False),
        # Less than is wanted, and more of it.
        ([allow("a:*", "r")], [allow("a:X", "r")], False),
        ([allow("a:X", "r"), allow("a:Y", "r")], [allow("a:X", "r")], False),
        ([allow("a:X", "r*")], [allow("a:X", ["rest", "r/*"])], False),
        ([allow("a:X", "r")], [allow("a:X", "r"), DENY], False),
        ([allow("a:X", "r")], [allow("a:*", "r")], True),
        ([allow("a:X", "r")], [allow("a:X", ["q", "r"])], True),
        ([allow("a:?", "r")], [allow("a:*", "r")], True),
        ([allow(["a:X", "a:Y"], "r")], [allow("a:X", "r"), allow("a:Y", "q")], True),
        ([allow("a:X", "r"), DENY], [allow("a:X", "r")], True),
        ([allow("a:X", "r"), DENY], [allow("a:X", "r"), {**DENY, "Resource": "r"}], True),
        ([allow("a:X", "r", **IF)], [allow("a:X", "r")], True),
        ([allow("a:X", "r", **IF)], [allow("a:X", "r", **IF), allow("a:Y", "r", **IF)], True),
        ([allow("a:X", "r")], [allow("a:X", "r", Principal="*")], True),
        ([allow("a:X", "r")], [allow("a:X", "r", **IF)], False),
        # Under fewer or stricter conditions.
        ([allow(["a:X", "a:Y"], "r", **IF_EITHER)], [allow("a:X", "r", **IF), allow("a:Y", "r", **IF)], False),
        ([allow(["a:X", "a:Y"], "r", **IF)], [allow("a:X", "r", **IF_BOTH)], False),
        ([allow("a:X", "r", **IF)], [allow("a:X", "r", **IF_EITHER)], True),
        ([allow("a:X", "r", **IF_BOTH)], [allow("a:X", "r", **IF)], True),
        ([{**DENY, **IF}], [{**DENY, **IF_EITHER}], False),
        ([{**DENY, **IF}], [DENY], False),
        ([{**DENY, **IF_EITHER}], [{**DENY, **IF}], True),
    ],
)  # fmt: skip
def test_other_statements_of_the_same_widen_nothing(want: list[Any], seen: list[Any], wider: bool) -> None:
    documents = [policy({"Version": "2012-10-17", "Statement": statements}) for statements in (want, seen)]
    changes = diff(*(thing(document=document) for document in documents))
    assert changes
    assert any(change.widens for change in changes) is wider
