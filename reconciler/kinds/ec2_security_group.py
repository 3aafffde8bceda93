"""EC2 security groups: rules in and out, tags. How EC2 writes rules is in `ec2_rules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws.calls import Aws
from reconciler.core.spec import OWNER_TAG, Changes, Grants, Immutable, Observed, Spec, touches
from reconciler.kinds import tags
from reconciler.kinds.ec2_rules import Rule, permissions, rules

BATCH = 200  # values that one filter takes


class SecurityGroupSpec(Spec):
    """A security group of one VPC. It owns its rules: one that isn't wanted is taken away."""

    kind: ClassVar[str] = "security-group"

    description: Annotated[str, Immutable()] = ""
    vpc: Annotated[str, Immutable()] = ""
    ingress: Annotated[tuple[Rule, ...], Grants()] = ()
    egress: Annotated[tuple[Rule, ...], Grants()] = ()


class SecurityGroup:
    """Reads and writes security groups."""

    spec: ClassVar[type[Spec]] = SecurityGroupSpec

    def observe(self, aws: Aws, wants: Sequence[SecurityGroupSpec]) -> Mapping[str, Observed[SecurityGroupSpec]]:
        """One read for two hundred groups of a VPC."""
        found: dict[str, Observed[SecurityGroupSpec]] = {}
        batches = [wants[i : i + BATCH] for i in range(0, len(wants), BATCH)]
        for groups in aws.each(lambda batch: self._read(aws, batch), batches):
            found |= groups
        return found

    def _read(self, aws: Aws, wants: Sequence[SecurityGroupSpec]) -> dict[str, Observed[SecurityGroupSpec]]:
        filters = [{"Name": "group-name", "Values": [want.name for want in wants]}]
        groups = [_spec(live) for live in aws.pages("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=filters)]
        chosen = {want.name: _choose(want, [g for g in groups if g.spec.name == want.name]) for want in wants}
        return {name: found for name, found in chosen.items() if found is not None}

    def create(self, aws: Aws, want: SecurityGroupSpec) -> None:
        """Make it; AWS gives it a rule that lets everything out."""
        kind = {"ResourceType": "security-group", "Tags": tags.pairs(want.tags)}
        aws.call(
            "ec2",
            "CreateSecurityGroup",
            GroupName=want.name,
            Description=want.description,
            VpcId=want.vpc,
            **({"TagSpecifications": [kind]} if want.tags else {}),
        )
        made = self.observe(aws, [want]).get(want.name)
        if made is not None:
            self._rules(aws, want, made)

    def update(self, aws: Aws, want: SecurityGroupSpec, seen: Observed[SecurityGroupSpec], changes: Changes) -> None:
        """Take away rules that aren't wanted before any is added."""
        self._rules(aws, want, seen)
        if touches(changes, "tags"):
            group = [seen.attributes["id"]]
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("ec2", "DeleteTags", Resources=group, Tags=[{"Key": key} for key in gone])
            aws.call("ec2", "CreateTags", Resources=group, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[SecurityGroupSpec]) -> None:
        """Remove it; while a stopping task's network interface still has it, that is waited for."""
        aws.find("ec2", "DeleteSecurityGroup", GroupId=seen.attributes["id"])

    def _rules(self, aws: Aws, want: SecurityGroupSpec, seen: Observed[SecurityGroupSpec]) -> None:
        group, old = seen.attributes["id"], seen.spec
        for ours, theirs, direction in ((want.ingress, old.ingress, "Ingress"), (want.egress, old.egress, "Egress")):
            if extra := sorted(set(theirs) - set(ours), key=repr):
                aws.find("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=permissions(extra))
            for rule in sorted(set(ours) - set(theirs), key=repr):
                aws.ensure(
                    "ec2", f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=permissions([rule])
                )


def _choose(
    want: SecurityGroupSpec, found: Sequence[Observed[SecurityGroupSpec]]
) -> Observed[SecurityGroupSpec] | None:
    """The group of this name: each VPC may have one. Another VPC's is meant only if it has the same owner.

    Of a group that left the file the VPC isn't known; then the deploy's own comes before one without an owner, and
    that before another deploy's.
    """
    here = [one for one in found if one.spec.vpc == want.vpc]
    owner = want.tags.get(OWNER_TAG)
    if not want.vpc:
        here = sorted(found, key=lambda one: (one.owner != owner, one.owner is not None))
    return next(iter((*here, *(one for one in found if owner and one.owner == owner))), None)


def _spec(live: Mapping[str, Any]) -> Observed[SecurityGroupSpec]:
    spec = SecurityGroupSpec(
        name=live["GroupName"],
        description=live.get("Description", ""),
        vpc=live.get("VpcId", ""),
        ingress=rules(live.get("IpPermissions", ())),
        egress=rules(live.get("IpPermissionsEgress", ())),
        tags=tags.mapping(live.get("Tags")),
    )
    return Observed(spec, {"id": live["GroupId"]})
