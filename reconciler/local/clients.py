"""Clients with which the parts of the embedded AWS that act by themselves call it."""

from __future__ import annotations

from typing import Any


def client(service: str, region: str, endpoint_url: str) -> Any:
    """A boto3 client that may do everything there."""
    import boto3

    return boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 - moto takes any
    )
