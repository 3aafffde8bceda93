"""What a kind of resource must be able to do. A kind reads and writes; it decides nothing.

The contract, which `tests/kinds/test_contract.py` holds every kind against:

- `observe` takes all specs of the kind at once and returns what is there by name; what is absent isn't in the
  mapping. It returns live state as the desired type, fully read, never echoed from what was wanted, so that one
  generic `diff` serves every kind. What exists and isn't wanted (an extra inline policy) is in the returned spec.
- `create` makes the whole resource, tags first, in an order that is safe to stop anywhere: what is there after a
  crash is either absent or recognisable as ours, and `update` finishes it.
- `update` changes what `changes` names, and nothing else. It is safe to repeat.
- `delete` removes the resource; that it is gone already is fine.

None of them waits, retries, logs or catches an AWS error: `Aws` does, by the tables in `reconciler.aws`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from reconciler.aws.calls import Aws
from reconciler.core.spec import Changes, Observed, Spec

S = TypeVar("S", bound=Spec)


class Kind(Protocol[S]):
    """One kind of AWS resource."""

    spec: ClassVar[type[Spec]]

    def observe(self, aws: Aws, wants: Sequence[S]) -> Mapping[str, Observed[S]]:
        """Live state by name. Raises AwsError."""

    def create(self, aws: Aws, want: S) -> None:
        """Make it. Raises AwsError; `Aws.AlreadyThere` when it exists."""

    def update(self, aws: Aws, want: S, seen: Observed[S], changes: Changes) -> None:
        """Change these fields. Raises AwsError."""

    def delete(self, aws: Aws, seen: Observed[S]) -> None:
        """Remove it. Raises AwsError."""


AnyKind = Kind[Any]
