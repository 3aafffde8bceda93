"""ECR repositories: scanning, tag mutability, lifecycle, policy, tags."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import Policy, PolicyDocument, StringSet, policy
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Immutable, Observed, Spec, touches
from reconciler.kinds.base import Kind

BATCH = 100  # repositories that one call describes
IN_USE = "in-use-"  # what the tags begin with that keep an image, however old


class RepositorySpec(Spec):
    """A repository. It owns its policy: one that isn't wanted is taken away."""

    kind: ClassVar[str] = "repository"
    data: ClassVar[bool] = True

    policy: Annotated[PolicyDocument, Grants()] = Policy()
    encryption: Annotated[str, Immutable()] = "AES256"
    scan_on_push: bool = False
    tag_mutability: str = "MUTABLE"
    tag_exclusions: StringSet = ()  # patterns of the tags for which the opposite holds
    keep_images: int | None = None  # None keeps all
    keep_in_use: bool = True  # whether an image that is tagged as in use is kept, however old
    other_lifecycle: str = ""  # a lifecycle policy that says something else


class Repository(Kind[RepositorySpec]):
    """Reads and writes repositories."""

    spec: ClassVar[type[Spec]] = RepositorySpec
    needs: ClassVar[Needs] = Needs(
        create=("ecr:CreateRepository", "ecr:TagResource"), delete=("ecr:DeleteRepository",),
        set={"policy": ("ecr:SetRepositoryPolicy",), "keep_images": ("ecr:PutLifecyclePolicy",)},
        fields={"policy": ("ecr:DeleteRepositoryPolicy",), "keep_images": ("ecr:DeleteLifecyclePolicy",),
                "keep_in_use": ("ecr:PutLifecyclePolicy",),
                "other_lifecycle": ("ecr:PutLifecyclePolicy", "ecr:DeleteLifecyclePolicy"),
                "scan_on_push": ("ecr:PutImageScanningConfiguration",),
                "tag_mutability": ("ecr:PutImageTagMutability",),
                "tag_exclusions": ("ecr:PutImageTagMutability",), "tags": ("ecr:TagResource", "ecr:UntagResource")},
        read=("ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy",
              "ecr:ListTagsForResource"),
        on=("ecr:repository/{name}",), listing=("ecr:DescribeRepositories", "ecr:ListTagsForResource"),
        unseen={"ecr:DeleteLifecyclePolicy":
                "only where somebody made a lifecycle policy and the file keeps all images"},
    )  # fmt: skip
    pattern: ClassVar[str] = r"[a-z0-9][a-z0-9._/-]{1,255}"

    def observe(self, aws: Aws, wants: Sequence[RepositorySpec]) -> Mapping[str, Observed[RepositorySpec]]:
        """Three reads for each, and one for a hundred of them, or one more for each when one of those isn't there."""
        names = [want.name for want in wants]
        batches = [names[i : i + BATCH] for i in range(0, len(names), BATCH)]
        reads: list[Any] = aws.together(
            lambda: aws.each(lambda batch: self._describe(aws, batch), batches),
            lambda: aws.each(lambda name: self._parts(aws, name), names),
        )
        described = {live["repositoryName"]: live for batch in reads[0] for live in batch}
        parts = zip(names, reads[1], strict=True)
        return {name: self._spec(described[name], *answers) for name, answers in parts if name in described}

    def _describe(self, aws: Aws, names: Sequence[str]) -> list[Any]:
        answer = aws.find("ecr", "DescribeRepositories", repositoryNames=list(names))
        if answer is None and len(names) > 1:
            return [live for batch in aws.each(lambda name: self._describe(aws, [name]), names) for live in batch]
        return list(answer["repositories"]) if answer else []

    def _parts(self, aws: Aws, name: str) -> list[Any]:
        return aws.together(
            lambda: aws.find("ecr", "GetLifecyclePolicy", repositoryName=name),
            lambda: aws.find("ecr", "GetRepositoryPolicy", repositoryName=name),
            lambda: self.tags_of(aws, name),
        )

    def _spec(self, live: Any, lifecycle: Any, document: Any, tagging: Any) -> Observed[RepositorySpec]:
        keep, in_use, other = _lifecycle(lifecycle)
        spec = RepositorySpec(
            name=live["repositoryName"],
            policy=policy(document["policyText"]) if document else Policy(),
            encryption=live.get("encryptionConfiguration", {}).get("encryptionType", "AES256"),
            scan_on_push=live.get("imageScanningConfiguration", {}).get("scanOnPush", False),
            tag_mutability=live.get("imageTagMutability", "MUTABLE"),
            tag_exclusions=tuple(
                exclusion["filter"] for exclusion in live.get("imageTagMutabilityExclusionFilters") or ()
            ),
            keep_images=keep,
            keep_in_use=in_use,
            other_lifecycle=other,
            tags=tagging,
        )
        return Observed(spec, {"arn": live["repositoryArn"], "uri": live["repositoryUri"]})

    def create(self, aws: Aws, want: RepositorySpec) -> None:
        """Make it, then its lifecycle and policy."""
        aws.call(
            "ecr",
            "CreateRepository",
            repositoryName=want.name,
            tags=tags.pairs(want.tags),
            **_mutability(want),
            imageScanningConfiguration={"scanOnPush": want.scan_on_push},
            encryptionConfiguration={"encryptionType": want.encryption},
        )
        self._put(aws, want, RepositorySpec(name=want.name))

    def update(self, aws: Aws, want: RepositorySpec, seen: Observed[RepositorySpec], changes: Changes) -> None:
        """Put each part that differs."""
        name: dict[str, Any] = {"repositoryName": want.name}
        if touches(changes, "scan_on_push"):
            scan = {"scanOnPush": want.scan_on_push}
            aws.call("ecr", "PutImageScanningConfiguration", **name, imageScanningConfiguration=scan)
        if touches(changes, "tag_mutability", "tag_exclusions"):
            aws.call("ecr", "PutImageTagMutability", **name, **_mutability(want))
        self._put(aws, want, seen.spec)
        if touches(changes, "tags"):
            tags.put(aws, "ecr", want.tags, seen.spec.tags, resourceArn=seen.attributes["arn"])

    def delete(self, aws: Aws, seen: Observed[RepositorySpec]) -> None:
        """Remove it with its images."""
        aws.find("ecr", "DeleteRepository", repositoryName=seen.spec.name, force=True)

    def _put(self, aws: Aws, want: RepositorySpec, old: RepositorySpec) -> None:
        name: dict[str, Any] = {"repositoryName": want.name}
        if want.policy != old.policy:
            if want.policy.statements:
                aws.call("ecr", "SetRepositoryPolicy", **name, policyText=want.policy.text())
            else:
                aws.find("ecr", "DeleteRepositoryPolicy", **name)
        if any(
            getattr(want, field) != getattr(old, field) for field in ("keep_images", "keep_in_use", "other_lifecycle")
        ):
            if want.keep_images:
                rules = _rules(want.keep_images, want.keep_in_use)
                text = json.dumps({"rules": rules}, separators=(",", ":"))
                aws.call("ecr", "PutLifecyclePolicy", **name, lifecyclePolicyText=text)
            else:
                aws.find("ecr", "DeleteLifecyclePolicy", **name)

    def is_there(self, aws: Aws, seen: Observed[RepositorySpec]) -> bool:
        """Whether the repository still exists, in one read."""
        return bool(self._describe(aws, [seen.spec.name]))

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all repositories, in one read."""
        return [repository["repositoryName"] for repository in aws.pages("ecr", "DescribeRepositories", "repositories")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one repository, in one read."""
        answer = aws.find("ecr", "ListTagsForResource", resourceArn=aws.arn("ecr", f"repository/{name}"))
        return tags.mapping((answer or {}).get("tags"))


def tag_mutability(immutable: bool, exclusions: Sequence[str]) -> str:
    """ECR's word for it."""
    return f"{'IMMUTABLE' if immutable else 'MUTABLE'}{'_WITH_EXCLUSION' if exclusions else ''}"


def _mutability(want: RepositorySpec) -> dict[str, Any]:
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in want.tag_exclusions]
    exclusions = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
    return {"imageTagMutability": want.tag_mutability, **exclusions}


def _rules(images: int, in_use: bool) -> list[dict[str, Any]]:
    """What keeps the newest images, and with `in_use` those that are tagged so: what matches a rule is never deleted by
    one that comes after it.
    """
    count = {"countType": "imageCountMoreThan"}
    tagged = {"tagStatus": "tagged", "tagPrefixList": [IN_USE], **count, "countNumber": 9999}
    all_images = {"tagStatus": "any", **count, "countNumber": images}
    selections = enumerate([tagged, all_images] if in_use else [all_images], 1)
    return [{"rulePriority": n, "selection": selection, "action": {"type": "expire"}} for n, selection in selections]


def _lifecycle(answer: Mapping[str, Any] | None) -> tuple[int | None, bool, str]:
    """(images kept, whether those in use are too, what else it says) of a lifecycle policy."""
    if not answer:
        return None, True, ""
    rules = json.loads(answer["lifecyclePolicyText"]).get("rules", [])
    bare = [{k: v for k, v in rule.items() if k != "description"} for rule in rules]
    bare.sort(key=lambda rule: rule.get("rulePriority", 0))
    if bare:
        count = bare[-1].get("selection", {}).get("countNumber")
        numbered = [rule | {"rulePriority": n} for n, rule in enumerate(bare, 1)]
        for in_use in (True, False):
            if isinstance(count, int) and numbered == _rules(count, in_use):
                return count, in_use, ""
    return None, True, json.dumps(bare, sort_keys=True)
