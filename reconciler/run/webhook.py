"""A message to a webhook. The URL is a secret: no word of it gets into a message, a log or an error.

urllib3's own retries and exceptions name the URL, the first even on standard error; so it tries once, we repeat, and
of what it raises only the kind is told.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import tenacity

from reconciler.aws.calls import Aws
from reconciler.clock import Clock
from reconciler.errors import ReconcilerError

TRIES = 3
SECONDS = 10.0  # for an answer
PAUSE = 1.0  # seconds before the second try; it doubles
AGAIN = (408, 425, 429, 500, 502, 503, 504)
HERE = ("127.0.0.1", "::1", "localhost")


class NotSent(ReconcilerError):
    """The message didn't get there; the text says why, without the URL."""


class _Again(NotSent):
    """It may get there the next time."""


def read_url(aws: Aws, source: str) -> str:
    """The URL behind an ARN of an SSM parameter or a secret. Raises NotSent, AwsError."""
    parts = source.split(":")
    if parts[2] == "ssm":
        path = parts[5].removeprefix("parameter/")
        name = f"/{path}" if "/" in path else path
        answer = aws.find("ssm", "GetParameter", Name=name, WithDecryption=True)
        text = str(answer["Parameter"]["Value"]) if answer else None
    else:
        key, stage, version = [*parts[7:10], "", "", ""][:3]
        more = ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
        answer = aws.find("secretsmanager", "GetSecretValue", SecretId=":".join(parts[:7]), **more)
        text = _part(str(answer.get("SecretString", "")), key) if answer else None
    if text is None:
        raise NotSent(f"there is nothing behind {source}")
    try:
        url = urlsplit(text.strip())
        good = url.hostname and (url.scheme == "https" or (url.scheme == "http" and url.hostname in HERE))
    except ValueError:
        good = False
    if not good:
        raise NotSent(f"what is behind {source} is no https:// URL")
    return text.strip()


def _part(text: str, key: str) -> str | None:
    """A secret, or what a JSON secret has under a key."""
    if not key:
        return text
    try:
        return str(json.loads(text)[key])
    except (ValueError, KeyError, TypeError):
        return None


def post(url: str, body: Mapping[str, Any], clock: Clock) -> None:
    """POST it as JSON, again where that may help. Raises NotSent; Interrupted from the clock."""
    retrying = tenacity.Retrying(
        sleep=clock.sleep,
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(multiplier=PAUSE),
        retry=tenacity.retry_if_exception_type(_Again),
        reraise=True,
    )
    retrying(_once, url, json.dumps(body).encode())


def _once(url: str, body: bytes) -> None:
    import urllib3

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings name what is asked for
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    try:
        pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
        answer = pool.request(
            "POST", url, body=body, headers={"Content-Type": "application/json", "User-Agent": "reconciler"},
            timeout=SECONDS, retries=False, redirect=False,
        )  # fmt: skip
        status = answer.status
        pool.clear()
    except urllib3.exceptions.TimeoutError:
        raise _Again(f"the webhook gave no answer in {SECONDS:.0f} s") from None
    except urllib3.exceptions.SSLError:
        raise NotSent("the webhook's certificate isn't good") from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        raise _Again("the webhook can't be reached") from None
    if status in AGAIN:
        raise _Again(f"the webhook answered {status}")
    if not 200 <= status < 300:
        raise NotSent(f"the webhook answered {status}")
