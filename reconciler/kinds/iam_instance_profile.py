"""IAM instance profiles: what hands a role to an EC2 instance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.needs import Needs
from reconciler.core.spec import Changes, Grants, Observed, Spec, touches
from reconciler.kinds.base import Kind


class InstanceProfileSpec(Spec):
    """An instance profile. It owns its role: another one is taken away."""

    kind: ClassVar[str] = "instance-profile"  # its name in plans and in --target
    uses: ClassVar[tuple[str, ...]] = ("role",)  # is deleted before it

    role: Annotated[str, Grants()] = ""  # name


class InstanceProfile(Kind[InstanceProfileSpec]):
    """Reads and writes instance profiles."""

    spec: ClassVar[type[Spec]] = InstanceProfileSpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreateInstanceProfile", "iam:TagInstanceProfile"),
        delete=("iam:DeleteInstanceProfile", "iam:RemoveRoleFromInstanceProfile"),
        set={"role": ("iam:AddRoleToInstanceProfile",)},
        fields={
            "role": ("iam:RemoveRoleFromInstanceProfile",),
            "tags": ("iam:TagInstanceProfile", "iam:UntagInstanceProfile"),
        },
        read=("iam:GetInstanceProfile",),
        listing=("iam:ListInstanceProfiles",),
        on=("iam:instance-profile/{name}",),
    )
    pattern: ClassVar[str] = r"[A-Za-z0-9_+=,.@-]{1,128}"
    patience: ClassVar[float] = 60.0

    def read(self, aws: Aws, want: InstanceProfileSpec) -> Observed[InstanceProfileSpec] | None:
        """The instance profile as it is in AWS, in one read."""
        answer = aws.find("iam", "GetInstanceProfile", InstanceProfileName=want.name)
        if answer is None:
            return None
        live = answer["InstanceProfile"]
        role = next((live_role["RoleName"] for live_role in live["Roles"]), "")
        spec = InstanceProfileSpec(name=live["InstanceProfileName"], role=role, tags=tags.mapping(live.get("Tags")))
        return Observed(spec, {"arn": live["Arn"]})

    def create(self, aws: Aws, want: InstanceProfileSpec) -> None:
        """Make it with its tags, then give it its role."""
        aws.call("iam", "CreateInstanceProfile", InstanceProfileName=want.name, Tags=tags.pairs(want.tags))
        _give(aws, want)

    def update(
        self, aws: Aws, want: InstanceProfileSpec, seen: Observed[InstanceProfileSpec], changes: Changes
    ) -> None:
        """Take the other role away before the wanted one is given."""
        if touches(changes, "role"):
            _take(aws, seen.spec)
            _give(aws, want)
        if touches(changes, "tags"):
            name = {"InstanceProfileName": want.name}
            tags.put(aws, "iam", want.tags, seen.spec.tags, of="InstanceProfile", **name)

    def delete(self, aws: Aws, seen: Observed[InstanceProfileSpec]) -> None:
        """It goes only without its role."""
        _take(aws, seen.spec)
        aws.find("iam", "DeleteInstanceProfile", InstanceProfileName=seen.spec.name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all instance profiles, in one read."""
        profiles = aws.pages("iam", "ListInstanceProfiles", "InstanceProfiles")
        return [profile["InstanceProfileName"] for profile in profiles]


def _give(aws: Aws, want: InstanceProfileSpec) -> None:
    if want.role:
        aws.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=want.name, RoleName=want.role)


def _take(aws: Aws, old: InstanceProfileSpec) -> None:
    if old.role:
        aws.find("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=old.name, RoleName=old.role)
