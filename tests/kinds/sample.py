"""What a sample of a kind is, and what samples share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.canonical import policy
from reconciler.core.spec import OWNER_TAG, Spec
from reconciler.kinds import AnyKind
from tests.lab_client import ACCOUNT, REGION, LabHandle

TAGS = {OWNER_TAG: "sample", "team": "one"}
OTHER_TAGS = {OWNER_TAG: "sample", "team": "two", "more": "x"}
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
EXECUTION = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def document(action: str = "s3:GetObject", resource: str = "arn:aws:s3:::sample/*", **more: Any) -> Any:
    return policy(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}],
        }
    )


def trust(service: str) -> Any:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy({"Version": "2012-10-17", "Statement": statement})


Outside = Callable[[LabHandle], None]


@dataclass
class Sample:
    """base: the resource as first wanted. changes: another value for each field that can be wanted otherwise.

    A value that is a mapping with the field's own name in it brings along what else has to change with it.
    outside: what others do to a field that a kind only ever puts right.
    alone: changes that don't go with the others.
    """

    kind: AnyKind
    base: Spec
    changes: dict[str, Any]
    outside: Mapping[str, Outside] = field(default_factory=dict)
    alone: frozenset[str] = frozenset()

    def changed(self, *names: str) -> Spec:
        """The sample with other values in these fields."""
        spec = self.base
        for name in names:
            value = self.changes[name]
            together = isinstance(value, dict) and name in value
            spec = spec.model_copy(update=value if together else {name: value})
        return spec


# Changes that roles and users share.
IDENTITY = {
    "managed_policies": (READ_ONLY,),
    "inline_policies": {"one": document("s3:PutObject"), "three": document()},
    "tags": OTHER_TAGS,
}
