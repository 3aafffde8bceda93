"""SSM parameters that hold hyperparameters: made with a first value, which is never put again, and tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from reconciler.aws import tags
from reconciler.aws.calls import Aws
from reconciler.core.needs import Needs
from reconciler.core.secret import KNOWN
from reconciler.core.spec import OWNER_TAG, Changes, Initial, Observed, SecretsByName, Spec
from reconciler.kinds.base import Kind

BATCH = 10  # parameters that one call reads
DESCRIBED = 50  # parameters that one filter names
SECURE = "SecureString"


class ParameterSpec(Spec):
    """A parameter. initial: the value to make it with, under the name of its variable; whoever wants another changes
    it in AWS.
    """

    kind: ClassVar[str] = "parameter"

    initial: Annotated[dict[str, str], Initial(), SecretsByName()] = Field({})


def read_parameters(aws: Aws, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Parameters by name, as GetParameters gives them: Type, Version, Value (never that of a SecureString)."""
    batches = [list(names[i : i + BATCH]) for i in range(0, len(names), BATCH)]
    answers = aws.each(lambda batch: aws.call("ssm", "GetParameters", Names=batch, WithDecryption=False), batches)
    parameters = {parameter["Name"]: parameter for answer in answers for parameter in answer["Parameters"]}
    # Without decryption it is the encrypted text, which is of no use to anyone.
    return {
        n: {k: v for k, v in parameter.items() if (k, parameter["Type"]) != ("Value", SECURE)}
        for n, parameter in parameters.items()
    }


def describe_parameters(aws: Aws, names: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Parameters by name, as DescribeParameters gives them: Type, Version, KeyId and the like, and no value at all.

    What may only describe them can't see the value of a secret even if it tried to.
    """
    batches = [list(names[i : i + DESCRIBED]) for i in range(0, len(names), DESCRIBED)]
    answers = aws.each(lambda batch: _described(aws, batch), batches)
    return {parameter["Name"]: parameter for answer in answers for parameter in answer}


def _described(aws: Aws, names: list[str]) -> list[Mapping[str, Any]]:
    filters = [{"Key": "Name", "Option": "Equals", "Values": names}]
    return list(aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=filters))


class Parameter(Kind[ParameterSpec]):
    """Reads and writes SSM parameters."""

    spec: ClassVar[type[Spec]] = ParameterSpec
    needs: ClassVar[Needs] = Needs(
        create=("ssm:PutParameter", "ssm:AddTagsToResource"), delete=("ssm:DeleteParameter",),
        fields={"tags": ("ssm:AddTagsToResource", "ssm:RemoveTagsFromResource")},
        read=("ssm:GetParameters", "ssm:ListTagsForResource"), on=("ssm:parameter{name}",),
        listing=("ssm:DescribeParameters",),
    )  # fmt: skip
    pattern: ClassVar[str] = r"[A-Za-z0-9._/-]{1,1011}"

    def observe(self, aws: Aws, wants: Sequence[ParameterSpec]) -> Mapping[str, Observed[ParameterSpec]]:
        """One read for ten parameters, and one for the tags of each."""
        parameters = read_parameters(aws, [want.name for want in wants])
        live = [want for want in wants if want.name in parameters]
        tagging = aws.each(lambda want: self.tags_of(aws, want.name), live)
        return {
            want.name: _observed(aws, want, parameters[want.name], owned)
            for want, owned in zip(live, tagging, strict=True)
        }

    def tags_of(self, aws: Aws, name: str) -> Mapping[str, str]:
        """The tags of one parameter, in one read."""
        answer = aws.find("ssm", "ListTagsForResource", ResourceType="Parameter", ResourceId=name)
        return tags.mapping((answer or {}).get("TagList"))

    def create(self, aws: Aws, want: ParameterSpec) -> None:
        """One call, which is refused when it is there already."""
        value = next(iter(want.initial.values()))
        aws.call("ssm", "PutParameter", Name=want.name, Value=value, Type="String", Tags=tags.pairs(want.tags))

    def update(self, aws: Aws, want: ParameterSpec, seen: Observed[ParameterSpec], changes: Changes) -> None:
        """Only its tags are ours to change."""
        place = {"ResourceType": "Parameter", "ResourceId": want.name}
        if keys := tags.removed(want.tags, seen.spec.tags):
            aws.call("ssm", "RemoveTagsFromResource", **place, TagKeys=keys)
        aws.call("ssm", "AddTagsToResource", **place, Tags=tags.pairs(want.tags))

    def delete(self, aws: Aws, seen: Observed[ParameterSpec]) -> None:
        """Delete the parameter, in one call."""
        aws.find("ssm", "DeleteParameter", Name=seen.spec.name)

    def listed(self, aws: Aws) -> Iterable[str]:
        """The names of all parameters, in one read."""
        return [parameter["Name"] for parameter in aws.pages("ssm", "DescribeParameters", "Parameters")]

    def owned(self, aws: Aws, deploy: str) -> list[str]:
        """One read, which SSM filters."""
        tagged = [{"Key": f"tag:{OWNER_TAG}", "Option": "Equals", "Values": [deploy]}]
        return sorted(
            parameter["Name"]
            for parameter in aws.pages("ssm", "DescribeParameters", "Parameters", ParameterFilters=tagged)
        )


def _observed(
    aws: Aws, want: ParameterSpec, live: Mapping[str, Any], owned: Mapping[str, str]
) -> Observed[ParameterSpec]:
    attributes = {"arn": aws.arn("ssm", f"parameter{want.name}"), "version": str(live["Version"])}
    if "Value" in live:
        attributes["value"] = live["Value"]
    spec = ParameterSpec(name=want.name, tags=dict(owned))
    return Observed(spec, attributes, _note(want, live))


def _note(want: ParameterSpec, live: Mapping[str, Any]) -> str:
    """A note where the value isn't the file's, which is no difference; empty where it is."""
    for variable, first in want.initial.items():
        if live.get("Value") == first:
            continue
        if (
            "Value" not in live
            or KNOWN.shown(variable, first) != first
            or KNOWN.shown(variable, live["Value"]) != live["Value"]
        ):
            return f"its value in AWS (version {live['Version']}) counts; the file's is only its first"
        return f"{live['Value']} in AWS (version {live['Version']}) counts; the file's {first} is only its first value"
    return ""
