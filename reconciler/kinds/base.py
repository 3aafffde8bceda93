"""What a kind of resource must be able to do, and say of itself. A kind reads and writes; it decides nothing.

The contract, which `tests/kinds/test_contract.py` holds every kind against:

- `observe` takes all specs of the kind at once and returns what is there by name; what is absent isn't in the
  mapping. A kind that reads each by itself has `read` instead. It returns live state as the desired type, fully read,
  never echoed from what was wanted, so that one generic `diff` serves every kind. What exists and isn't wanted (an
  extra inline policy) is in the returned spec.
- `create` makes the whole resource, tags first, in an order that is safe to stop anywhere: what is there after a
  crash is either absent or recognisable as ours, and `update` finishes it.
- `update` changes what `changes` names, and nothing else. It is safe to repeat.
- `delete` removes the resource; that it is gone already is fine.
- `listed` and `owned` find what isn't known by name, `users` who uses it; all of them only read.

None of them waits, retries, logs or catches an AWS error: `Aws` does, by the tables in `reconciler.aws`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from reconciler.aws.calls import Aws
from reconciler.core.needs import Needs
from reconciler.core.spec import OWNER_TAG, Address, Changes, Observed, Spec

S = TypeVar("S", bound=Spec)
PRINTABLE = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]"  # one character that a terminal shows
# What a task may use that no resource says of it: while one runs, none of these goes.
OF_TASKS = ("role", "policy", "bucket", "object", "folder", "repository", "image", "log-group", "security-group",
            "parameter")  # fmt: skip
SETTLE = 120.0  # seconds until what was done must show


class Kind(ABC, Generic[S]):
    """One kind of AWS resource.

    spec: what one should be. needs: its IAM actions. pattern: what can be a name of one, as a regular expression.
    patience: seconds that AWS may take to make or delete one. proved: that the answers to its creation prove all that
    a look afterwards would show, and that AWS never shows what was before: then there is no such look.
    """

    spec: ClassVar[type[Spec]]
    needs: ClassVar[Needs]
    pattern: ClassVar[str]
    patience: ClassVar[float] = SETTLE
    proved: ClassVar[bool] = False

    def observe(self, aws: Aws, wants: Sequence[S]) -> Mapping[str, Observed[S]]:
        """Live state by name. Raises AwsError.

        Each is read by itself; a kind of which one answer has several has an `observe` of its own instead of `read`.
        """
        reads = aws.each(lambda want: self.read(aws, want), wants)
        return {observed.spec.name: observed for observed in reads if observed is not None}

    def read(self, aws: Aws, want: S) -> Observed[S] | None:
        """The live state of one resource; None when it isn't there. Raises AwsError."""
        raise NotImplementedError(f"{type(self).__name__} has neither `read` nor an `observe` of its own")

    @abstractmethod
    def create(self, aws: Aws, want: S) -> None:
        """Make it. Raises AwsError; `Aws.AlreadyThere` when it exists."""

    @abstractmethod
    def update(self, aws: Aws, want: S, seen: Observed[S], changes: Changes) -> None:
        """Change these fields. Raises AwsError."""

    @abstractmethod
    def delete(self, aws: Aws, seen: Observed[S]) -> None:
        """Remove it. Raises AwsError."""

    def is_there(self, aws: Aws, seen: Observed[S]) -> bool:
        """Whether AWS still shows what was deleted. Raises AwsError."""
        return seen.spec.name in self.observe(aws, [seen.spec])

    def users(self, aws: Aws, seen: Observed[S]) -> frozenset[Address]:
        """Who in the account uses it, of a kind of which several deploys share one: what others use isn't deleted.

        Asked only of what else would be. Raises AwsError.
        """
        return frozenset()

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all in the account and region; none of a kind that is `part_of` another. Raises AwsError."""
        return ()

    def inside(self, aws: Aws, holder: str) -> Iterable[str]:
        """The names of what this holder has, of a kind that is `part_of` another. Raises AwsError."""
        return ()

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one resource, by the fewest reads. Raises AwsError."""
        want: Any = self.spec(name=name)
        observed = self.observe(aws, [want]).get(name)
        return observed.spec.tags if observed else {}

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """The names of those that carry the deploy's ownership tag, sorted. Raises AwsError.

        Every kind is asked of its own service: the Resource Groups Tagging API leaves out most of IAM and lags behind.
        """
        names = sorted(set(self.listed(aws)))
        owners = aws.each(lambda name: self.tags_of(aws, name).get(OWNER_TAG), names)
        return [name for name, owner in zip(names, owners, strict=True) if owner == deploy]


AnyKind = Kind[Any]
