"""IAM roles: path, trust, attached and inline policies, boundary, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import Policy as Document
from reconciler.core.canonical import PolicyDocument, policy
from reconciler.core.needs import Needs, On
from reconciler.core.spec import Changes, Grants, Observed, Spec, touches
from reconciler.kinds import iam
from reconciler.kinds.base import Kind
from reconciler.kinds.iam import IdentitySpec, read_account

AWS_PATHS = ("/aws-service-role/", "/aws-reserved/")  # of roles that AWS makes and keeps for itself


class RoleSpec(IdentitySpec):
    """A role. Who may assume it is in `trust`."""

    kind: ClassVar[str] = "role"
    uses: ClassVar[tuple[str, ...]] = ("oidc-provider", "policy")

    trust: Annotated[PolicyDocument, Grants()] = Document()
    description: str = ""
    max_session_duration: int = 3600  # seconds


class Role(Kind[RoleSpec]):
    """Reads and writes IAM roles."""

    spec: ClassVar[type[Spec]] = RoleSpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreateRole", "iam:TagRole"),
        delete=("iam:DeleteRole", "iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:ListInstanceProfilesForRole",
                "iam:RemoveRoleFromInstanceProfile"),
        set={"managed_policies": ("iam:AttachRolePolicy",), "inline_policies": ("iam:PutRolePolicy",),
             "boundary": ("iam:PutRolePermissionsBoundary",)},
        fields={"managed_policies": ("iam:DetachRolePolicy",), "inline_policies": ("iam:DeleteRolePolicy",),
                "trust": ("iam:UpdateAssumeRolePolicy",), "description": ("iam:UpdateRole",),
                "max_session_duration": ("iam:UpdateRole",), "boundary": ("iam:DeleteRolePermissionsBoundary",),
                "tags": ("iam:TagRole", "iam:UntagRole")},
        read=("iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"),
        on=("iam:role/{name}",),
        elsewhere={"iam:RemoveRoleFromInstanceProfile": ("iam:instance-profile/*",),
                   "iam:AttachRolePolicy": (On("iam:role/{name}", iam.THESE),)},
        listing=("iam:ListRoles", "iam:ListRoleTags"),
        unseen={"iam:RemoveRoleFromInstanceProfile": "only for a role that somebody put into an instance profile"},
        wide={"iam:RemoveRoleFromInstanceProfile": "whichever profile somebody put the role into"},
    )  # fmt: skip
    pattern: ClassVar[str] = iam.NAME

    def observe(self, aws: Aws, wants: Sequence[RoleSpec]) -> Mapping[str, Observed[RoleSpec]]:
        """Three reads for each role, and one for each inline policy; none for what the account's details answer."""
        roles = read_account(aws).roles
        reads = aws.each(lambda want: self._known(roles, want) or self._read(aws, want), wants)
        return {observed.spec.name: observed for observed in reads if observed is not None}

    def _known(self, roles: Mapping[str, Mapping[str, Any]], want: RoleSpec) -> Observed[RoleSpec] | None:
        details = roles.get(want.name)
        observed = _spec(want, iam.permissions("Role", details)) if details else None
        return observed if observed and observed.spec == want else None

    def _read(self, aws: Aws, want: RoleSpec) -> Observed[RoleSpec] | None:
        fields = iam.read(aws, "Role", want.name)
        return _spec(want, fields) if fields else None

    def create(self, aws: Aws, want: RoleSpec) -> None:
        """Make the role with its tags, then its policies."""
        aws.call(
            "iam",
            "CreateRole",
            RoleName=want.name,
            AssumeRolePolicyDocument=want.trust.text(),
            MaxSessionDuration=want.max_session_duration,
            Tags=tags.pairs(want.tags),
            **({"Path": want.path} if want.path != "/" else {}),
            **({"Description": want.description} if want.description else {}),
            **({"PermissionsBoundary": want.boundary} if want.boundary else {}),
        )
        iam.add(aws, "Role", want, RoleSpec(name=want.name))

    def update(self, aws: Aws, want: RoleSpec, seen: Observed[RoleSpec], changes: Changes) -> None:
        """Take away what isn't wanted before anything is added."""
        name, old = want.name, seen.spec
        iam.remove(aws, "Role", want, old)
        if touches(changes, "trust"):
            aws.call("iam", "UpdateAssumeRolePolicy", RoleName=name, PolicyDocument=want.trust.text())
        if touches(changes, "description", "max_session_duration"):
            limits: dict[str, Any] = {"Description": want.description, "MaxSessionDuration": want.max_session_duration}
            aws.call("iam", "UpdateRole", RoleName=name, **limits)
        if touches(changes, "boundary"):
            iam.bound(aws, "Role", want)
        iam.add(aws, "Role", want, old)
        iam.unbound(aws, "Role", want, old)
        if touches(changes, "tags"):
            tags.put(aws, "iam", want.tags, old.tags, of="Role", RoleName=name)

    def delete(self, aws: Aws, seen: Observed[RoleSpec]) -> None:
        """A role goes only without policies and instance profiles."""
        name = seen.spec.name
        if seen.spec.allow:  # what the file let be has to go too
            seen = self._read(aws, RoleSpec(name=name)) or seen
        profiles, _ = aws.together(
            lambda: aws.find_all("iam", "ListInstanceProfilesForRole", "InstanceProfiles", RoleName=name),
            lambda: iam.remove(aws, "Role", RoleSpec(name=name), seen.spec),
        )
        for live in profiles or ():
            profile = live["InstanceProfileName"]
            aws.find("iam", "RemoveRoleFromInstanceProfile", RoleName=name, InstanceProfileName=profile)
        aws.find("iam", "DeleteRole", RoleName=name)

    def is_there(self, aws: Aws, seen: Observed[RoleSpec]) -> bool:
        """Whether the role still exists, in one read."""
        return aws.find("iam", "GetRole", RoleName=seen.spec.name) is not None

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all roles but AWS's own, in one read."""
        roles = aws.pages("iam", "ListRoles", "Roles")
        return [role["RoleName"] for role in roles if not role["Path"].startswith(AWS_PATHS)]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one role, in one read."""
        return tags.mapping((aws.find("iam", "ListRoleTags", RoleName=name) or {}).get("Tags"))


def _spec(want: RoleSpec, fields: dict[str, Any]) -> Observed[RoleSpec]:
    live = fields["live"]
    spec = RoleSpec(
        name=live["RoleName"],
        trust=policy(live["AssumeRolePolicyDocument"]),
        description=live.get("Description", ""),
        max_session_duration=live.get("MaxSessionDuration", 3600),
        tags=tags.mapping(live.get("Tags")),
        **iam.shared(want, fields),
    )
    return Observed(spec, {"arn": live["Arn"]})
