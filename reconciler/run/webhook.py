"""Send a message to a webhook. Its URL is a secret: no word of it gets into a message or an error.

urllib3's own retries and exceptions name the URL, the first even on standard error; so each try is one request of it,
and of what it raises only the kind is told. The deploy's function sends by the same code, so nothing else is used here
than what Lambda has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from reconciler.core import plain_json
from reconciler.core.errors import ReconcilerError

TRIES = 3
SECONDS = 10.0  # for an answer
PAUSE = 1.0  # seconds before the second try; it doubles
AGAIN = (408, 425, 429, 500, 502, 503, 504)
HERE = ("127.0.0.1", "::1", "localhost")


class NotSent(ReconcilerError):
    """The message didn't get there; the text says why, without the URL."""


class TryAgain(NotSent):
    """The message didn't get there, and may the next time."""


def post(
    find: Callable[..., Mapping[str, Any] | None], source: str, body: bytes, sleep: Callable[[float], None]
) -> None:
    """POST JSON to the URL that is behind an ARN, again where that may help.

    find: makes a call to AWS, with None for what isn't there; sleep: waits so many seconds. Raises TryAgain, NotSent,
    and what these two raise.
    """
    url = read_url(find, source)
    for number in range(TRIES):
        try:
            send(url, body)
            return
        except TryAgain:
            if number == TRIES - 1:
                raise
            sleep(PAUSE * 2**number)


def read_url(find: Callable[..., Mapping[str, Any] | None], source: str) -> str:
    """The URL behind an ARN of an SSM parameter or a secret. find: as above. Raises NotSent, and what `find` raises."""
    service, operation, params = _question(source)
    return _url_in(find(service, operation, **params), source)


def _question(source: str) -> tuple[str, str, dict[str, Any]]:
    """(service, operation, parameters) by which AWS tells the URL that is behind an ARN."""
    parts = source.split(":")
    if parts[2] == "ssm":
        path = parts[5].removeprefix("parameter/")
        return "ssm", "GetParameter", {"Name": f"/{path}" if "/" in path else path, "WithDecryption": True}
    _, stage, version = _selectors(source)
    selection = ({"VersionStage": stage} if stage else {}) | ({"VersionId": version} if version else {})
    return "secretsmanager", "GetSecretValue", {"SecretId": ":".join(parts[:7]), **selection}


def _url_in(answer: Mapping[str, Any] | None, source: str) -> str:
    """The URL in the answer to that question; None: there is nothing. Raises NotSent."""
    text = _text(answer, source) if answer else None
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


def _selectors(source: str) -> list[str]:
    """JSON key, version stage and version id of a secret's ARN; empty where it has none."""
    return [*source.split(":")[7:10], "", "", ""][:3]


def _text(answer: Mapping[str, Any], source: str) -> str | None:
    if "Parameter" in answer:
        return str(answer["Parameter"]["Value"])
    text, key = str(answer.get("SecretString", "")), _selectors(source)[0]
    if not key:
        return text
    try:
        return str(plain_json.parse(text)[key])
    except (ValueError, KeyError, TypeError):
        return None


def send(url: str, body: bytes) -> None:
    """POST JSON, once, to this URL and no other: a redirect isn't followed. Raises TryAgain, NotSent."""
    import urllib3

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings name what is asked for
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    try:
        pool = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
        answer = pool.request(
            "POST",
            url,
            body=body,
            headers={"Content-Type": "application/json", "User-Agent": "reconciler"},
            timeout=SECONDS,
            retries=False,
            redirect=False,
            preload_content=False,
        )
        status = answer.status
        answer.close()  # what follows the status may never end, and says nothing
        pool.clear()
    except urllib3.exceptions.TimeoutError:
        raise TryAgain(f"the webhook gave no answer in {SECONDS:.0f} s") from None
    except urllib3.exceptions.SSLError:
        raise NotSent("the webhook's certificate isn't good") from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        raise TryAgain("the webhook can't be reached") from None
    if status in AGAIN:
        raise TryAgain(f"the webhook answered {status}")
    if not 200 <= status < 300:
        raise NotSent(f"the webhook answered {status}")
