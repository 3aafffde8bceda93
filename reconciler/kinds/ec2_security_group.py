"""EC2 security groups: rules in and out, tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.errors import AwsError
from reconciler.core.needs import ANYWHERE, Needs, On
from reconciler.core.spec import OWNER_TAG, Changes, Grants, Immutable, Local, Observed, Spec, Value, touches
from reconciler.kinds.base import Kind

# A group's id is known to AWS only, so that its tag has to tell; a new one is tagged before it has a tag to tell by.
OURS = On("ec2:security-group/*", {"StringEquals": {f"aws:ResourceTag/{OWNER_TAG}": "{deploy}"}})
TO_BE_OURS = On("ec2:security-group/*", {"StringEquals": {f"aws:RequestTag/{OWNER_TAG}": "{deploy}"}})
BEING_MADE = On("ec2:security-group/*", {"StringEquals": {"ec2:CreateAction": "CreateSecurityGroup"}})
BATCH = 200  # values that one filter takes
IN_USE = ("DependencyViolation", "InvalidGroup.InUse")
ANY = "-1"  # every protocol, which has no ports


class PortRule(Value):
    """One permission to or from one place: AWS merges and splits them, so they are compared one by one."""

    protocol: str = ANY
    from_port: int | None = None
    to_port: int | None = None
    place: str  # a CIDR, a prefix list's or a security group's id; ITSELF

    @property
    def identity(self) -> str:
        """All that it says, for a person."""
        if self.protocol == ANY:
            return self.place
        ports = f"{self.from_port}" if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"
        return f"{self.protocol} {ports} {self.place}"


EVERYWHERE = PortRule(place="0.0.0.0/0")
ITSELF = "itself"  # a group's own id, which nobody knows before it is made


class SecurityGroupSpec(Spec):
    """A security group of one VPC. It owns its rules: one that isn't wanted is taken away.

    alike: descriptions that are as good, of a group that there is.
    """

    kind: ClassVar[str] = "security-group"

    description: Annotated[str, Immutable()] = ""
    alike: Annotated[tuple[str, ...], Local()] = ()
    vpc: Annotated[str, Immutable()] = ""
    ingress: Annotated[tuple[PortRule, ...], Grants()] = ()
    egress: Annotated[tuple[PortRule, ...], Grants()] = ()


class SecurityGroup(Kind[SecurityGroupSpec]):
    """Reads and writes security groups."""

    spec: ClassVar[type[Spec]] = SecurityGroupSpec
    needs: ClassVar[Needs] = Needs(
        create=("ec2:CreateSecurityGroup", "ec2:CreateTags"),
        delete=("ec2:DeleteSecurityGroup", "ec2:DescribeNetworkInterfaces"),
        set={"ingress": ("ec2:AuthorizeSecurityGroupIngress",)},
        fields={"ingress": ("ec2:RevokeSecurityGroupIngress",),
                "egress": ("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
                "tags": ("ec2:CreateTags", "ec2:DeleteTags")},
        read=("ec2:DescribeSecurityGroups",), on=(OURS,),
        elsewhere={"ec2:DescribeSecurityGroups": (ANYWHERE,), "ec2:DescribeNetworkInterfaces": (ANYWHERE,),
                   "ec2:CreateSecurityGroup": ("ec2:vpc/{vpc}", TO_BE_OURS),
                   "ec2:CreateTags": (BEING_MADE, OURS)},
        listing=("ec2:DescribeSecurityGroups",),
        wide={"ec2": "only AWS knows the group's id; only groups with this deploy's tag, or made with it"},
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}"
    patience: ClassVar[float] = 600.0

    def observe(self, aws: Aws, wants: Sequence[SecurityGroupSpec]) -> Mapping[str, Observed[SecurityGroupSpec]]:
        """One read for two hundred groups of a VPC."""
        observed: dict[str, Observed[SecurityGroupSpec]] = {}
        batches = [wants[i : i + BATCH] for i in range(0, len(wants), BATCH)]
        for groups in aws.each(lambda batch: self._read(aws, batch), batches):
            observed |= groups
        return observed

    def _read(self, aws: Aws, wants: Sequence[SecurityGroupSpec]) -> dict[str, Observed[SecurityGroupSpec]]:
        filters = [{"Name": "group-name", "Values": [want.name for want in wants]}]
        groups = [_spec(live) for live in aws.pages("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=filters)]
        pairs = ((want, _choose(want, [g for g in groups if g.spec.name == want.name])) for want in wants)
        return {want.name: _described(want, group) for want, group in pairs if group is not None}

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
        group = self.observe(aws, [want]).get(want.name)
        if group is not None:
            self._put_rules(aws, want, group)

    def update(self, aws: Aws, want: SecurityGroupSpec, seen: Observed[SecurityGroupSpec], changes: Changes) -> None:
        """Take away rules that aren't wanted before any is added."""
        self._put_rules(aws, want, seen)
        if touches(changes, "tags"):
            group = [seen.attributes["id"]]
            if keys := tags.removed(want.tags, seen.spec.tags):
                aws.call("ec2", "DeleteTags", Resources=group, Tags=[{"Key": key} for key in keys])
            aws.call("ec2", "CreateTags", Resources=group, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[SecurityGroupSpec]) -> None:
        """Remove it; while a stopping task's network interface still has it, that is waited for.

        What has it for longer is named.
        """
        group = seen.attributes["id"]
        try:
            aws.find("ec2", "DeleteSecurityGroup", GroupId=group)
        except AwsError as error:
            if error.code not in IN_USE:
                raise
            interfaces, groups = aws.together(
                lambda: aws.allowed("ec2", "DescribeNetworkInterfaces", Filters=_filter("group-id", group)),
                lambda: aws.allowed("ec2", "DescribeSecurityGroups", Filters=_filter("ip-permission.group-id", group)),
            )
            if holders := _holders(group, interfaces or {}, groups or {}):
                error.hint = f"{'; '.join(holders)}: end that, then run the command again"
            raise

    def _put_rules(self, aws: Aws, want: SecurityGroupSpec, seen: Observed[SecurityGroupSpec]) -> None:
        group, old = seen.attributes["id"], seen.spec
        for want_rules, live_rules, direction in (
            (want.ingress, old.ingress, "Ingress"),
            (want.egress, old.egress, "Egress"),
        ):
            if extra := sorted(set(live_rules) - set(want_rules), key=repr):
                extra_permissions = _permissions(extra, group)
                aws.find("ec2", f"RevokeSecurityGroup{direction}", GroupId=group, IpPermissions=extra_permissions)
            for rule in sorted(set(want_rules) - set(live_rules), key=repr):
                missing_permissions = _permissions([rule], group)
                aws.ensure(
                    "ec2", f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=missing_permissions
                )

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all security groups, in one read."""
        return [group["GroupName"] for group in aws.pages("ec2", "DescribeSecurityGroups", "SecurityGroups")]

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """One read, which EC2 filters."""
        filters = [{"Name": f"tag:{OWNER_TAG}", "Values": [deploy]}]
        groups = aws.pages("ec2", "DescribeSecurityGroups", "SecurityGroups", Filters=filters)
        return sorted({group["GroupName"] for group in groups})


def _filter(name: str, value: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [value]}]


def _holders(group: str, interfaces: Mapping[str, Any], groups: Mapping[str, Any]) -> list[str]:
    """What keeps a group from being deleted, by EC2's answers: interfaces, and rules of other groups."""
    other_groups = [other for other in groups.get("SecurityGroups", ()) if other["GroupId"] != group]
    return [
        *(
            f"network interface {interface['NetworkInterfaceId']} ({_whose(interface)}) has it"
            for interface in interfaces.get("NetworkInterfaces", ())
        ),
        *(f"a rule of group {other['GroupId']} ({other['GroupName']}) names it" for other in other_groups),
    ]


def _whose(interface: Mapping[str, Any]) -> str:
    attached = interface.get("Attachment") or {}
    words = (interface.get("Description"), attached.get("InstanceId"), interface.get("Status"))
    return ", ".join(str(word) for word in words if word) or "of nobody"


def _choose(
    want: SecurityGroupSpec, groups: Sequence[Observed[SecurityGroupSpec]]
) -> Observed[SecurityGroupSpec] | None:
    """The group of this name: each VPC may have one. Another VPC's is meant only if it has the same owner.

    Of a group that left the file the VPC isn't known; then the deploy's own comes before one without an owner, and
    that before another deploy's.
    """
    in_vpc = [group for group in groups if group.spec.vpc == want.vpc]
    owner = want.tags.get(OWNER_TAG)
    if not want.vpc:
        in_vpc = sorted(groups, key=lambda group: (group.owner != owner, group.owner is not None))
    return next(iter((*in_vpc, *(group for group in groups if owner and group.owner == owner))), None)


def _described(want: SecurityGroupSpec, group: Observed[SecurityGroupSpec]) -> Observed[SecurityGroupSpec]:
    """A group with the wanted description, where its own is as good: AWS can't change it."""
    if group.spec.description not in want.alike:
        return group
    return replace(group, spec=group.spec.model_copy(update={"description": want.description}))


def _spec(live: Mapping[str, Any]) -> Observed[SecurityGroupSpec]:
    spec = SecurityGroupSpec(
        name=live["GroupName"],
        description=live.get("Description", ""),
        vpc=live.get("VpcId", ""),
        ingress=_rules(live.get("IpPermissions", ()), live["GroupId"]),
        egress=_rules(live.get("IpPermissionsEgress", ()), live["GroupId"]),
        tags=tags.mapping(live.get("Tags")),
    )
    return Observed(spec, {"id": live["GroupId"]})


def _permissions(_rules: Iterable[PortRule], group: str) -> list[dict[str, Any]]:
    """Rules of this group as the API takes them."""
    out = []
    for rule in _rules:
        permission: dict[str, Any] = {"IpProtocol": rule.protocol}
        if rule.protocol != ANY:
            permission |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
        if rule.place.startswith("pl-"):
            permission["PrefixListIds"] = [{"PrefixListId": rule.place}]
        elif rule.place == ITSELF or rule.place.startswith("sg-"):
            permission["UserIdGroupPairs"] = [{"GroupId": group if rule.place == ITSELF else rule.place}]
        elif ":" in rule.place:
            permission["Ipv6Ranges"] = [{"CidrIpv6": rule.place}]
        else:
            permission["IpRanges"] = [{"CidrIp": rule.place}]
        out.append(permission)
    return out


def _rules(_permissions: Iterable[Mapping[str, Any]], group: str) -> tuple[PortRule, ...]:
    """What the API answers as rules of this group, one for each place."""
    rules = []
    for permission in _permissions:
        ports = (
            {}
            if permission["IpProtocol"] == ANY
            else {"from_port": permission.get("FromPort"), "to_port": permission.get("ToPort")}
        )
        places = [r["CidrIp"] for r in permission.get("IpRanges", ())]
        places += [r["CidrIpv6"] for r in permission.get("Ipv6Ranges", ())]
        places += [r["PrefixListId"] for r in permission.get("PrefixListIds", ())]
        pairs = permission.get("UserIdGroupPairs", ())
        places += [ITSELF if r["GroupId"] == group else r["GroupId"] for r in pairs]
        rules += [PortRule(protocol=permission["IpProtocol"], place=place, **ports) for place in places]
    return tuple(sorted(rules, key=repr))
