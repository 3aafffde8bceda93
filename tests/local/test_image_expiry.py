"""What ECR's lifecycle policies delete, by the rules of AWS's documentation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local.image_expiry import DAY, Stored, expired, wrong_with
from tests.local_fixtures import EmbeddedAws, unique

NOW = 100 * DAY


def rule(priority: int, number: int, status: str = "any", days: bool = False, **tags: list[str]) -> dict[str, Any]:
    unit = {"countType": "sinceImagePushed", "countUnit": "days"} if days else {"countType": "imageCountMoreThan"}
    selection = {"tagStatus": status, "countNumber": number, **unit, **tags}
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


def image(name: str, age: float, *tags: str, parts: tuple[str, ...] = ()) -> Stored:
    return Stored(name, tags, NOW - age * DAY, parts)


IN_USE = rule(1, 9999, "tagged", tagPrefixList=["in-use-"])
IMAGES = [
    image("a", 9, "in-use-a"),
    image("b", 8, "v1"),
    image("c", 7),
    image("d", 6, "v2", "prod-1"),
    image("e", 5, "v3"),
]


@pytest.mark.parametrize(
    ("rules", "images", "gone"),
    [
        ([rule(1, 3)], IMAGES, "ab"),
        ([rule(1, 5)], IMAGES, ""),
        ([rule(1, 3)], IMAGES[::-1], "ab"),  # by date, however they are listed
        ([rule(1, 1)], [image("a", 1), image("b", 1)], "a"),  # of one second: what came later
        ([IN_USE, rule(2, 3)], IMAGES, "b"),  # what is in use counts, and stays
        ([IN_USE, rule(2, 1)], IMAGES, "bcd"),
        ([rule(2, 1), IN_USE], IMAGES, "bcd"),  # by priority, however they are written
        ([rule(1, 1, "untagged")], IMAGES, ""),
        ([rule(1, 6, "untagged", days=True)], IMAGES, "c"),
        ([rule(1, 7, "any", days=True)], IMAGES, "ab"),
        ([rule(1, 1, "tagged", tagPatternList=["v*"])], IMAGES, "bd"),
        ([rule(1, 1, "tagged", tagPatternList=["v*", "prod*"])], IMAGES, ""),  # all of them
        ([rule(1, 1, "tagged", tagPrefixList=["v"]), rule(2, 1)], IMAGES, "abcd"),
        ([rule(1, 1)], [image("a", 3), image("b", 2), image("list", 1, parts=("a",))], "b"),
        ([rule(1, 1)], [image("a", 3), image("list", 2, parts=("a",)), image("b", 1)], ["a", "list"]),
    ],
)  # fmt: skip
def test_what_is_deleted(rules: list[dict[str, Any]], images: list[Stored], gone: str | list[str]) -> None:
    assert expired(rules, images, NOW) == {*gone}


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ([IN_USE, rule(2, 3)], ""),
        ([IN_USE, rule(1, 3)], "unique"),
        ([rule(1, 3), rule(2, 1, "untagged")], "lowest priority"),
        ([rule(1, 3, "tagged")], "one list"),
        ([rule(1, 3, "tagged", tagPrefixList=["a"], tagPatternList=["b"])], "one list"),
        ([rule(1, 3, "untagged", tagPrefixList=["a"])], "no list"),
    ],
)
def test_what_is_refused(rules: list[dict[str, Any]], word: str) -> None:
    assert word in wrong_with(rules)
    assert bool(wrong_with(rules)) == bool(word)


def test_a_refused_policy_changes_nothing(embedded_aws: EmbeddedAws) -> None:
    ecr, name = embedded_aws.client("ecr"), unique("expires")
    ecr.create_repository(repositoryName=name)

    def put(*rules: dict[str, Any]) -> None:
        ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps({"rules": rules}))

    put(IN_USE, rule(2, 3))
    with pytest.raises(ClientError, match="unique"):
        put(IN_USE, rule(1, 3))
    assert json.loads(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"][1] == rule(2, 3)
