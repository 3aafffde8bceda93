"""Policies about many files: the files together by the folders that they are in, as far as it has to be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from reconciler.core.limits import ATTACHED
from reconciler.core.spec import Spec
from reconciler.kinds import ObjectSpec
from reconciler.permissions.policies import documents

Make = Callable[[list[Spec]], Iterable[dict[str, Any]]]


def fitting(specs: Sequence[Spec], make: Make) -> list[dict[str, Any]]:
    """The policies that `make` gives statements for, with the objects of `specs` as few as need be.

    One policy with each file by itself, or else by folder; else as many as a role can have; else for the whole bucket.
    """
    objects = [spec for spec in specs if isinstance(spec, ObjectSpec)]
    other_specs = [spec for spec in specs if not isinstance(spec, ObjectSpec)]
    bucket = objects[0].place["Bucket"] if objects else ""
    forms = [*by_folder([spec.place["Key"] for spec in objects]), ["*"]] if objects else [[]]

    def policies(form: list[str]) -> list[dict[str, Any]]:
        together = [objects[0].model_copy(update={"name": f"{bucket}/{path}"}) for path in form]
        return documents(make([*other_specs, *together]))

    return fewest(map(policies, forms))


def fewest(forms: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Of several forms of the same policies, each coarser than the one before: the first that is one policy, else the
    first that a role can have, else the last.
    """
    candidates = []
    for form in forms:
        if len(form) == 1:
            return form
        candidates.append(form)
    return next((form for form in candidates if len(form) <= ATTACHED.most), candidates[-1])


def by_folder(keys: Sequence[str]) -> Iterator[list[str]]:
    """These keys of a bucket as paths, in forms that become shorter: each by itself first, then `FOLDER/*` for those of
    one folder, by ever higher folders. What is in no folder stays by itself.
    """
    yield list(keys)
    deepest = max((key.count("/") for key in keys), default=0)
    for depth in range(deepest, 0, -1):
        yield _at(keys, depth)


def _at(keys: Iterable[str], depth: int) -> list[str]:
    """These keys by folders of so many levels at most; a folder with one file stays that file."""
    folders = {key: "/".join(key.split("/")[:-1][:depth]) for key in keys}
    counts = Counter(folders.values())
    paths = (f"{folder}/*" if folder and counts[folder] > 1 else key for key, folder in folders.items())
    return list(dict.fromkeys(paths))
