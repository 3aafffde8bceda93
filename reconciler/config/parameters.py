"""The section `parameters`: hyperparameters in SSM Parameter Store, each given to the task as a variable."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from reconciler.config import names
from reconciler.config.base import AsWritten, Section, bad, short_for
from reconciler.config.rule import TextRule
from reconciler.core.limits import NESTED
from reconciler.core.limits import PARAMETER as PARAMETER_SIZE

LONGEST = PARAMETER_SIZE.most


def _value(value: str) -> str:
    if why := PARAMETER_SIZE.exceeded(len(value.encode())):
        raise bad(f"it would be {why}", "give the program long text as a file (data.files)")
    if NESTED in value:
        raise bad("SSM refuses {{ in a value: it begins a reference to another parameter", "write the value without {{")
    return value


def _suggest(value: str) -> str:
    path = "/" + re.sub(r"/{2,}", "/", re.sub(r"[^A-Za-z0-9_.\/-]+", "-", value)).strip("/-")
    return f"/my{path}" if re.match(r"/(?:aws|ssm|reconciler)", path, re.IGNORECASE) else path


PARAMETER = TextRule(
    "a name for an SSM parameter",
    "a path of letters, digits, _ . and - that begins with / but not with /aws, /ssm or /reconciler/",
    r"(?!/(?:[aA][wW][sS]|[sS][sS][mM]|reconciler/))(?:/[A-Za-z0-9_.-]+){1,15}",
    _suggest,
    1000,
)


class Parameter(Section):
    """One hyperparameter, under the name of its environment variable. A value alone stands for `value`."""

    value: Annotated[
        Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_value)] | None, AsWritten()
    ] = Field(
        None,
        description="The first value, with which a missing parameter is created. Without it the parameter must exist.",
        examples=[0.05],
    )
    name: Annotated[str, PARAMETER] | None = Field(
        None, description="Its name in Parameter Store. Default: /NAME/VARIABLE.", examples=["/shared/learning-rate"]
    )
    give_as: Literal["secret", "environment"] = Field(
        "secret",
        description="`secret`: ECS reads it when a task starts. `environment`: it is written into the task definition.",
        examples=["environment"],
    )
    secure: bool = Field(
        False, description="A SecureString, which must exist: it is neither created nor read.", examples=[True]
    )
    kms_key: Annotated[str, names.KMS_KEY] | None = Field(
        None,
        description="ARN of a SecureString's KMS key, so that ECS may decrypt with it; null for AWS's own key.",
        examples=["arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    )


Parameters = Annotated[
    dict[
        Annotated[str, names.ENV],
        Annotated[
            Parameter,
            BeforeValidator(
                short_for("value"),
                json_schema_input_type=Annotated[str, Field(min_length=1, max_length=LONGEST)] | Parameter,
            ),
        ],
    ],
    AsWritten(),
]


def filled(parameters: dict[str, Parameter], deploy: str) -> dict[str, Parameter]:
    """The parameters, each with a name."""
    return {
        variable: parameter if parameter.name else parameter.model_copy(update={"name": f"/{deploy}/{variable}"})
        for variable, parameter in parameters.items()
    }
