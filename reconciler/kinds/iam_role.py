"""IAM roles: trust, attached and inline policies, tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws import Aws
from reconciler.canonical import Policy as Document
from reconciler.canonical import PolicyDocument, StringSet, policy
from reconciler.kinds import tags
from reconciler.spec import Changes, Grants, Holds, Observed, Spec, touches


class RoleSpec(Spec):
    """A role. It owns its policies: one that isn't wanted is taken away."""

    kind: ClassVar[str] = "role"

    trust: Annotated[PolicyDocument, Grants()] = Document()
    description: str = ""
    max_session_duration: int = 3600  # seconds
    managed_policies: Annotated[StringSet, Grants(), Holds("policy", "arn")] = ()  # ARNs
    inline_policies: Annotated[dict[str, PolicyDocument], Grants()] = Field(default_factory=dict)


class Role:
    """Reads and writes IAM roles."""

    spec: ClassVar[type[Spec]] = RoleSpec

    def observe(self, aws: Aws, wants: Sequence[RoleSpec]) -> Mapping[str, Observed[RoleSpec]]:
        """Three reads for each role, and one for each inline policy."""
        found = aws.each(lambda want: self._read(aws, want.name), wants)
        return {one.spec.name: one for one in found if one is not None}

    def _read(self, aws: Aws, name: str) -> Observed[RoleSpec] | None:
        found: list[Any] = aws.together(
            lambda: aws.find("iam", "GetRole", RoleName=name),
            lambda: aws.find_all("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=name),
            lambda: aws.find_all("iam", "ListRolePolicies", "PolicyNames", RoleName=name),
        )
        role, attached, inline = found
        if role is None or attached is None or inline is None:
            return None
        live = role["Role"]
        documents = aws.each(lambda p: aws.call("iam", "GetRolePolicy", RoleName=name, PolicyName=p), inline)
        spec = RoleSpec(
            name=live["RoleName"],
            trust=policy(live["AssumeRolePolicyDocument"]),
            description=live.get("Description", ""),
            max_session_duration=live.get("MaxSessionDuration", 3600),
            managed_policies=tuple(p["PolicyArn"] for p in attached),
            inline_policies={d["PolicyName"]: policy(d["PolicyDocument"]) for d in documents},
            tags=tags.mapping(live.get("Tags")),
        )
        return Observed(spec, {"arn": live["Arn"]})

    def create(self, aws: Aws, want: RoleSpec) -> None:
        """Make the role with its tags, then its policies."""
        aws.call(
            "iam",
            "CreateRole",
            RoleName=want.name,
            AssumeRolePolicyDocument=want.trust.text(),
            MaxSessionDuration=want.max_session_duration,
            Tags=tags.pairs(want.tags),
            **({"Description": want.description} if want.description else {}),
        )
        self._attach(aws, want, RoleSpec(name=want.name))

    def update(self, aws: Aws, want: RoleSpec, seen: Observed[RoleSpec], changes: Changes) -> None:
        """Take away what isn't wanted before anything is added."""
        name, old = want.name, seen.spec
        self._detach(aws, want, old)
        if touches(changes, "trust"):
            aws.call("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=want.trust.text())
        if touches(changes, "description", "max_session_duration"):
            limits: dict[str, Any] = {"Description": want.description, "MaxSessionDuration": want.max_session_duration}
            aws.call("iam", "UpdateRole", RoleName=name, **limits)
        self._attach(aws, want, old)
        if touches(changes, "tags"):
            if gone := tags.removed(want.tags, old.tags):
                aws.call("iam", "UntagRole", RoleName=name, TagKeys=gone)
            aws.call("iam", "TagRole", RoleName=name, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[RoleSpec]) -> None:
        """A role goes only without policies."""
        self._detach(aws, RoleSpec(name=seen.spec.name), seen.spec)
        aws.find("iam", "DeleteRole", RoleName=seen.spec.name)

    def _attach(self, aws: Aws, want: RoleSpec, old: RoleSpec) -> None:
        for arn in sorted(set(want.managed_policies) - set(old.managed_policies)):
            aws.call("iam", "AttachRolePolicy", RoleName=want.name, PolicyArn=arn)
        for name, document in sorted(want.inline_policies.items()):
            if old.inline_policies.get(name) != document:
                text = document.text()
                aws.call("iam", "PutRolePolicy", RoleName=want.name, PolicyName=name, PolicyDocument=text)

    def _detach(self, aws: Aws, want: RoleSpec, old: RoleSpec) -> None:
        for arn in sorted(set(old.managed_policies) - set(want.managed_policies)):
            aws.find("iam", "DetachRolePolicy", RoleName=old.name, PolicyArn=arn)
        for name in sorted(old.inline_policies.keys() - want.inline_policies.keys()):
            aws.find("iam", "DeleteRolePolicy", RoleName=old.name, PolicyName=name)
