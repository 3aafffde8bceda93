"""What hangs on functions, put right where moto's differs: URLs, asynchronous destinations, policies of aliases.

moto has one of each for a function, whatever version or alias is asked for; AWS has one for each of those.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from moto.awslambda import urls
from moto.awslambda.exceptions import ConflictException, GenericResourcNotFound, UnknownAliasException
from moto.awslambda.models import EventInvokeConfig, FunctionUrlConfig, LambdaBackend
from moto.awslambda.policy import Policy
from moto.awslambda.responses import LambdaResponse

from reconciler.local.correction import Correction

API = "https://docs.aws.amazon.com/lambda/latest/api/API_"
LATEST = "$LATEST"
Answer = tuple[int, dict[str, Any], str]


class InUse(ConflictException):
    """A version that an alias leads to stays."""

    def __init__(self) -> None:
        super().__init__("The version is referenced by one or more aliases")
        self.error_type = "ResourceConflictException"


def _function_and_qualifier(response: Any, place: int) -> tuple[Any, str]:
    """(function, qualifier or nothing) that a request names; place: of the function's name, from the path's end."""
    function = response.backend.get_function(unquote(response.path.split("/")[place]))
    qualifier = str(response.querystring.get("Qualifier", [""])[0])
    versions = {
        "",
        LATEST,
        *(str(version.version) for version in response.backend.list_versions_by_function(function.function_name)),
    }
    if qualifier not in versions | {alias.name for alias in response.backend.list_aliases(function.function_name)}:
        raise UnknownAliasException(f"{function.function_arn}:{qualifier}")
    return function, "" if qualifier == LATEST else qualifier


def _by_qualifier(function: Any, attribute: str) -> dict[str, Any]:
    """What a function has of something, by qualifier."""
    values: dict[str, Any] = function.__dict__.setdefault(attribute, {})
    return values


def _qualified(arn: str, qualifier: str) -> str:
    return f"{arn}:{qualifier}" if qualifier else arn


def _urls_are_of_a_qualifier() -> None:
    urls.url_paths[r"{0}/(?P<api_version>[^/]+)/functions/(?P<function_name>[\w_:%-]+)/urls/?$"] = (
        LambdaResponse.dispatch
    )

    def shown(function: Any, qualifier: str, config: Any) -> dict[str, Any]:
        return {**config.to_dict(), "FunctionArn": _qualified(function.function_arn, qualifier)}

    def create(self: Any) -> Answer:
        function, qualifier = _function_and_qualifier(self, -2)
        if qualifier in _by_qualifier(function, "urls"):
            raise ConflictException("Failed to create function url config for [functionArn]: it exists already")
        _by_qualifier(function, "urls")[qualifier] = FunctionUrlConfig(function=function, config=self.json_body)
        return 201, {"status": 201}, json.dumps(shown(function, qualifier, _by_qualifier(function, "urls")[qualifier]))

    def get(self: Any) -> Answer:
        function, qualifier = _function_and_qualifier(self, -2)
        if qualifier not in _by_qualifier(function, "urls"):
            raise GenericResourcNotFound
        return 200, {"status": 200}, json.dumps(shown(function, qualifier, _by_qualifier(function, "urls")[qualifier]))

    def delete(self: Any) -> Answer:
        function, qualifier = _function_and_qualifier(self, -2)
        if _by_qualifier(function, "urls").pop(qualifier, None) is None:
            raise GenericResourcNotFound
        return 204, {"status": 204}, ""

    def listed(self: Any) -> str:
        function, _ = _function_and_qualifier(self, -2)
        configs = [shown(function, qualifier, url) for qualifier, url in _by_qualifier(function, "urls").items()]
        return json.dumps({"FunctionUrlConfigs": configs})

    LambdaResponse.create_function_url_config = create  # type: ignore[method-assign]
    LambdaResponse.get_function_url_config = get  # type: ignore[method-assign]
    LambdaResponse.delete_function_url_config = delete  # type: ignore[method-assign]
    LambdaResponse.list_function_url_configs = listed  # type: ignore[attr-defined]


def _destinations_are_of_a_qualifier() -> None:
    """moto also shows the first that was ever put, whatever was put after it."""

    def put(self: Any) -> Answer:
        function, qualifier = _function_and_qualifier(self, -2)
        arn = f"{function.function_arn}:{qualifier or LATEST}"
        config = EventInvokeConfig(arn, function.last_modified, self.json_body)
        _by_qualifier(function, "events")[qualifier] = config
        return 200, {"status": 200}, json.dumps({**config.response(), "LastModified": 0})

    def delete(self: Any) -> Answer:
        function, qualifier = _function_and_qualifier(self, -2)
        if _by_qualifier(function, "events").pop(qualifier, None) is None:
            raise GenericResourcNotFound
        return 204, {"status": 204}, ""

    def listed(self: Any) -> str:
        function, _ = _function_and_qualifier(self, -3)
        configs = [{**event.response(), "LastModified": 0} for event in _by_qualifier(function, "events").values()]
        return json.dumps({"FunctionEventInvokeConfigs": configs})

    LambdaResponse.put_function_event_invoke_config = put  # type: ignore[method-assign,assignment]
    LambdaResponse.delete_function_event_invoke_config = delete  # type: ignore[method-assign]
    LambdaResponse.list_function_event_invoke_configs = listed  # type: ignore[method-assign]


def _policies_are_of_a_qualifier() -> None:
    add: Any = LambdaResponse.add_permission
    get: Any = LambdaResponse.get_policy
    remove: Any = LambdaResponse.remove_permission

    def add_permission(self: Any) -> Any:
        function, qualifier = _function_and_qualifier(self, -2)
        if not qualifier:
            return add(self)
        policy = _by_qualifier(function, "policies").setdefault(qualifier, Policy(function))
        statement, _ = policy.add_statement(self.body, qualifier)
        return json.dumps({"Statement": json.dumps(statement)})

    def get_policy(self: Any) -> Any:
        function, qualifier = _function_and_qualifier(self, -2)
        if not qualifier:
            return get(self)
        if qualifier not in _by_qualifier(function, "policies"):
            raise GenericResourcNotFound
        return _by_qualifier(function, "policies")[qualifier].wire_format()

    def remove_permission(self: Any) -> Any:
        function, qualifier = _function_and_qualifier(self, -3)
        if not qualifier:
            return remove(self)
        if qualifier not in _by_qualifier(function, "policies"):
            raise GenericResourcNotFound
        _by_qualifier(function, "policies")[qualifier].del_statement(unquote(self.path.split("/")[-1].split("?")[0]))
        return 204, {"status": 204}, ""

    LambdaResponse.add_permission = add_permission  # type: ignore[method-assign]
    LambdaResponse.get_policy = get_policy  # type: ignore[method-assign]
    LambdaResponse.remove_permission = remove_permission  # type: ignore[method-assign]


def _what_is_used_stays() -> None:
    """A version that an alias leads to isn't deleted; what an alias has goes with it; a mapping is found by ARN too."""
    delete: Any = LambdaBackend.delete_function
    alias: Any = LambdaBackend.delete_alias
    mappings: Any = LambdaBackend.list_event_source_mappings

    def delete_function(self: Any, function_name: str, qualifier: str | None = None) -> None:
        if qualifier and qualifier in {
            str(listed_alias.function_version) for listed_alias in self.list_aliases(function_name)
        }:
            raise InUse
        delete(self, function_name, qualifier)

    def delete_alias(self: Any, name: str, function_name: str) -> None:
        alias(self, name, function_name)
        for attribute in ("urls", "events", "policies"):
            _by_qualifier(self.get_function(function_name), attribute).pop(name, None)

    def list_mappings(self: Any, event_source_arn: str, function_name: str) -> Any:
        of_source = mappings(self, event_source_arn, None)
        name = str(function_name or "").rpartition(":function:")[2]
        return [
            mapping for mapping in of_source if not name or mapping.function_name.rpartition(":function:")[2] == name
        ]

    LambdaBackend.delete_function = delete_function  # type: ignore[method-assign]
    LambdaBackend.delete_alias = delete_alias  # type: ignore[method-assign]
    LambdaBackend.list_event_source_mappings = list_mappings  # type: ignore[method-assign]


CORRECTIONS = (
    Correction("a function's URLs are of a qualifier", f"{API}CreateFunctionUrlConfig.html", _urls_are_of_a_qualifier),
    Correction(
        "a function's destinations are of a qualifier",
        f"{API}PutFunctionEventInvokeConfig.html",
        _destinations_are_of_a_qualifier,
    ),
    Correction("a function's policies are of a qualifier", f"{API}AddPermission.html", _policies_are_of_a_qualifier),
    Correction("a version that an alias leads to stays", f"{API}DeleteFunction.html", _what_is_used_stays),
)
