"""Lambda functions whose code is the archive of `reconciler.bundle`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from reconciler.canonical import JsonText, StringSet
from reconciler.spec import Grants, SecretsByName, Spec


class FunctionSpec(Spec):
    """A function, and who may call it. It owns its resource policy: a statement that isn't wanted is taken away."""

    kind: ClassVar[str] = "function"

    code: str = ""  # base64 of the archive's SHA-256
    runtime: str = ""
    handler: str = ""
    role: Annotated[str, Grants()] = ""  # ARN, with which it runs
    timeout: int = 3  # seconds
    memory: int = 128  # MiB
    description: str = ""
    environment: Annotated[dict[str, str], SecretsByName()] = Field({})
    dead_letters: str = ""  # ARN of the queue that gets what it failed at
    invokers: Annotated[StringSet, Grants()] = ()  # `SERVICE SOURCE_ARN`, or a statement of another form, as JSON
    other: Annotated[JsonText, Grants()] = ""  # everything else that it has
