"""IAM users for CI systems that can't use OpenID Connect: policies, access keys, tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws import Aws
from reconciler.canonical import PolicyDocument, StringSet, policy
from reconciler.kinds import tags
from reconciler.spec import Changes, Grants, Holds, Local, Observed, Spec, touches

CURRENT = "current"  # stands for the one key whose secret is in `key_parameter`


class UserSpec(Spec):
    """A user. It owns its policies and keys: one that isn't wanted is taken away.

    access_keys: `current` is the key that is stored in the SSM SecureString `key_parameter`; others by their id, but
    for `keep_keys`, which the file says were made elsewhere.
    """

    kind: ClassVar[str] = "user"

    managed_policies: Annotated[StringSet, Grants(), Holds("policy", "arn")] = ()  # ARNs
    inline_policies: Annotated[dict[str, PolicyDocument], Grants()] = Field(default_factory=dict)
    access_keys: Annotated[StringSet, Grants()] = ()
    keep_keys: Annotated[StringSet, Local()] = ()
    key_parameter: Annotated[str, Local()] = ""


class User:
    """Reads and writes IAM users."""

    spec: ClassVar[type[Spec]] = UserSpec

    def observe(self, aws: Aws, wants: Sequence[UserSpec]) -> Mapping[str, Observed[UserSpec]]:
        """Four reads for each user, and one for each inline policy."""
        found = aws.each(lambda want: self._read(aws, want), wants)
        return {one.spec.name: one for one in found if one is not None}

    def _read(self, aws: Aws, want: UserSpec) -> Observed[UserSpec] | None:
        name = want.name
        found: list[Any] = aws.together(
            lambda: aws.find("iam", "GetUser", UserName=name),
            lambda: aws.find_all("iam", "ListAttachedUserPolicies", "AttachedPolicies", UserName=name),
            lambda: aws.find_all("iam", "ListUserPolicies", "PolicyNames", UserName=name),
            lambda: aws.find_all("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=name),
            lambda: self._stored(aws, want.key_parameter),
        )
        user, attached, inline, keys, stored = found
        if user is None or attached is None or inline is None or keys is None:
            return None
        live = user["User"]
        documents = aws.each(lambda p: aws.call("iam", "GetUserPolicy", UserName=name, PolicyName=p), inline)
        ids = [key["AccessKeyId"] for key in keys if key["AccessKeyId"] not in want.keep_keys]
        spec = UserSpec(
            name=live["UserName"],
            managed_policies=tuple(p["PolicyArn"] for p in attached),
            inline_policies={d["PolicyName"]: policy(d["PolicyDocument"]) for d in documents},
            access_keys=tuple(CURRENT if one == stored else one for one in ids),
            key_parameter=want.key_parameter,
            tags=tags.mapping(live.get("Tags")),
        )
        return Observed(spec, {"arn": live["Arn"]} | ({"current_key": stored} if stored in ids else {}))

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
        aws.call("iam", "CreateUser", UserName=want.name, Tags=tags.pairs(want.tags))
        self._add(aws, want, UserSpec(name=want.name))

    def update(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec], changes: Changes) -> None:
        """Take away what isn't wanted before anything is added."""
        self._remove(aws, want, seen)
        self._add(aws, want, seen.spec)
        if touches(changes, "tags"):
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("iam", "UntagUser", UserName=want.name, TagKeys=gone)
            aws.call("iam", "TagUser", UserName=want.name, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[UserSpec]) -> None:
        """A user goes only without policies and keys."""
        self._remove(aws, UserSpec(name=seen.spec.name), seen)
        for key in aws.find_all("iam", "ListAccessKeys", "AccessKeyMetadata", UserName=seen.spec.name) or ():
            aws.find("iam", "DeleteAccessKey", UserName=seen.spec.name, AccessKeyId=key["AccessKeyId"])
        aws.find("iam", "DeleteLoginProfile", UserName=seen.spec.name)
        aws.find("iam", "DeleteUser", UserName=seen.spec.name)

    def _add(self, aws: Aws, want: UserSpec, old: UserSpec) -> None:
        for arn in sorted(set(want.managed_policies) - set(old.managed_policies)):
            aws.call("iam", "AttachUserPolicy", UserName=want.name, PolicyArn=arn)
        for name, document in sorted(want.inline_policies.items()):
            if old.inline_policies.get(name) != document:
                text = document.text()
                aws.call("iam", "PutUserPolicy", UserName=want.name, PolicyName=name, PolicyDocument=text)
        if CURRENT in want.access_keys and CURRENT not in old.access_keys:
            key = aws.call("iam", "CreateAccessKey", UserName=want.name)["AccessKey"]
            secret = {"AccessKeyId": key["AccessKeyId"], "SecretAccessKey": key["SecretAccessKey"]}
            aws.call(
                "ssm", "PutParameter", Name=want.key_parameter, Value=json.dumps(secret), Type="SecureString",
                Description=key["AccessKeyId"], Overwrite=True,
            )  # fmt: skip

    def _remove(self, aws: Aws, want: UserSpec, seen: Observed[UserSpec]) -> None:
        old, name = seen.spec, seen.spec.name
        for key in sorted(set(old.access_keys) - set(want.access_keys)):
            real = seen.attributes["current_key"] if key == CURRENT else key
            aws.find("iam", "DeleteAccessKey", UserName=name, AccessKeyId=real)
            if key == CURRENT:
                aws.find("ssm", "DeleteParameter", Name=old.key_parameter)
        for arn in sorted(set(old.managed_policies) - set(want.managed_policies)):
            aws.find("iam", "DetachUserPolicy", UserName=name, PolicyArn=arn)
        for inline in sorted(old.inline_policies.keys() - want.inline_policies.keys()):
            aws.find("iam", "DeleteUserPolicy", UserName=name, PolicyName=inline)
