"""EventBridge's rules and SNS's subscriptions, put right where moto's differ from AWS's in what matters here.

Rules call functions whose policy lets this very rule, and leave alone what is disabled. An e-mail address stays
unconfirmed until ConfirmSubscription is called; since nobody reads mails here, its token is the address.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core.responses import ActionResult
from moto.events.models import Rule
from moto.sns.models import SNSBackend, Subscription
from moto.sns.responses import SNSResponse

from reconciler.local import server_log
from reconciler.local.correction import Correction
from reconciler.local.functions import Functions

PENDING = "PendingConfirmation"


def _rules_call_functions(functions: Functions) -> None:
    original: Any = Rule.send_to_targets

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        pattern = self.event_pattern
        if self.state != "ENABLED" or not pattern.get_pattern() or not pattern.matches_event(original_event):
            return
        rule, other_targets = str(self.arn), []
        for target in self.targets:
            if target["Arn"].split(":")[2] != "lambda":
                other_targets.append(target)
            elif why := functions.call(str(target["Arn"]), original_event, rule):
                server_log.tell(f"rule {self.name}: {why}")
        if other_targets:
            twin = object.__new__(type(self))
            twin.__dict__.update(self.__dict__, targets=other_targets)
            original(twin, original_event, transform_input)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def _addresses_are_confirmed() -> None:
    subscribe: Any = SNSBackend.subscribe
    listing: Any = SNSResponse.list_subscriptions_by_topic
    confirm: Any = SNSResponse.confirm_subscription

    def wait(self: Any, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        subscription: Subscription = subscribe(self, topic_arn, endpoint, protocol)
        subscription.attributes[PENDING] = protocol == "email" and not subscription.confirmed
        return subscription

    def show(self: Any) -> ActionResult:
        result: Any = listing(self).result
        subscriptions = [
            {
                "SubscriptionArn": PENDING if subscription.attributes.get(PENDING) else subscription.arn,
                "Owner": subscription.owner,
                "Protocol": subscription.protocol,
                "Endpoint": subscription.endpoint,
                "TopicArn": subscription.topic_arn,
            }
            for subscription in result["Subscriptions"]
        ]
        return ActionResult({**result, "Subscriptions": subscriptions})

    def confirmed(self: Any) -> ActionResult:
        topic, token = self._get_param("TopicArn"), self._get_param("Token")
        subscription = self.backend._find_subscription(topic, token, "email")
        if subscription is None:
            answer: ActionResult = confirm(self)
            return answer
        subscription.confirmed, subscription.attributes[PENDING] = True, False
        return ActionResult({"SubscriptionArn": subscription.arn})

    SNSBackend.subscribe = wait  # type: ignore[method-assign]
    SNSResponse.list_subscriptions_by_topic = show  # type: ignore[method-assign]
    SNSResponse.confirm_subscription = confirmed  # type: ignore[method-assign]


def corrections(functions: Functions) -> tuple[Correction, ...]:
    """The corrections of rules and topics that are made here. functions: what rules call."""
    return (
        Correction(
            "rules call functions",
            "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html",
            functools.partial(_rules_call_functions, functions),
        ),
        Correction(
            "addresses are confirmed",
            "https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html",
            _addresses_are_confirmed,
        ),
    )
