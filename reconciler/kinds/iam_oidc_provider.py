"""IAM OpenID Connect providers: what lets GitHub Actions assume a role without a stored key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.canonical import StringSet
from reconciler.core.spec import AtLeast, Changes, Observed, Spec, touches


class OidcProviderSpec(Spec):
    """A provider, named by its host; an account has one for each, so others may have added audiences."""

    kind: ClassVar[str] = "oidc-provider"

    audiences: Annotated[StringSet, AtLeast()] = ()


class OidcProvider:
    """Reads and writes OpenID Connect providers."""

    spec: ClassVar[type[Spec]] = OidcProviderSpec

    def observe(self, aws: Aws, wants: Sequence[OidcProviderSpec]) -> Mapping[str, Observed[OidcProviderSpec]]:
        """One read for each."""
        found = aws.each(lambda want: self._read(aws, want.name), wants)
        return {one.spec.name: one for one in found if one is not None}

    def _read(self, aws: Aws, name: str) -> Observed[OidcProviderSpec] | None:
        arn = aws.arn("iam", f"oidc-provider/{name}")
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
            if gone := tags.removed(want.tags, seen.spec.tags):
                aws.call("iam", "UntagOpenIDConnectProvider", OpenIDConnectProviderArn=arn, TagKeys=gone)
            aws.call("iam", "TagOpenIDConnectProvider", OpenIDConnectProviderArn=arn, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[OidcProviderSpec]) -> None:
        """One call."""
        aws.find("iam", "DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=seen.attributes["arn"])
