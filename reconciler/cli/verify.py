"""`verify`: whether what a run needs is there and works together, in the live account. Reads only."""

from __future__ import annotations

from reconciler.checks import verify
from reconciler.checks.verify.live import Live
from reconciler.cli.findings import Examined, report
from reconciler.cli.options import InAws as Arguments
from reconciler.cli.target import target_of
from reconciler.cli.terminal import Terminal
from reconciler.config.resource_names import Facts, Names
from reconciler.lower.account import check_account

ANSWERS = (Examined,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Look at everything. Returns 0, or 1 when something is NG."""
    target = target_of(options)
    deploy = target.deploy
    with target.aws(terminal, read_only=True) as aws:
        check_account(aws, deploy)
        vpc = "" if deploy.network.vpc == "default" else deploy.network.vpc
        names = Names(deploy, Facts(aws.account, aws.partition, vpc, ()))
        terminal.say(terminal.fold("", f"{deploy.name}: account {aws.account}, {deploy.region}, {target.place}"))
        findings = verify.examine(Live(aws, deploy, names, target.base))
    return report(terminal, findings, as_json=options.json)
