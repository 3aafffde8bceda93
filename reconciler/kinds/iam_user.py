"""IAM users for CI systems that can't use OpenID Connect: policies, groups, access keys, tags."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.errors import ReconcilerError
from reconciler.core.needs import ANYWHERE, Needs, On, parts_of
from reconciler.core.spec import Changes, Grants, Local, Observed, Spec, touches
from reconciler.kinds import iam
from reconciler.kinds.base import Kind
from reconciler.kinds.iam import IdentitySpec, read_account

KEY_PARAMETER = "/reconciler/{deploy}/users/{plain_name}/access-key"
RESERVED = "reserved"  # what it says of itself before the key is made
CURRENT = "current"  # stands for the one key whose secret is in `key_parameter`


def key_parameter(deploy: str, user: str) -> str:
    """The SSM parameter that holds a user's secret key."""
    return KEY_PARAMETER.format_map(parts_of(user, deploy))


class UserSpec(IdentitySpec):
    """A user. It owns its policies, groups and keys: one that isn't wanted is taken away.

    access_keys: `current` is the key that is stored in the SSM SecureString `key_parameter`; others by their id, but
    for `keep_keys`, which the file says were made elsewhere.
    """

    kind: ClassVar[str] = "user"

    groups: Annotated[StringSet, Grants()] = ()
    access_keys: Annotated[StringSet, Grants()] = ()
    console_password: Annotated[bool, Grants()] = False  # never made here, only taken away
    keep_keys: Annotated[StringSet, Local()] = ()
    key_parameter: Annotated[str, Local()] = ""


class User(Kind[UserSpec]):
    """Reads and writes IAM users."""

    spec: ClassVar[type[Spec]] = UserSpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreateUser", "iam:TagUser"),
        delete=("iam:DeleteUser", "iam:DetachUserPolicy", "iam:DeleteUserPolicy", "iam:DeleteAccessKey",
                "iam:DeleteLoginProfile", "iam:RemoveUserFromGroup", "ssm:DeleteParameter"),
        set={"managed_policies": ("iam:AttachUserPolicy",), "inline_policies": ("iam:PutUserPolicy",),
             "groups": ("iam:AddUserToGroup",), "access_keys": ("iam:CreateAccessKey", "ssm:PutParameter")},
        fields={"managed_policies": ("iam:DetachUserPolicy",), "inline_policies": ("iam:DeleteUserPolicy",),
                "groups": ("iam:RemoveUserFromGroup",), "access_keys": ("iam:DeleteAccessKey", "ssm:DeleteParameter"),
                "console_password": ("iam:DeleteLoginProfile",), "tags": ("iam:TagUser", "iam:UntagUser")},
        read=("iam:GetUser", "iam:GetLoginProfile", "iam:GetUserPolicy", "iam:ListAccessKeys",
              "iam:ListAttachedUserPolicies", "iam:ListGroupsForUser", "iam:ListUserPolicies",
              "ssm:DescribeParameters"),
        on=("iam:user/{name}",),
        elsewhere={"iam:AddUserToGroup": ("iam:group/*",), "iam:RemoveUserFromGroup": ("iam:group/*",),
                   "iam:AttachUserPolicy": (On("iam:user/{name}", iam.THESE),),
                   "ssm:PutParameter": (f"ssm:parameter{KEY_PARAMETER}",),
                   "ssm:DeleteParameter": (f"ssm:parameter{KEY_PARAMETER}",), "ssm:DescribeParameters": (ANYWHERE,)},
        listing=("iam:ListUsers", "iam:ListUserTags"),
        wide={"iam:RemoveUserFromGroup": "whichever group somebody put the user into"},
    )  # fmt: skip
    pattern: ClassVar[str] = iam.NAME

    def read(self, aws: Aws, want: UserSpec) -> Observed[UserSpec] | None:
        """Six reads, and one for each inline policy; two for what the account's details answer."""
        both: list[Any] = aws.together(lambda: self._keys(aws, want), lambda: read_account(aws).users.get(want.name))
        keys, details = both
        if keys is None:
            return None
        if details is not None:
            known = _spec(want, iam.permissions("User", details), details.get("GroupList", ()), *keys)
            if known.spec == want:
                return known
        reads: list[Any] = aws.together(
            lambda: iam.read(aws, "User", want.name),
            lambda: aws.find_all("iam", "ListGroupsForUser", "Groups", UserName=want.name),
        )
        found, listed = reads
        if found is None or listed is None:
            return None
        return _spec(want, found, [group["GroupName"] for group in listed], *keys)

    def _keys(self, aws: Aws, want: UserSpec) -> tuple[list[str], str, bool] | None:
        """(ids of the keys that the file doesn't know, the id of the one that is stored, whether a password is set)."""
        reads: list[Any] = aws.together(
            lambda: aws.find_all("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=want.name),
            lambda: aws.find("iam", "GetLoginProfile", UserName=want.name),
        )
        keys, password = reads
        if keys is None:
            return None
        ids = [key["AccessKeyId"] for key in keys if key["AccessKeyId"] not in want.keep_keys]
        return ids, self._stored(aws, want.key_parameter) if ids else "", password is not None

    @staticmethod
    def _stored(aws: Aws, parameter: str) -> str:
        """The id of the stored key: the parameter's description, so that no secret needs to be read."""
        if not parameter:
            return ""
        filters = [{"Key": "Name", "Option": "Equals", "Values": [parameter]}]
        found = list(aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=filters))
        return str(found[0].get("Description", "")) if found else ""

    def create(self, aws: Aws, want: UserSpec) -> None:
        """Make the user with its tags, then its policies and key."""
        self._reserve(aws, want, UserSpec(name=want.name))
        aws.call("iam", "CreateUser", UserName=want.name, Tags=tags.pairs(want.tags))
        self._add(aws, want, UserSpec(name=want.name))

    def update(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec], changes: Changes) -> None:
        """Take away what isn't wanted before anything is added."""
        self._reserve(aws, want, seen.spec)
        self._remove(aws, want, seen)
        self._add(aws, want, seen.spec)
        if touches(changes, "tags"):
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("iam", "UntagUser", UserName=want.name, TagKeys=gone)
            aws.call("iam", "TagUser", UserName=want.name, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[UserSpec]) -> None:
        """A user goes only without policies, groups, password and keys; the stored secret goes with it."""
        name = seen.spec.name
        if seen.owner is not None and CURRENT not in seen.spec.access_keys:
            # Its key is gone already; or it left the file, and only its tag says where the secret is.
            aws.find("ssm", "DeleteParameter", Name=key_parameter(seen.owner, name))
        self._remove(aws, UserSpec(name=name), seen)
        for key in aws.find_all("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=name) or ():
            aws.find("iam", "DeleteAccessKey", UserName=name, AccessKeyId=key["AccessKeyId"])
        aws.find("iam", "DeleteUser", UserName=name)

    def _add(self, aws: Aws, want: UserSpec, old: UserSpec) -> None:
        iam.add(aws, "User", want, old)
        for group in sorted(set(want.groups) - set(old.groups)):
            aws.call("iam", "AddUserToGroup", UserName=want.name, GroupName=group)
        if _needs_key(want, old):
            key = aws.call("iam", "CreateAccessKey", UserName=want.name)["AccessKey"]
            secret = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
            try:
                self._store(aws, want, json.dumps(secret), key["AccessKeyId"])
            except ReconcilerError:  # nobody would ever know its secret
                with contextlib.suppress(ReconcilerError):
                    aws.find("iam", "DeleteAccessKey", UserName=want.name, AccessKeyId=key["AccessKeyId"])
                raise

    def _reserve(self, aws: Aws, want: UserSpec, old: UserSpec) -> None:
        """Write the parameter of a key before the key is made: a secret is told once, and what can be refused then
        (its name, the permission, the key that encrypts it) would lose it.
        """
        if _needs_key(want, old):
            self._store(aws, want, RESERVED, RESERVED)

    @staticmethod
    def _store(aws: Aws, want: UserSpec, value: str, key_id: str) -> None:
        where = {"Name": want.key_parameter, "Type": "SecureString", "Description": key_id}
        aws.call("ssm", "PutParameter", **where, Value=value, Overwrite=True)

    def _remove(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec]) -> None:
        old, name = seen.spec, seen.spec.name
        for key in sorted(set(old.access_keys) - set(want.access_keys)):
            real = seen.attributes["current_key"] if key == CURRENT else key
            if key == CURRENT:  # first: a secret without its key would be found by nobody, a key without its secret is
                aws.find("ssm", "DeleteParameter", Name=old.key_parameter)
            aws.find("iam", "DeleteAccessKey", UserName=name, AccessKeyId=real)
        if old.console_password:
            aws.find("iam", "DeleteLoginProfile", UserName=name)
        for group in sorted(set(old.groups) - set(want.groups)):
            aws.find("iam", "RemoveUserFromGroup", UserName=name, GroupName=group)
        iam.remove(aws, "User", want, old)

    def listed(self, aws: Aws) -> Iterable[str]:
        """One read."""
        return [one["UserName"] for one in aws.pages("iam", "ListUsers", "Users")]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """One read."""
        return tags.mapping((aws.find("iam", "ListUserTags", UserName=name) or {}).get("Tags"))


def _needs_key(want: UserSpec, old: UserSpec) -> bool:
    return CURRENT in want.access_keys and CURRENT not in old.access_keys


def _spec(
    want: UserSpec, found: dict[str, Any], groups: Sequence[str], ids: Sequence[str], stored: str, password: bool
) -> Observed[UserSpec]:
    live = found.pop("live")
    spec = UserSpec(
        name=live["UserName"],
        groups=tuple(groups),
        access_keys=tuple(CURRENT if one == stored else one for one in ids),
        console_password=password,
        keep_keys=want.keep_keys,
        key_parameter=want.key_parameter,
        tags=tags.mapping(live.get("Tags")),
        **found,
    )
    return Observed(spec, {"arn": live["Arn"]} | ({"current_key": stored} if stored in ids else {}))
