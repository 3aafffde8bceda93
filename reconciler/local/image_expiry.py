"""ECR's lifecycle policies, which moto keeps and never looks at: which images they delete, by the date of the push.

AWS does it within a day; here it is done with each push, so that what is needed later and isn't kept is missed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from moto.ecr.exceptions import InvalidParameterException
from moto.ecr.models import ECRBackend, Image

from reconciler.core.wildcard import matches
from reconciler.local.correction import Correction

RULES = "https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html"
DAY = 86400.0
REFUSED = (
    "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: "
)


@dataclass(frozen=True)
class Stored:
    """An image. pushed: when, in seconds; parts: the digests that a manifest list names."""

    digest: str
    tags: tuple[str, ...]
    pushed: float
    parts: tuple[str, ...] = ()


def expired(rules: Sequence[Mapping[str, Any]], images: Sequence[Stored], now: float) -> set[str]:
    """The digests that a policy's rules delete. images: in the order in which they were pushed.

    What a rule selects by its tags no later rule deletes, but counts; what a list that stays names is never deleted.
    """
    digests: set[str] = set()
    settled: set[str] = set()
    for rule in sorted(rules, key=lambda rule: rule["rulePriority"]):
        selection = rule["selection"]
        # The newest first; of two of the same second that which came later.
        selected = [image for image in reversed(images) if _selected(selection, image.tags)]
        selected.sort(key=lambda image: -image.pushed)
        number = selection["countNumber"]
        if selection["countType"] == "imageCountMoreThan":
            old = selected[number:]
        else:  # sinceImagePushed, in days
            old = [image for image in selected if now - image.pushed > number * DAY]
        digests |= {image.digest for image in old} - settled
        settled |= {image.digest for image in selected}
    return digests - {part for image in images if image.digest not in digests for part in image.parts}


def _selected(selection: Mapping[str, Any], tags: Sequence[str]) -> bool:
    if selection["tagStatus"] == "untagged":
        return not tags
    if selection["tagStatus"] == "any":
        return True
    patterns = [*selection.get("tagPatternList", ()), *(f"{prefix}*" for prefix in selection.get("tagPrefixList", ()))]
    return all(any(matches(pattern, tag) for tag in tags) for pattern in patterns)


def wrong_with(rules: Sequence[Mapping[str, Any]]) -> str:
    """Why ECR refuses a policy, beside what moto looks at; empty if it doesn't."""
    priorities = [rule["rulePriority"] for rule in rules]
    if len({*priorities}) < len(priorities):
        return "rule priorities must be unique"
    for rule in rules:
        status = rule["selection"]["tagStatus"]
        listed = [key for key in ("tagPatternList", "tagPrefixList") if rule["selection"].get(key)]
        if len(listed) != (status == "tagged"):
            return f"with tagStatus {status} there is {'one' if status == 'tagged' else 'no'} list of tags"
        if status == "any" and rule["rulePriority"] < max(priorities):
            return "a rule with tagStatus any must have the lowest priority"
    return ""


def _policies_delete_images() -> None:
    put_image: Any = ECRBackend.put_image
    put_policy: Any = ECRBackend.put_lifecycle_policy

    def push(self: Any, repository_name: str, *args: Any, **kwargs: Any) -> Any:
        image = put_image(self, repository_name, *args, **kwargs)
        _expire(self.repositories[repository_name])
        return image

    def put(self: Any, registry_id: str, repository_name: str, lifecycle_policy_text: str) -> Any:
        repository = self._get_repository(repository_name, registry_id)
        old_policy = repository.lifecycle_policy
        answer = put_policy(self, registry_id, repository_name, lifecycle_policy_text)
        if wrong := wrong_with(json.loads(lifecycle_policy_text)["rules"]):
            repository.lifecycle_policy = old_policy
            raise InvalidParameterException(f"{REFUSED}{wrong}'")
        _expire(repository)
        return answer

    ECRBackend.put_image = push  # type: ignore[method-assign]
    ECRBackend.put_lifecycle_policy = put  # type: ignore[method-assign]


def _expire(repository: Any) -> None:
    if repository.lifecycle_policy:
        rules = json.loads(repository.lifecycle_policy)["rules"]
        digests = expired(rules, [_stored(image) for image in repository.images], time.time())
        repository.images[:] = [image for image in repository.images if image.get_image_digest() not in digests]


def _stored(image: Image) -> Stored:
    manifests = json.loads(image.get_image_manifest()).get("manifests") or ()
    parts = tuple(manifest["digest"] for manifest in manifests)
    return Stored(image.get_image_digest(), tuple(image.image_tags), image.image_pushed_at, parts)


CORRECTIONS = (Correction("lifecycle policies delete images", RULES, _policies_delete_images),)
