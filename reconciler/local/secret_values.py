"""The values of a container definition's `secrets`, read from Parameter Store and Secrets Manager over the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from reconciler.core import plain_json
from reconciler.local.clients import client
from reconciler.local.keys import Keys
from reconciler.local.runner import StartError


class SecretReader:
    """Reads secrets as ECS does before it starts a task. Safe for many threads."""

    def __init__(self, endpoint_url: str, keys: Keys) -> None:
        self._endpoint_url, self._keys = endpoint_url, keys
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def read(self, secrets: Sequence[dict[str, str]], region: str) -> dict[str, str]:
        """Variable name to value. Raises StartError (ResourceInitializationError) for what can't be read."""
        return {secret["name"]: self._value(secret["valueFrom"], region) for secret in secrets}

    def _value(self, source: str, region: str) -> str:
        from botocore.exceptions import ClientError

        try:
            if ":secretsmanager:" in source:
                return self._secrets_manager(source, region)
            return self._parameter(source, region)
        except ClientError as error:
            kind = "secret from asm" if ":secretsmanager:" in source else "secrets from ssm"
            text = f"{error.response['Error']['Code']}: {error.response['Error'].get('Message', '')}"
            raise _unreadable(f"unable to retrieve {kind}: service call has been retried 1 time(s): {text}") from None

    def _parameter(self, source: str, region: str) -> str:
        if source.startswith("arn:"):
            region = source.split(":")[3]
            source = source.split(":parameter", 1)[1]
            source = source if source.count("/") > 1 else source.lstrip("/")
        answer = self._client("ssm", region).get_parameters(Names=[source], WithDecryption=True)
        if not answer["Parameters"]:
            raise _unreadable(
                "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
                f"invalid parameters: {source}"
            )
        return str(answer["Parameters"][0]["Value"])

    def _secrets_manager(self, source: str, region: str) -> str:
        parts = source.split(":")  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME[:JSON-KEY:STAGE:VERSION]
        region = parts[3] or region
        key, stage, version = [*parts[7:10], "", "", ""][:3]
        options = {"SecretId": ":".join(parts[:7])}
        options |= ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
        text = str(self._client("secretsmanager", region).get_secret_value(**options)["SecretString"])
        if not key:
            return text
        try:
            value = plain_json.parse(text)[key]
        except (ValueError, KeyError, TypeError):
            raise _unreadable(f"retrieved secret from Secrets Manager did not contain json key {key}") from None
        return value if isinstance(value, str) else json.dumps(value)

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            if (service, region) not in self._clients:
                self._clients[service, region] = client(service, region, self._endpoint_url, self._keys)
            return self._clients[service, region]


def _unreadable(why: str) -> StartError:
    return StartError("ResourceInitializationError", f"unable to pull secrets or registry auth: {why}")
