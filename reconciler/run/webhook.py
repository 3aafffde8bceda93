"""A message to a webhook: read where it goes, send it, again where that may help."""

from __future__ import annotations

import tenacity

from reconciler.aws.calls import Aws
from reconciler.core.clock import Clock
from reconciler.run.webhook_request import PAUSE, TRIES, TryAgain, question, send, url_in


def read_url(aws: Aws, source: str) -> str:
    """The URL behind an ARN of an SSM parameter or a secret. Raises NotSent, AwsError."""
    service, operation, params = question(source)
    return url_in(aws.find(service, operation, **params), source)


def post(url: str, body: bytes, clock: Clock) -> None:
    """POST JSON, again where that may help. Raises NotSent; Interrupted from the clock."""
    retrying = tenacity.Retrying(
        sleep=clock.sleep,
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(multiplier=PAUSE),
        retry=tenacity.retry_if_exception_type(TryAgain),
        reraise=True,
    )
    retrying(send, url, body)
