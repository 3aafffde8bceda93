"""`plan`: show what differs. Reads only."""

from __future__ import annotations

from argparse import Namespace

from reconciler.cli.common import deployment, plan_options, target, where_line
from reconciler.cli.render import plan_json, show_plan
from reconciler.cli.terminal import Terminal


def run(options: Namespace, terminal: Terminal) -> int:
    """Print the plan. Returns 0, or with --detailed-exitcode 2 when there are changes."""
    where = target(options)
    aws = where.aws(terminal, read_only=True)
    here = deployment(where, aws, terminal, options)
    allowed = plan_options(options, list(here.graph.nodes))
    plan = here.plan(here.observe(allowed), allowed)
    if options.json:
        terminal.json(plan_json(plan))
    else:
        terminal.say(where_line(here, where))
        show_plan(terminal, plan, verbose=options.verbose)
    return 2 if options.detailed_exitcode and plan.changes else 0
