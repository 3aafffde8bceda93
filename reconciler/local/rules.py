"""EventBridge's rules and SNS's subscriptions, put right where moto's differ from AWS's in what matters here.

Rules send to SNS topics whose policy lets this very rule, leave alone what is disabled, look into lists of objects
(`detail.containers.exitCode`), and fill in an input template as EventBridge does. An e-mail address stays unconfirmed
until ConfirmSubscription is called; since nobody reads mails here, its token is the address.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.events.models import EventPattern, Rule
from moto.sns.models import SNSBackend, Subscription, sns_backends
from moto.sns.responses import SNSResponse

from reconciler.permissions.judge import decide

PENDING = "PendingConfirmation"
VARIABLE = re.compile(r"<([\w.-]+)>")


def install() -> None:
    """Put all of it into moto."""
    _rules_send_to_topics()
    _patterns_look_into_lists()
    _addresses_are_confirmed()


def _rules_send_to_topics() -> None:
    original: Any = Rule.send_to_targets

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        pattern = self.event_pattern
        if self.state != "ENABLED" or not pattern.get_pattern() or not pattern.matches_event(original_event):
            return
        targets = self.targets
        for target in targets:
            if target["Arn"].split(":")[2] == "sns":
                _send_to_topic(self, target, original_event)
        others = [target for target in targets if target["Arn"].split(":")[2] != "sns"]
        if others:
            twin = object.__new__(type(self))
            twin.__dict__.update(self.__dict__, targets=others)
            original(twin, original_event, transform_input)

    Rule.send_to_targets = send_to_targets  # type: ignore[method-assign]


def _send_to_topic(rule: Any, target: dict[str, Any], event: Any) -> None:
    arn = str(target["Arn"])
    topic = sns_backends[arn.split(":")[4]][arn.split(":")[3]].topics.get(arn)
    if topic is None or not _may_publish(topic.policy, str(rule.arn), arn):
        why = "is not there" if topic is None else "has no policy that lets events.amazonaws.com publish"
        print(f"rule {rule.name}: the topic {arn} {why}", file=sys.stderr)  # noqa: T201 - the server's log
        return
    message = json.dumps(event)
    if "Input" in target:
        message = str(target["Input"])
    elif transformer := target.get("InputTransformer"):
        message = fill(transformer["InputTemplate"], transformer.get("InputPathsMap") or {}, event)
    topic.publish(message)


def fill(template: str, paths: Mapping[str, str], event: Mapping[str, Any]) -> str:
    """An input template with its variables filled in: as JSON, or inside of quotes as text.

    Raises ValueError when that makes no JSON, as EventBridge then delivers nothing.
    """
    from jsonpath_ng.ext.parser import parse

    def value(match: re.Match[str]) -> str:
        found = parse(paths[match[1]]).find(event) if match[1] in paths else []
        inside = template[: match.start()].replace('\\"', "").count('"') % 2 == 1
        if not found:
            return ""
        return str(found[0].value) if inside else json.dumps(found[0].value)

    filled = VARIABLE.sub(value, template)
    json.loads(filled)
    return filled


def _may_publish(policy: Any, rule: str, topic: str) -> bool:
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = (document or {}).get("Statement") or []
    mine = []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal")
        services = principal.get("Service") if isinstance(principal, dict) else None
        if "events.amazonaws.com" in (services if isinstance(services, list) else [services]):
            mine.append(statement)
    return decide([{"Statement": mine}], "sns:Publish", topic, {"aws:sourcearn": rule}) == "allowed"


def _patterns_look_into_lists() -> None:
    original: Any = EventPattern._flatten_dict

    def flatten(node: Any, prefix: str = "", result: dict[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = original(node, prefix, result)
        for key, value in list(found.items()):
            if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
                for item in value:
                    for name, part in original(item, key).items():
                        found.setdefault(name, []).append(part)
        return found

    EventPattern._flatten_dict = staticmethod(flatten)  # type: ignore[method-assign]


def _addresses_are_confirmed() -> None:
    subscribe: Any = SNSBackend.subscribe
    listing: Any = SNSResponse.list_subscriptions_by_topic
    confirm: Any = SNSResponse.confirm_subscription

    def wait(self: Any, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        found: Subscription = subscribe(self, topic_arn, endpoint, protocol)
        found.attributes[PENDING] = protocol == "email" and not found.confirmed
        return found

    def show(self: Any) -> ActionResult:
        result: Any = listing(self).result
        shown = [
            {"SubscriptionArn": PENDING if one.attributes.get(PENDING) else one.arn, "Owner": one.owner,
             "Protocol": one.protocol, "Endpoint": one.endpoint, "TopicArn": one.topic_arn}
            for one in result["Subscriptions"]
        ]  # fmt: skip
        return ActionResult({**result, "Subscriptions": shown})

    def confirmed(self: Any) -> ActionResult:
        topic, token = self._get_param("TopicArn"), self._get_param("Token")
        found = self.backend._find_subscription(topic, token, "email")
        if found is None:
            answer: ActionResult = confirm(self)
            return answer
        found.confirmed, found.attributes[PENDING] = True, False
        return ActionResult({"SubscriptionArn": found.arn})

    SNSBackend.subscribe = wait  # type: ignore[method-assign]
    SNSResponse.list_subscriptions_by_topic = show  # type: ignore[method-assign]
    SNSResponse.confirm_subscription = confirmed  # type: ignore[method-assign]
