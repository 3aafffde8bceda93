"""Lambda functions of moto put right where a difference to AWS matters here. Nothing of it needs a Docker engine."""

from __future__ import annotations

import json
from typing import Any

from moto.awslambda.exceptions import ConflictException, InvalidParameterValueException
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.policy import Policy
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends

from reconciler.local.correction import Correction

API = "https://docs.aws.amazon.com/lambda/latest/api/API_"
# What moto doesn't keep, or doesn't change.
KEPT = ("DeadLetterConfig", "FileSystemConfigs", "KMSKeyArn", "LoggingConfig", "TracingConfig", "EphemeralStorage",
        "SnapStart")  # fmt: skip
TRUSTED = "lambda.amazonaws.com"
NOT_ASSUMED = "The role defined for the function cannot be assumed by Lambda."


class StatementExists(ConflictException):
    """A statement id can be used once."""

    def __init__(self, sid: str) -> None:
        super().__init__(
            f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the "
            "existing statement."
        )
        self.error_type = "ResourceConflictException"


def _all_of_the_configuration_is_kept() -> None:
    original_init: Any = LambdaFunction.__init__
    original_get: Any = LambdaFunction.get_configuration
    original_update: Any = LambdaFunction.update_configuration

    def init(self: Any, account_id: str, spec: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        self.kept = {key: spec[key] for key in KEPT if spec.get(key)}
        original_init(self, account_id, spec, *args, **kwargs)

    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        usual = {"LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.function_name}"}}
        configuration = {**original_get(self, *args, **kwargs), **usual, **self.kept}
        hidden = ("DeadLetterConfig",) if not configuration.get("DeadLetterConfig", {}).get("TargetArn") else ()
        return {key: value for key, value in configuration.items() if key not in hidden}

    def update(self: Any, config_updates: dict[str, Any]) -> Any:
        self.kept |= {key: config_updates[key] for key in KEPT if key in config_updates}
        return original_update(self, config_updates) and self.get_configuration()

    LambdaFunction.__init__ = init  # type: ignore[method-assign]
    LambdaFunction.get_configuration = get  # type: ignore[method-assign]
    LambdaFunction.update_configuration = update  # type: ignore[method-assign]


def _its_architecture_changes_with_the_code() -> None:
    original: Any = LambdaFunction.update_function_code

    def update(self: Any, updated_spec: dict[str, Any]) -> Any:
        self.architectures = updated_spec.get("Architectures") or self.architectures
        return original(self, updated_spec)

    LambdaFunction.update_function_code = update  # type: ignore[method-assign]


def _roles_must_trust_lambda() -> None:
    """AWS tries to assume a role before it takes it; moto looks whether it is there, and only at first."""
    create: Any = LambdaBackend.create_function
    change: Any = LambdaBackend.update_function_configuration

    def create_function(self: Any, spec: dict[str, Any]) -> Any:
        _assume(self, spec["Role"])
        return create(self, spec)

    def update(self: Any, function_name: str, qualifier: str, body: dict[str, Any]) -> Any:
        if "Role" in body:
            _assume(self, body["Role"])
        return change(self, function_name, qualifier, body)

    LambdaBackend.create_function = create_function  # type: ignore[method-assign]
    LambdaBackend.update_function_configuration = update  # type: ignore[method-assign]


def _assume(backend: Any, arn: str) -> None:
    try:
        role = iam_backends[backend.account_id][backend.partition].get_role_by_arn(arn)
    except NotFoundException:
        raise InvalidParameterValueException(NOT_ASSUMED) from None
    document = role.assume_role_policy_document
    if TRUSTED not in (document if isinstance(document, str) else json.dumps(document)):
        raise InvalidParameterValueException(NOT_ASSUMED)


def _statement_ids_are_used_once() -> None:
    original: Any = Policy.add_statement

    def add(self: Any, raw: str, qualifier: str | None = None) -> Any:
        sid = json.loads(raw).get("StatementId")
        if any(statement.get("Sid") == sid for statement in self.statements):
            raise StatementExists(sid)
        return original(self, raw, qualifier)

    Policy.add_statement = add  # type: ignore[method-assign]


CORRECTIONS = (
    Correction(
        "all of a function's configuration is kept",
        f"{API}FunctionConfiguration.html",
        _all_of_the_configuration_is_kept,
    ),
    Correction(
        "a function's architecture changes with its code",
        f"{API}UpdateFunctionCode.html",
        _its_architecture_changes_with_the_code,
    ),
    Correction(
        "a function's role must trust Lambda",
        "https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html",
        _roles_must_trust_lambda,
    ),
    Correction("a function's statement ids are used once", f"{API}AddPermission.html", _statement_ids_are_used_once),
)
