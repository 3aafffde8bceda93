"""Clients with which the parts of the embedded AWS that act by themselves call it."""

from __future__ import annotations

from typing import Any

from reconciler.local.keys import Keys


def client(service: str, region: str, endpoint_url: str, keys: Keys) -> Any:
    """A boto3 client that may do everything there."""
    import boto3

    return boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
    )
