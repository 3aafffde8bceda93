"""What concerns several fields of `notify`, `schedule` and `run.unattended`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from reconciler.config.problems import Path, Problem
from reconciler.config.schema import Deploy
from reconciler.core.schedule import time_zones


def check_unattended(deploy: Deploy) -> Iterator[Problem]:
    """What is wrong with `schedule`, `notify` and `run.unattended`."""
    yield from _schedule(deploy)
    if deploy.run.unattended and deploy.run.sweep is not None:
        message = "the client launches a sweep's tasks one after another, so a sweep can't be unattended"
        yield Problem(("run", "unattended"), message, "keep one of them", (("run", "sweep"),))
    notify = deploy.notify
    if notify is None:
        return
    at: Path = ("notify",)
    if not (notify.email or notify.subscribers or notify.webhook):
        yield Problem(at, "notify names no receiver", "add email, subscribers or webhook")
    for name, receivers in (("email", notify.email), ("subscribers", notify.subscribers)):
        for i, receiver in enumerate(receivers):
            if receiver in receivers[:i]:
                yield Problem((*at, name, i), "{value} is listed twice", "keep one of them")
    if notify.webhook:
        region = notify.webhook.url_from.split(":")[3]
        if region != deploy.region:
            message = f"the secret is in {region}, and the deploy in {deploy.region}"
            fix = f"store the URL in {deploy.region} too"
            yield Problem((*at, "webhook", "url_from"), message, fix, (("region",),), tells=True)


def _schedule(deploy: Deploy) -> Iterator[Problem]:
    schedule = deploy.schedule
    if schedule is None:
        return
    zones = time_zones()
    if zones and schedule.timezone not in zones:
        by_case = {zone.lower(): zone for zone in zones}
        near = difflib.get_close_matches(schedule.timezone.lower(), sorted(by_case), 2, 0.6)
        fix = f"use {' or '.join(by_case[name] for name in near) or 'UTC'}"
        yield Problem(("schedule", "timezone"), "{value} is not a time zone", fix, tells=True)
    if schedule.window % 60:
        yield Problem(("schedule", "window"), "EventBridge Scheduler takes whole minutes", "write for instance 15m")
