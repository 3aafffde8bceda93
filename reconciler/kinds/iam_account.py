"""All roles, users and policies of the account in two reads, where that is allowed and the account is small.

It is a short cut, shared by the IAM kinds while everything is observed, and never the last word: only what it shows
to be exactly as wanted is believed. Anything else (absent, different, or no such permission) is read by name, so that
a plan is the same with and without it, and no other permissions are needed than those on the deploy's own resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.calls import Aws

ITEMS = 300  # an account with more is read by name: its pages would come one after another
KINDS = ("Role", "User", "LocalManagedPolicy")
Details = Mapping[str, Any]


@dataclass(frozen=True)
class Account:
    """Details by name, and policies' documents by ARN and version."""

    roles: Mapping[str, Details] = field(default_factory=dict)
    users: Mapping[str, Details] = field(default_factory=dict)
    documents: Mapping[tuple[str, str], Any] = field(default_factory=dict)


def read_account(aws: Aws) -> Account:
    """What could be read of it; empty outside of a whole observation. Raises AwsError."""
    return aws.shared.once("iam account", lambda: _read(aws)) or Account()


def _read(aws: Aws) -> Account:
    details, listed = aws.together(
        lambda: aws.allowed("iam", "GetAccountAuthorizationDetails", Filter=list(KINDS), MaxItems=ITEMS),
        lambda: aws.allowed("iam", "ListRoles", MaxItems=ITEMS),
    )
    if details is None or details.get("IsTruncated"):
        return Account()
    # What the details of roles leave out: description and longest session.
    more = {role["RoleName"]: role for role in (listed or {}).get("Roles", ())}
    return Account(
        {
            role["RoleName"]: {**more[role["RoleName"]], **role}
            for role in details["RoleDetailList"]
            if role["RoleName"] in more
        },
        {user["UserName"]: user for user in details["UserDetailList"]},
        {
            (one["Arn"], version["VersionId"]): version["Document"]
            for one in details["Policies"]
            for version in one["PolicyVersionList"]
            if "Document" in version
        },
    )
