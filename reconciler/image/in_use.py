"""Which images ECR may not delete, however old: those that a current task definition or a rollback needs.

`keep_images` has ECR delete by the date of the push, so that after going back to older code the image in use is the
oldest. A tag that begins with IN_USE keeps it (kinds/ecr_repository.py). It is on the wanted image, and on those that
were current when that one was made: what a rollback goes back to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.aws.calls import Aws
from reconciler.core.spec import Value
from reconciler.image.manifest import get_manifest, put_manifest
from reconciler.kinds.ecr_repository import IN_USE

REPLACED_TAG = "replaced-"  # of an image that had no tag left but the one that kept it


class UsedBy(Value):
    """What runs the image. service: as `CLUSTER/SERVICE`; empty for none."""

    family: str
    service: str = ""

    def tag(self, of: str) -> str:
        """The tag that keeps an image. of: the hash of its inputs, or its digest's. No tag is ever another image's, so
        that none has to move.
        """
        return f"{IN_USE}{self.family[:100]}-{of[:12]}"

    def made(self, tag: str) -> bool:
        """Whether the tag is of these users: a repository may have images of others."""
        return tag[:-12] == self.tag("")


@dataclass(frozen=True)
class Unused:
    """An image that is marked as in use and isn't any more. has_other_tags: whether it has tags that are no marks."""

    digest: str
    marks: tuple[str, ...]
    has_other_tags: bool


def keep_current(
    aws: Aws, repository: str, used_by: UsedBy, inputs: str, staying: str, marked_images: Iterable[Mapping[str, Any]]
) -> list[Unused]:
    """Mark what the current task definitions name as in use, before another image takes its place.

    inputs: of the wanted image, whose mark moves when it is built again on a newer base. staying: the digest of the
    wanted image, where it is there. marked_images: what ECR describes of the marked images.
    Returns those that nobody needs any more. Raises AwsError.
    """
    tags_by_digest = {image["imageDigest"]: image["imageTags"] for image in marked_images}
    marks = {
        digest: tuple(tag for tag in tags if used_by.made(tag) and tag != used_by.tag(inputs))
        for digest, tags in tags_by_digest.items()
    }
    current = _current_digests(aws, used_by, repository)
    for digest in sorted(current - {staying}):
        if not marks.get(digest):
            mark(aws, repository, used_by, digest)
    unused = ((digest, tags) for digest, tags in marks.items() if tags and digest not in current)
    return [Unused(digest, tags, has_other_tags=len(tags) < len(tags_by_digest[digest])) for digest, tags in unused]


def mark(aws: Aws, repository: str, used_by: UsedBy, digest: str) -> None:
    """Mark an image as in use. Raises AwsError."""
    if (manifest := get_manifest(aws, repository, imageDigest=digest)) is not None:
        put_manifest(aws, repository, manifest, used_by.tag(_hex(digest)))


def digest_in(repository: str, image: str) -> str:
    """The digest by which an image of this repository is named; empty for any other image."""
    name, _, digest = image.partition("@")
    return digest if name.partition("/")[2].partition(":")[0] == repository else ""


def marks_of(aws: Aws, repository: str, unused: Iterable[Unused]) -> list[str]:
    """The tags to remove of these images, of which each has another one then: without any it would be deleted."""
    tags: list[str] = []
    for image in unused:
        manifest = None if image.has_other_tags else get_manifest(aws, repository, imageDigest=image.digest)
        if manifest is not None:
            put_manifest(aws, repository, manifest, REPLACED_TAG + _hex(image.digest)[:12])
        tags += image.marks if manifest is not None or image.has_other_tags else ()
    return tags


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _current_digests(aws: Aws, used_by: UsedBy, repository: str) -> set[str]:
    """The images of a repository that the current task definitions name by digest. Raises AwsError."""
    definitions = {used_by.family}
    if used_by.service:
        cluster, _, service = used_by.service.partition("/")
        answer = aws.find("ecs", "DescribeServices", cluster=cluster, services=[service])
        # While a deployment goes on, it may go back to the one before.
        deployments = [
            deployment for live in (answer or {}).get("services", ()) for deployment in (live, *live["deployments"])
        ]
        definitions |= {
            deployment["taskDefinition"] for deployment in deployments if deployment["status"] != "INACTIVE"
        }
    digests = set()
    for name in sorted(definitions):
        answer = aws.find("ecs", "DescribeTaskDefinition", taskDefinition=name)
        for container in answer["taskDefinition"]["containerDefinitions"] if answer else ():
            if digest := digest_in(repository, container["image"]):
                digests.add(digest)
    return digests
