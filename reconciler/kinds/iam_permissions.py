"""What IAM roles and users have in common: attached and inline policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.aws.calls import Aws
from reconciler.core.canonical import PolicyDocument, StringSet, policy
from reconciler.core.spec import Grants, Holds, Spec

Who = Literal["Role", "User"]


class IdentitySpec(Spec):
    """A role or user owns its policies: one that isn't wanted is taken away."""

    managed_policies: Annotated[StringSet, Grants(), Holds("policy", "arn")] = ()  # ARNs
    inline_policies: Annotated[dict[str, PolicyDocument], Grants()] = Field(default_factory=dict)


def read(aws: Aws, who: Who, name: str) -> dict[str, Any] | None:
    """The fields of `IdentitySpec` and the `live` role or user; None for one that doesn't exist."""
    key = {f"{who}Name": name}
    found: list[Any] = aws.together(
        lambda: aws.find("iam", f"Get{who}", **key),
        lambda: aws.find_all("iam", f"ListAttached{who}Policies", "AttachedPolicies", **key),
        lambda: aws.find_all("iam", f"List{who}Policies", "PolicyNames", **key),
    )
    if any(part is None for part in found):
        return None
    live, attached, inline = found[0][who], found[1], found[2]
    documents = aws.each(lambda one: aws.call("iam", f"Get{who}Policy", **key, PolicyName=one), inline)
    return {
        "live": live,
        "managed_policies": tuple(one["PolicyArn"] for one in attached),
        "inline_policies": {one["PolicyName"]: policy(one["PolicyDocument"]) for one in documents},
    }


def permissions(who: Who, details: Mapping[str, Any]) -> dict[str, Any]:
    """The same of what `iam_account` has read, whose `live` is the details."""
    return {
        "live": details,
        "managed_policies": tuple(one["PolicyArn"] for one in details["AttachedManagedPolicies"]),
        "inline_policies": {
            one["PolicyName"]: policy(one["PolicyDocument"]) for one in details.get(f"{who}PolicyList", ())
        },
    }


def add(aws: Aws, who: Who, want: IdentitySpec, old: IdentitySpec) -> None:
    """What is wanted and isn't there."""
    key = {f"{who}Name": want.name}
    for arn in sorted(set(want.managed_policies) - set(old.managed_policies)):
        aws.call("iam", f"Attach{who}Policy", **key, PolicyArn=arn)
    for name, document in sorted(want.inline_policies.items()):
        if old.inline_policies.get(name) != document:
            aws.call("iam", f"Put{who}Policy", **key, PolicyName=name, PolicyDocument=document.text())


def remove(aws: Aws, who: Who, want: IdentitySpec, old: IdentitySpec) -> None:
    """What is there and isn't wanted."""
    key = {f"{who}Name": old.name}
    for arn in sorted(set(old.managed_policies) - set(want.managed_policies)):
        aws.find("iam", f"Detach{who}Policy", **key, PolicyArn=arn)
    for name in sorted(old.inline_policies.keys() - want.inline_policies.keys()):
        aws.find("iam", f"Delete{who}Policy", **key, PolicyName=name)
