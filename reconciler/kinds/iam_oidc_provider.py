"""IAM OpenID Connect providers: what lets GitHub Actions assume a role without a stored key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.needs import ANYWHERE, Needs
from reconciler.core.spec import Address, AtLeast, Changes, Observed, Spec, touches
from reconciler.kinds.base import Kind


class OidcProviderSpec(Spec):
    """A provider, named by its host; an account has one for each, so others may have added audiences."""

    kind: ClassVar[str] = "oidc-provider"

    audiences: Annotated[StringSet, AtLeast()] = ()


class OidcProvider(Kind[OidcProviderSpec]):
    """Reads and writes OpenID Connect providers."""

    spec: ClassVar[type[Spec]] = OidcProviderSpec
    needs: ClassVar[Needs] = Needs(
        create=("iam:CreateOpenIDConnectProvider", "iam:TagOpenIDConnectProvider"),
        delete=("iam:DeleteOpenIDConnectProvider", "iam:ListRoles"),
        fields={"audiences": ("iam:AddClientIDToOpenIDConnectProvider",),
                "tags": ("iam:TagOpenIDConnectProvider", "iam:UntagOpenIDConnectProvider")},
        read=("iam:GetOpenIDConnectProvider",), on=("iam:oidc-provider/{name}",),
        elsewhere={"iam:ListRoles": (ANYWHERE,)},
        listing=("iam:ListOpenIDConnectProviders", "iam:ListOpenIDConnectProviderTags"),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~/-]*)?"

    def read(self, aws: Aws, want: OidcProviderSpec) -> Observed[OidcProviderSpec] | None:
        """The provider as it is in AWS, in one read."""
        arn = aws.arn("iam", f"oidc-provider/{want.name}")
        live = aws.find("iam", "GetOpenIDConnectProvider", OpenIDConnectProviderArn=arn)
        if live is None:
            return None
        spec = OidcProviderSpec(
            name=live["Url"].removeprefix("https://"),
            audiences=tuple(live.get("ClientIDList", ())),
            tags=tags.mapping(live.get("Tags")),
        )
        return Observed(spec, {"arn": arn})

    def create(self, aws: Aws, want: OidcProviderSpec) -> None:
        """AWS finds the thumbprints of well-known providers by itself."""
        aws.call(
            "iam",
            "CreateOpenIDConnectProvider",
            Url=f"https://{want.name}",
            ClientIDList=list(want.audiences),
            Tags=tags.pairs(want.tags),
        )

    def update(self, aws: Aws, want: OidcProviderSpec, seen: Observed[OidcProviderSpec], changes: Changes) -> None:
        """Add what is missing."""
        arn = seen.attributes["arn"]
        for audience in sorted(set(want.audiences) - set(seen.spec.audiences)):
            aws.call("iam", "AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=arn, ClientID=audience)
        if touches(changes, "tags"):
            name = {"OpenIDConnectProviderArn": arn}
            tags.put(aws, "iam", want.tags, seen.spec.tags, of="OpenIDConnectProvider", **name)

    def delete(self, aws: Aws, seen: Observed[OidcProviderSpec]) -> None:
        """Delete the provider, in one call."""
        aws.find("iam", "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=seen.attributes["arn"])

    def users(self, aws: Aws, seen: Observed[OidcProviderSpec]) -> frozenset[Address]:
        """The roles whose trust names it: an account has one provider for all of its deploys. A read for each page."""
        arn_text = json.dumps(seen.attributes["arn"])
        roles = aws.pages("iam", "ListRoles", "Roles")
        return frozenset(
            Address("role", role["RoleName"])
            for role in roles
            if arn_text in json.dumps(role["AssumeRolePolicyDocument"])
        )

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all providers, in one read."""
        providers = aws.pages("iam", "ListOpenIDConnectProviders", "OpenIDConnectProviderList")
        return [provider["Arn"].partition("oidc-provider/")[2] for provider in providers]

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one provider, in one read."""
        arn = aws.arn("iam", f"oidc-provider/{name}")
        answer = aws.find("iam", "ListOpenIDConnectProviderTags", OpenIDConnectProviderArn=arn)
        return tags.mapping((answer or {}).get("Tags"))
