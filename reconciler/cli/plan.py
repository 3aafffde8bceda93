"""`plan`: show what differs. Reads only."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.options import Planning
from reconciler.cli.program_name import program
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.target import Target, data_lines, deployment_of, plan_options, target_of, warn, where_line
from reconciler.cli.terminal import Terminal
from reconciler.core.plan import Options, Plan
from reconciler.engine import plan_file as planfile
from reconciler.engine.deployment import Deployment
from reconciler.run.cost import in_a_line


@dataclass(frozen=True)
class Arguments(Planning):
    """What `plan` is asked. out: the file for the plan."""

    markdown: bool
    out: str | None
    detailed_exitcode: bool


def run(options: Arguments, terminal: Terminal) -> int:
    """Print the plan. Returns 0, or with --detailed-exitcode 2 when there are changes."""
    target = target_of(options)
    if options.out:
        planfile.check(Path(options.out))
    aws = target.aws(terminal, read_only=True)
    deployment = deployment_of(
        target,
        aws,
        terminal,
        "plan",
        skip_image=options.skip_image,
        rehash=options.rehash,
        plan_file=Path(options.out) if options.out else None,
    )
    warn(terminal, deployment)
    allowed = plan_options(options, list(deployment.graph.nodes))
    plan = deployment.plan(deployment.observe(allowed), allowed)
    for_github = os.environ.get("GITHUB_ACTIONS") == "true"
    place = "; ".join([where_line(deployment, target), *data_lines(deployment)])
    text = _markdown(plan, place, in_a_line(deployment.deploy)) if options.markdown or for_github else ""
    if options.markdown and not options.json:
        terminal.lines(text)
    elif not options.json:
        for line in (where_line(deployment, target), *data_lines(deployment)):
            terminal.say(terminal.fold("", line))
        show_plan(terminal, plan, verbose=options.verbose)
        if target.local is None:  # on this machine nothing is paid for
            terminal.say(terminal.fold("", in_a_line(deployment.deploy)))
    if for_github:
        from reconciler.cli import github

        github.plan(terminal, text, plan)
    if options.out:
        _save(Path(options.out), plan, allowed, deployment, target, options)
    if options.json:
        terminal.json(plan_json(plan, deployment.given_data))
    elif options.out:
        local = " --local" if options.local else ""
        terminal.say(f"saved; to do exactly this: {program()} apply {shlex.quote(options.out)}{local}")
    return 2 if options.detailed_exitcode and plan.changes else 0


def _markdown(plan: Plan, place: str, cost: str) -> str:
    from reconciler.cli import markdown

    return markdown.plan(plan, place, cost)


def _save(out: Path, plan: Plan, allowed: Options, deployment: Deployment, target: Target, options: Arguments) -> None:
    saved = planfile.new(
        plan,
        plan_json(plan, deployment.given_data),
        deployment.deploy,
        deployment.graph,
        file=os.path.relpath(target.file.resolve(), out.resolve().parent),
        account=deployment.names.facts.account,
        local=options.local,
        options=allowed,
        skip_image=options.skip_image,
        environment=options.environment,
    )
    planfile.write(out, saved)
