"""What IAM's kinds share: the policies of roles and users, and one look at the whole account.

The look takes two reads for all roles, users and policies, where that is allowed and the account is small; a large
deploy reads more pages. It is a short cut while everything is observed, and never the last word: only what it shows to
be exactly as wanted is believed. Anything else (absent, different, or no such permission) is read by name, so that a
plan is the same with and without it, and no other permissions are needed than those on the deploy's own resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.aws.calls import Aws
from reconciler.core.attached import OpenSpec
from reconciler.core.canonical import PolicyDocument, StringSet, policy
from reconciler.core.errors import Denied
from reconciler.core.spec import Grants, Holds, Immutable, Restricts

ITEMS = 300  # of one page
SAVES = 100  # resources of a deploy for which one more page is read: pages come one after another
DETAILS = ("Role", "User", "LocalManagedPolicy")
Details = Mapping[str, Any]
NAME = r"[A-Za-z0-9_+=,.@-]{1,128}"
THESE = {"ArnEquals": {"iam:PolicyARN": lambda spec: sorted(spec.managed_policies)}}  # what a role or user may be given
IdentityKind = Literal["Role", "User"]
# Another one makes another ARN, so that what others may do with it, such as hand the role on, is more and less.
Path = Annotated[str, Immutable(), Grants()]


class IdentitySpec(OpenSpec):
    """A role or user owns its policies: one that isn't wanted is taken away.

    allow: ARNs of managed policies and boundaries, and names of inline policies, that others may have given it.
    """

    path: Path = "/"
    boundary: Annotated[str, Restricts()] = ""  # ARN of the policy that bounds what the others allow
    managed_policies: Annotated[StringSet, Grants(), Holds("policy", "arn")] = ()  # ARNs
    inline_policies: Annotated[dict[str, PolicyDocument], Grants()] = Field(default_factory=dict)


def read(aws: Aws, kind: IdentityKind, name: str) -> dict[str, Any] | None:
    """The fields of `IdentitySpec` and the `live` role or user; None for one that doesn't exist."""
    key = {f"{kind}Name": name}
    answers: list[Any] = aws.together(
        lambda: aws.find("iam", f"Get{kind}", **key),
        lambda: aws.find_all("iam", f"ListAttached{kind}Policies", "AttachedPolicies", **key),
        lambda: aws.find_all("iam", f"List{kind}Policies", "PolicyNames", **key),
    )
    if any(part is None for part in answers):
        return None
    live, attached, inline = answers[0][kind], answers[1], answers[2]
    documents = aws.each(lambda policy_name: aws.call("iam", f"Get{kind}Policy", **key, PolicyName=policy_name), inline)
    return {
        "live": live,
        "managed_policies": tuple(attachment["PolicyArn"] for attachment in attached),
        "inline_policies": {
            inline_policy["PolicyName"]: policy(inline_policy["PolicyDocument"]) for inline_policy in documents
        },
    }


def permissions(kind: IdentityKind, details: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that `read` gives, from the account's details, which are the `live` role or user."""
    return {
        "live": details,
        "managed_policies": tuple(attachment["PolicyArn"] for attachment in details["AttachedManagedPolicies"]),
        "inline_policies": {
            inline_policy["PolicyName"]: policy(inline_policy["PolicyDocument"])
            for inline_policy in details.get(f"{kind}PolicyList", ())
        },
    }


def shared(want: IdentitySpec, fields: dict[str, Any]) -> dict[str, Any]:
    """What roles and users have in common, as `read` or `permissions` give it, without what the file lets be."""
    live = fields["live"]
    boundary = (live.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")

    def kept(name: str, wanted: bool) -> bool:
        return wanted or name not in want.allow

    return {
        "path": live.get("Path", "/"),
        "boundary": boundary if kept(boundary, boundary == want.boundary) else "",
        "managed_policies": tuple(arn for arn in fields["managed_policies"] if kept(arn, arn in want.managed_policies)),
        "inline_policies": {
            name: document
            for name, document in fields["inline_policies"].items()
            if kept(name, name in want.inline_policies)
        },
        "allow": want.allow,
    }


def add(aws: Aws, kind: IdentityKind, want: IdentitySpec, old: IdentitySpec) -> None:
    """Give it the policies that are wanted and aren't there."""
    key = {f"{kind}Name": want.name}
    for arn in sorted(set(want.managed_policies) - set(old.managed_policies)):
        aws.call("iam", f"Attach{kind}Policy", **key, PolicyArn=arn)
    for name, document in sorted(want.inline_policies.items()):
        if old.inline_policies.get(name) != document:
            aws.call("iam", f"Put{kind}Policy", **key, PolicyName=name, PolicyDocument=document.text())


def remove(aws: Aws, kind: IdentityKind, want: IdentitySpec, old: IdentitySpec) -> None:
    """Take away the policies that are there and aren't wanted."""
    key = {f"{kind}Name": old.name}
    for arn in sorted(set(old.managed_policies) - set(want.managed_policies)):
        aws.find("iam", f"Detach{kind}Policy", **key, PolicyArn=arn)
    for name in sorted(old.inline_policies.keys() - want.inline_policies.keys()):
        aws.find("iam", f"Delete{kind}Policy", **key, PolicyName=name)


def bound(aws: Aws, kind: IdentityKind, want: IdentitySpec) -> None:
    """Put the boundary, which bounds whatever is added after it."""
    if want.boundary:
        aws.call(
            "iam", f"Put{kind}PermissionsBoundary", **{f"{kind}Name": want.name}, PermissionsBoundary=want.boundary
        )


def unbound(aws: Aws, kind: IdentityKind, want: IdentitySpec, old: IdentitySpec) -> None:
    """Take the boundary away, where none is wanted."""
    if old.boundary and not want.boundary:
        aws.find("iam", f"Delete{kind}PermissionsBoundary", **{f"{kind}Name": want.name})


@dataclass(frozen=True)
class Account:
    """Details by name, and policies' documents by ARN and version. whole: it is all that there is."""

    roles: Mapping[str, Details] = field(default_factory=dict)
    users: Mapping[str, Details] = field(default_factory=dict)
    documents: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    whole: bool = False


def read_account(aws: Aws) -> Account:
    """What could be read of it; empty outside of a whole observation. Raises AwsError."""
    return aws.shared.once("iam account", lambda: _read_account(aws, 1 + aws.shared.size // SAVES)) or Account()


def _read_account(aws: Aws, most: int) -> Account:
    """most: pages; what isn't in them is read by name."""
    details, listed = aws.together(
        lambda: _pages(aws, "GetAccountAuthorizationDetails", most, Filter=list(DETAILS)),
        lambda: _pages(aws, "ListRoles", most),
    )
    if not details:
        return Account()
    # What the details of roles leave out: description and longest session.
    listed_roles = {role["RoleName"]: role for page in listed for role in page.get("Roles", ())}
    return Account(
        {
            role["RoleName"]: {**listed_roles[role["RoleName"]], **role}
            for page in details
            for role in page["RoleDetailList"]
            if role["RoleName"] in listed_roles
        },
        {user["UserName"]: user for page in details for user in page["UserDetailList"]},
        {
            (managed_policy["Arn"], version["VersionId"]): version["Document"]
            for page in details
            for managed_policy in page["Policies"]
            for version in managed_policy["PolicyVersionList"]
            if "Document" in version
        },
        whole=not details[-1].get("IsTruncated"),
    )


def _pages(aws: Aws, operation: str, most: int, **params: Any) -> list[Details]:
    """The first pages of an answer; none where it is denied."""
    try:
        return list(islice(aws.answers("iam", operation, MaxItems=ITEMS, **params), most))
    except Denied:
        return []
