"""The rules of EC2 security groups: what may come in or go out, and how EC2 writes that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.spec import Value

ANY = "-1"  # every protocol, which has no ports


class Rule(Value):
    """One permission to or from one place: AWS merges and splits them, so they are compared one by one."""

    protocol: str = ANY
    from_port: int | None = None
    to_port: int | None = None
    place: str  # a CIDR, a prefix list's or a security group's id

    @property
    def identity(self) -> str:
        """All that it says, for a person."""
        if self.protocol == ANY:
            return self.place
        ports = f"{self.from_port}" if self.from_port == self.to_port else f"{self.from_port}-{self.to_port}"
        return f"{self.protocol} {ports} {self.place}"


EVERYWHERE = Rule(place="0.0.0.0/0")


def permissions(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    """Rules as the API takes them."""
    out = []
    for rule in rules:
        permission: dict[str, Any] = {"IpProtocol": rule.protocol}
        if rule.protocol != ANY:
            permission |= {"FromPort": rule.from_port, "ToPort": rule.to_port}
        if rule.place.startswith("pl-"):
            permission["PrefixListIds"] = [{"PrefixListId": rule.place}]
        elif rule.place.startswith("sg-"):
            permission["UserIdGroupPairs"] = [{"GroupId": rule.place}]
        elif ":" in rule.place:
            permission["Ipv6Ranges"] = [{"CidrIpv6": rule.place}]
        else:
            permission["IpRanges"] = [{"CidrIp": rule.place}]
        out.append(permission)
    return out


def rules(permissions: Iterable[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """What the API answers as rules, one for each place."""
    found = []
    for permission in permissions:
        ports = {} if permission["IpProtocol"] == ANY else {
            "from_port": permission.get("FromPort"), "to_port": permission.get("ToPort"),
        }  # fmt: skip
        places = [r["CidrIp"] for r in permission.get("IpRanges", ())]
        places += [r["CidrIpv6"] for r in permission.get("Ipv6Ranges", ())]
        places += [r["PrefixListId"] for r in permission.get("PrefixListIds", ())]
        places += [r["GroupId"] for r in permission.get("UserIdGroupPairs", ())]
        found += [Rule(protocol=permission["IpProtocol"], place=place, **ports) for place in places]
    return tuple(sorted(found, key=repr))
