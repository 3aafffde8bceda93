"""The contract of `reconciler.kinds.base`, for every kind, against AWS's APIs over HTTP.

Absent, created, no difference; each field changed from what it was and back, no difference; what can't change says so;
what others did is seen and put right; deleted, and deleted again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.calls import Aws
from reconciler.core.diff import diff
from reconciler.core.spec import Immutable, Initial, Local, Observed, Spec, top
from reconciler.image.kind import ImageKind
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES, sample
from tests.lab_client import LabHandle


@pytest.fixture(params=SAMPLES)
def one(request: pytest.FixtureRequest, lab: LabHandle, tmp_path: Path) -> Sample:
    return sample(request.param, lab, tmp_path)


@pytest.fixture(scope="module")
def aws(lab_session: LabHandle) -> Aws:
    return lab_session.aws()


@pytest.fixture(scope="module")
def reader(lab_session: LabHandle) -> Aws:
    """Raises when it is asked to write."""
    return lab_session.aws(read_only=True)


def compared(spec: type[Spec]) -> set[str]:
    """The fields that are compared."""
    return {
        name
        for name, field in spec.model_fields.items()
        if name != "name" and not any(isinstance(mark, Local | Initial) for mark in field.metadata)
    }


def immutable(spec: type[Spec], name: str) -> bool:
    return any(isinstance(mark, Immutable) for mark in spec.model_fields[name].metadata)


def see(one: Sample, reader: Aws, want: Spec) -> Observed[Any]:
    """What is there, which must be there and nothing else."""
    with reader.shared:  # as a plan does
        found = one.kind.observe(reader, [want])
    assert list(found) == [want.name]
    assert found[want.name].spec.address == want.address
    return found[want.name]


def make(one: Sample, aws: Aws, reader: Aws, want: Spec) -> None:
    """Update what is there, and find no difference."""
    there = see(one, reader, want)
    changes = diff(want, there.spec)
    assert changes
    assert not [change for change in changes if change.replaces]
    one.kind.update(aws, want, there, changes)
    assert diff(want, see(one, reader, want).spec) == ()


def test_every_kind_has_a_sample() -> None:
    assert sorted(SAMPLES) == sorted({kind.spec.kind for kind in (*KINDS, ImageKind(None, print))})


@pytest.mark.share(3)
def test_a_life(one: Sample, aws: Aws, reader: Aws, lab: LabHandle) -> None:
    # Every field has a sample.
    assert compared(type(one.base)) == one.changes.keys() | one.outside.keys()
    for name in one.changes:
        assert name in {top(change.path) for change in diff(one.changed(name), one.base)}

    # Absent.
    assert one.kind.observe(reader, [one.base]) == {}
    assert one.kind.observe(reader, []) == {}

    # Created, it is as wanted and knows its owner.
    one.kind.create(aws, one.base)
    there = see(one, reader, one.base)
    assert diff(one.base, there.spec) == ()
    assert there.owner == ("sample" if one.base.marked else None)
    assert all(isinstance(value, str) and value for value in there.attributes.values())

    # Its name alone finds it, and names like its own don't.
    assert see(one, reader, type(one.base)(name=one.base.name)).attributes == there.attributes
    others = [one.base.model_copy(update={"name": name}) for name in (f"{one.base.name}-other", one.base.name[:-1])]
    assert list(one.kind.observe(reader, [others[0], one.base, others[1]])) == [one.base.name]

    # What lists the account finds it, and its tags say whose it is; what is part of another is found in that.
    kind, spec = one.kind, one.base
    if spec.part_of:  # a folder has no listing of its own, but for its objects
        assert not kind.needs.listing or spec.name in kind.inside(reader, spec.name.partition("/")[0])
    else:
        assert spec.name in kind.listed(reader)
        assert kind.tags_of(reader, spec.name) == there.spec.tags
        assert (kind.owned(reader, "sample"), kind.owned(reader, "another")) == ([spec.name], [])
    assert re.fullmatch(kind.pattern, spec.name)

    # What others did is seen and put right.
    for name, outside in one.outside.items():
        outside(lab)
        assert name in {top(change.path) for change in diff(one.base, see(one, reader, one.base).spec)}
        make(one, aws, reader, one.base)

    # Deleted with all that others did, and deleted again.
    for outside in one.outside.values():
        outside(lab)
    for _ in range(2):
        one.kind.delete(aws, there)
        assert one.kind.observe(reader, [one.base]) == {}

    # Made again.
    one.kind.create(aws, one.base)
    assert diff(one.base, see(one, reader, one.base).spec) == ()


@pytest.mark.share(3)
def test_each_field_is_changed_and_changed_back(one: Sample, aws: Aws, reader: Aws) -> None:
    one.kind.create(aws, one.base)
    for name in one.changes:
        want = one.changed(name)
        changes = [change for change in diff(want, see(one, reader, want).spec) if top(change.path) == name]
        assert changes, name
        assert all(change.replaces is immutable(type(one.base), name) for change in changes)
        if not immutable(type(one.base), name):
            make(one, aws, reader, want)
            if diff(one.base, see(one, reader, one.base).spec):  # `AtLeast` has nothing to take back
                make(one, aws, reader, one.base)
    # All at once.
    mutable = [name for name in one.changes if not immutable(type(one.base), name) and name not in one.alone]
    make(one, aws, reader, one.changed(*mutable))


@pytest.mark.share(3)
def test_everything_is_created_otherwise(one: Sample, aws: Aws, reader: Aws) -> None:
    want = one.changed(*(one.changes.keys() - {"region", "vpc"} - one.alone))  # in a region and VPC that are there
    one.kind.create(aws, want)
    assert diff(want, see(one, reader, want).spec) == ()
