from __future__ import annotations

from dataclasses import is_dataclass
from types import ModuleType
from typing import ClassVar

import pytest
from pydantic import ValidationError

from reconciler.core import diff, graph, plan, spec
from reconciler.core.spec import Address, Change, Observed, Ref, Spec, continued, top, touches
from tests.core.things import Thing, thing


def test_an_address_is_written_kind_dot_name() -> None:
    assert str(Address("role", "a.b")) == "role.a.b"
    assert thing("x").address == ("thing", "x")


def test_a_reference_says_what_will_be_known_and_when() -> None:
    assert str(Ref(Address("image", "repo"), "uri")) == "(uri of image.repo, known once that is made)"


def test_a_reference_is_itself_in_a_spec_and_text_in_json() -> None:
    ref = Ref(Address("image", "repo"), "uri")
    spec = thing(colour=ref)
    assert spec.colour is ref
    assert spec.model_dump(mode="json")["colour"] == str(ref)


def test_a_spec_is_frozen_and_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        thing().size = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Thing(name="a", sizes=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("tags", "owner"),
    [({}, None), ({"a": "b"}, None), ({"reconciler:deploy": "x"}, "x"), ({"Reconciler:deploy": "x"}, None)],
)
def test_the_owner_is_what_the_tag_says(tags: dict[str, str], owner: str | None) -> None:
    assert Observed(Thing(name="a", tags=tags)).owner == owner


@pytest.mark.parametrize("module", [spec, graph, plan, diff])
def test_values_cannot_be_changed(module: ModuleType) -> None:
    classes = [value for value in vars(module).values() if is_dataclass(value) and value.__module__ == module.__name__]
    assert classes
    assert all(cls.__dataclass_params__.frozen for cls in classes)  # type: ignore[union-attr]


def test_defaults_of_a_kind() -> None:
    assert (Spec.data, Spec.volatile, Spec.in_place, Spec.part_of) == (False, frozenset(), frozenset(), "")
    assert Observed(thing()).attributes == {}
    assert Change("a", 1, 2) == Change("a", 1, 2, replaces=False, widens=False)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("size", "size"), ("tags.a", "tags"), ("tags.a[b]", "tags"), ("egress[0.0.0.0/0]", "egress"),
        ("parts[a.b].size", "parts"), ("statements[]", "statements"),
    ],
)  # fmt: skip
def test_the_field_that_a_path_is_in(path: str, field: str) -> None:
    assert top(path) == field


@pytest.mark.parametrize(
    ("paths", "fields", "expected"),
    [
        ([], ["a"], False),
        (["a"], ["a"], True),
        (["a.b"], ["a"], True),
        (["a[b]"], ["c", "a"], True),
        (["ab"], ["a"], False),
        (["b", "a"], ["a"], True),
        (["a"], [], False),
    ],
)
def test_touches(paths: list[str], fields: list[str], expected: bool) -> None:
    assert touches(tuple(Change(path, 1, 2) for path in paths), *fields) is expected


class Rest(Spec):
    """Holds what was too much for another of its kind, or for a thing."""

    kind: ClassVar[str] = "rest"
    continues: ClassVar[tuple[str, ...]] = ("rest", "thing")


@pytest.mark.parametrize(
    ("spec", "holders"),
    [
        (Rest(name="a"), []),
        (Rest(name="a.2"), ["rest.a", "thing.a"]),
        (Rest(name="a.b.2"), ["rest.a", "thing.a", "rest.a.b", "thing.a.b"]),
    ],
)
def test_what_it_may_be_the_rest_of_is_told_by_its_name(spec: Spec, holders: list[str]) -> None:
    assert [str(address) for address in continued(spec)] == holders
