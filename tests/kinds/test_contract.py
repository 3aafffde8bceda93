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
def example(request: pytest.FixtureRequest, lab: LabHandle, tmp_path: Path) -> Sample:
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


def see(example: Sample, reader: Aws, want: Spec) -> Observed[Any]:
    """What is there, which must be there and nothing else."""
    with reader.shared:  # as a plan does
        observed = example.kind.observe(reader, [want])
    assert list(observed) == [want.name]
    assert observed[want.name].spec.address == want.address
    return observed[want.name]


def make(example: Sample, aws: Aws, reader: Aws, want: Spec) -> None:
    """Update what is there, and find no difference."""
    there = see(example, reader, want)
    changes = diff(want, there.spec)
    assert changes
    assert not [change for change in changes if change.replaces]
    example.kind.update(aws, want, there, changes)
    assert diff(want, see(example, reader, want).spec) == ()


def test_every_kind_has_a_sample() -> None:
    assert sorted(SAMPLES) == sorted({kind.spec.kind for kind in (*KINDS, ImageKind(None, print))})


@pytest.mark.share(3)
def test_a_life(example: Sample, aws: Aws, reader: Aws, lab: LabHandle) -> None:
    # Every field has a sample.
    assert compared(type(example.base)) == example.changes.keys() | example.outside.keys()
    for name in example.changes:
        assert name in {top(change.path) for change in diff(example.changed(name), example.base)}

    # Absent.
    assert example.kind.observe(reader, [example.base]) == {}
    assert example.kind.observe(reader, []) == {}

    # Created, it is as wanted and knows its owner.
    example.kind.create(aws, example.base)
    there = see(example, reader, example.base)
    assert diff(example.base, there.spec) == ()
    assert there.owner == ("sample" if example.base.marked else None)
    assert all(isinstance(value, str) and value for value in there.attributes.values())

    # Its name alone finds it, and names like its own don't.
    assert see(example, reader, type(example.base)(name=example.base.name)).attributes == there.attributes
    others = [
        example.base.model_copy(update={"name": name})
        for name in (f"{example.base.name}-other", example.base.name[:-1])
    ]
    assert list(example.kind.observe(reader, [others[0], example.base, others[1]])) == [example.base.name]

    # What lists the account finds it, and its tags say whose it is; what is part of another is found in that.
    kind, spec = example.kind, example.base
    if spec.part_of:  # a folder has no listing of its own, but for its objects
        assert not kind.needs.listing or spec.name in kind.inside(reader, spec.name.partition("/")[0])
    else:
        assert spec.name in kind.listed(reader)
        assert kind.tags_of(reader, spec.name) == there.spec.tags
        assert (kind.owned(reader, "sample"), kind.owned(reader, "another")) == ([spec.name], [])
    assert re.fullmatch(kind.pattern, spec.name)

    # What others did is seen and put right.
    for name, outside in example.outside.items():
        outside(lab)
        assert name in {top(change.path) for change in diff(example.base, see(example, reader, example.base).spec)}
        make(example, aws, reader, example.base)

    # Deleted with all that others did, and deleted again.
    for outside in example.outside.values():
        outside(lab)
    for _ in range(2):
        example.kind.delete(aws, there)
        assert example.kind.observe(reader, [example.base]) == {}

    # Made again.
    example.kind.create(aws, example.base)
    assert diff(example.base, see(example, reader, example.base).spec) == ()


@pytest.mark.share(3)
def test_each_field_is_changed_and_changed_back(example: Sample, aws: Aws, reader: Aws) -> None:
    example.kind.create(aws, example.base)
    for name in example.changes:
        want = example.changed(name)
        changes = [change for change in diff(want, see(example, reader, want).spec) if top(change.path) == name]
        assert changes, name
        assert all(change.replaces is immutable(type(example.base), name) for change in changes)
        if not immutable(type(example.base), name):
            make(example, aws, reader, want)
            if diff(example.base, see(example, reader, example.base).spec):  # `AtLeast` has nothing to take back
                make(example, aws, reader, example.base)
    # All at once.
    mutable = [
        name for name in example.changes if not immutable(type(example.base), name) and name not in example.alone
    ]
    make(example, aws, reader, example.changed(*mutable))


@pytest.mark.share(3)
def test_everything_is_created_otherwise(example: Sample, aws: Aws, reader: Aws) -> None:
    want = example.changed(
        *(example.changes.keys() - {"region", "vpc"} - example.alone)
    )  # in a region and VPC that are there
    example.kind.create(aws, want)
    assert diff(want, see(example, reader, want).spec) == ()
