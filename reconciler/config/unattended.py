"""The sections `notify` and `schedule`: who is told how runs end, and runs that nobody starts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from reconciler.config import names
from reconciler.config.base import Int, OneOrMore, Section, Unshown, short_for
from reconciler.config.run import Duration


class Webhook(Section):
    """A URL that gets a POST. Everybody who knows the URL may write there, so a secret holds it, not this file."""

    url_from: Annotated[str, names.WEBHOOK, Unshown()] = Field(
        description="ARN of the SSM parameter or Secrets Manager secret that holds the URL.",
        examples=["arn:aws:ssm:us-east-1:123456789012:parameter/my-pipeline/webhook"],
    )
    format: Literal["slack", "json"] = Field(
        "slack", description="`slack`: one text, as for Slack and similar services. `json`: all data about the end.",
        examples=["json"],
    )  # fmt: skip
    kms_key: Annotated[str, names.KMS_KEY] | None = Field(
        None,
        description="ARN of the KMS key that encrypts it, so that the sender may decrypt it; null for AWS's own.",
        examples=["arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"],
    )


class Notify(Section):
    """Notifications about the ends of runs, once for each run (docs/decisions/notify.md)."""

    on: Literal["failure", "success", "both"] = Field("both", description="Which ends are sent.", examples=["failure"])
    email: Annotated[tuple[Annotated[str, names.EMAIL], ...], OneOrMore()] = Field(
        (),
        description="E-mail addresses; each has to confirm once, by the link in a mail that AWS sends.",
        examples=[["team@example.com"]],
    )
    subscribers: Annotated[tuple[Annotated[str, names.SUBSCRIBER], ...], OneOrMore()] = Field(
        (),
        description="ARNs of SQS queues and Lambda functions that get the same messages.",
        examples=[["arn:aws:sqs:us-east-1:123456789012:ended-runs"]],
    )
    webhook: Annotated[
        Webhook | None, BeforeValidator(short_for("url_from"), json_schema_input_type=str | Webhook | None), Unshown()
    ] = Field(
        None,
        description="A Slack or other webhook; a bare ARN is its `url_from`.",
        examples=[{"url_from": "arn:aws:ssm:us-east-1:123456789012:parameter/my-pipeline/webhook"}],
    )
    topic: Annotated[str, names.TOPIC] | None = Field(
        None, description="The SNS topic's name. Default: NAME-runs.", examples=["my-topic"]
    )

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """`PROTOCOL ENDPOINT` of each that SNS sends to."""
        by_arn = (f"{'lambda' if ':lambda:' in arn else 'sqs'} {arn}" for arn in self.subscribers)
        return (*(f"email {address}" for address in self.email), *by_arn)


class Schedule(Section):
    """Starts runs at fixed times, with a function that launches and watches them (docs/decisions/notify.md)."""

    when: Annotated[str, names.EXPRESSION] = Field(
        description="`rate(1 day)`, or `cron(MINUTE HOUR DAY MONTH WEEKDAY YEAR)`.", examples=["cron(0 6 * * ? *)"]
    )
    timezone: str = Field("UTC", min_length=1, description="The time zone of `cron`.", examples=["America/Toronto"])
    enabled: bool = Field(True, description="false keeps the schedule but starts no run.", examples=[False])
    window: Duration = Field(
        0,
        ge=0,
        le=86400,
        description="Start at any moment within this time after the scheduled one, in whole minutes.",
        examples=["15m"],
    )
    retries: Int = Field(
        3, ge=0, le=185, description="Retries when a launch fails, or the function can't be called.", examples=[10]
    )
    give_up: Duration = Field(
        3600,
        ge=60,
        le=86400,
        description="The function isn't called later than this after the scheduled time.",
        examples=["2h"],
    )
    name: Annotated[str, names.SCHEDULE] | None = Field(
        None, description="The schedule's name. Default: NAME-schedule.", examples=["my-schedule"]
    )
