"""What can be said on the command line: the commands and their arguments."""

from __future__ import annotations

import argparse
import math
from functools import cache
from pathlib import Path

from reconciler.cli import first
from reconciler.cli.parser import Parser, Top, number, whole
from reconciler.cli.program_name import program

ENGINES = ("process", "docker", "auto")
FOR = ("plan", "apply", "run", "destroy", "verify")


def parser(prog: str = "") -> Top:
    """The whole command line, made once a process."""
    return _build_parser(prog or program())


@cache
def _build_parser(prog: str) -> Top:
    top = Top(prog=prog)
    top.add_argument("--version", action=_Version, nargs=0)
    _resources(top)
    _account(top)
    _runs(top)
    _importing(top)
    return top


def _resources(top: Top) -> None:
    """The commands that make resources and delete them."""
    init = top.command("init")
    init.description = f"{init.description} Never overwrites one."
    first.init(init)
    _environment(init)
    _output(init)

    plan = _command(top, "plan")
    _planning(plan)
    plan.add_argument("--markdown", action="store_true", help="print the plan as Markdown, for a comment or a page")
    plan.add_argument("--out", metavar="FILE", help="save the plan to FILE, for `apply FILE`")
    plan.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 when there are changes")

    apply = _command(top, "apply")
    _planning(apply)
    _on_interrupt(apply)
    apply.add_argument("--skip-run", action="store_true", help="don't start the task")
    apply.add_argument("--detach", action="store_true", help="don't watch the run, print its id; needs run.unattended")
    apply.add_argument(
        "--engine", choices=ENGINES, default="", help="with --local: builds and runs the image (default: auto)"
    )
    _permission_check(apply)
    _this_run(apply)
    apply.add_argument(
        "--wait-for-lock",
        type=number(0, math.inf),
        default=0.0,
        metavar="SECONDS",
        help="wait this long for another apply's lock",
    )

    destroy = _command(top, "destroy")
    destroy.add_argument("--delete-data", action="store_true", help="also delete the bucket, its objects and images")
    _confirm(destroy)
    destroy.add_argument("--yes", action="store_true", help="don't ask")
    _permission_check(destroy)
    destroy.add_argument(
        "--wait-for-lock", type=number(0, math.inf), default=0.0, metavar="SECONDS", help=argparse.SUPPRESS
    )


def _account(top: Top) -> None:
    """The commands that tell what is there, what is needed and what it costs."""
    _command(top, "status")
    _command(top, "doctor", aws=False)

    _command(top, "verify")

    needs = _command(top, "permissions")
    needs.add_argument("--for", dest="for_", choices=FOR, help="only what this command needs")
    needs.add_argument("--delete-data", action="store_true", help="let destroy delete data and images too")

    _command(top, "show", aws=False)

    completion = top.command("completion")
    completion.description = "Print a shell script that completes the installed command `reconciler`."
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    _output(completion)
    completion.set_defaults(module="completion")

    first.cost(_command(top, "cost"))


def _importing(top: Top) -> None:
    """The commands that put right what this program keeps, or write the file from an account."""
    local = top.command("local")
    local.description = (
        'The embedded AWS behind --local. With `eval "$(reconciler local env)"` the other AWS '
        "tools of a shell, such as the AWS CLI and boto3, reach it with all rights. The printed "
        "key is valid until it is stopped."
    )
    local.add_argument(
        "action", choices=("status", "env", "list", "stop", "reset"),
        help="status: say whether it runs; env: print a shell's settings for it; list: show all running "
"ones; stop: end it; reset: empty it",
    )  # fmt: skip
    local.add_argument("--all", action="store_true", help="with stop: end all running ones, of every folder")
    local.add_argument(
        "file", nargs="?", type=Path, default="deploy.yaml", help="its deploy.yaml (default: deploy.yaml)"
    )
    _output(local)
    local.set_defaults(module="local")

    recover = _command(top, "recover")
    recover.add_argument(
        "--wait-for-lock", type=number(0, math.inf), default=0.0, metavar="SECONDS", help=argparse.SUPPRESS
    )

    bring = top.command("import")
    bring.description = (
        "Write the deploy.yaml of a deployment that was set up by hand, or of a scheduled job of AWS Copilot. "
        "Changes nothing in AWS."
    )
    source = bring.add_mutually_exclusive_group(required=True)
    bring.arguments += [
        source.add_argument("--prefix", default="", metavar="P", help="the part of the names that all resources share"),
        source.add_argument(
            "--copilot", type=Path, metavar="DIR", help="the folder with Copilot's files; no call to AWS"
        ),
    ]
    bring.add_argument("--region", metavar="R", help="(default: AWS_REGION or AWS_DEFAULT_REGION, else us-east-1)")
    bring.add_argument(
        "-o",
        "--out",
        type=Path,
        default="deploy.yaml",
        metavar="FILE",
        help="the file to write; never overwrites one (default: %(default)s)",
    )
    bring.add_argument("--data", metavar="FILE", help="the training data, relative to the file's folder")
    bring.add_argument(
        "--take", action="append", default=[], metavar="KIND.NAME", help="use this one, if there are several"
    )
    _reach(bring)
    bring.set_defaults(module="import_")

    unlock = top.command("unlock")
    _where(unlock)
    unlock.set_defaults(module="unlock")


def _command(top: Top, name: str, *, aws: bool = True) -> Parser:
    command = top.command(name)
    _where(command, aws=aws, variables=name == "apply")
    command.set_defaults(module=name)
    return command


def _where(command: Parser, *, aws: bool = True, variables: bool = False) -> None:
    command.add_argument("file", nargs="?", type=Path, default="deploy.yaml", help="(default: %(default)s)")
    if variables:
        command.add_argument(
            "--env",
            action="append",
            default=[],
            metavar="NAME|NAME=VALUE",
            help="NAME: use this environment; NAME=VALUE: set this variable, for this run only; may be repeated",
        )
    else:
        _environment(command)
    if aws:
        _reach(command)
    else:
        _output(command)


def _environment(command: Parser) -> None:
    command.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="use this environment of the file, such as prod"
    )


def _reach(command: Parser) -> None:
    command.add_argument("--local", action="store_true", help="work on this machine, without an AWS account")
    _output(command)


def _output(command: Parser) -> None:
    """What every command can say about what it prints."""
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("-q", "--quiet", action="store_true", help="print results and errors only")
    command.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show more, and log each AWS call as JSON on standard error",
    )


def _runs(top: Top) -> None:
    """The commands about runs, which name a run and not a file."""

    def command(name: str, default: str = "the newest") -> Parser:
        command_parser = top.command(name)
        if default:
            help_text = f"its id or a part of it (default: {default})"
            command_parser.add_argument("run", nargs="?", default="", metavar="RUN", help=help_text)
        command_parser.add_argument("--file", type=Path, default="deploy.yaml", help="(default: %(default)s)")
        _environment(command_parser)
        _reach(command_parser)
        command_parser.set_defaults(module=name)
        return command_parser

    watch = command("watch")
    _on_interrupt(watch)
    watch.add_argument("--from-start", action="store_true", help="show all lines, also those that were shown before")
    logs = command("logs")
    logs.add_argument("-f", "--follow", action="store_true", help="keep printing new lines until the task has stopped")
    logs.add_argument("--since", default="", metavar="SPAN", help="only the last lines, such as 10m, 2h or 1d")
    logs.add_argument(
        "--attempt", type=whole(1), default=0, metavar="N", help="only this attempt (default: the newest)"
    )
    inside = command("exec", "the only one that runs")
    inside.description = (
        "Open a shell, or run a command, in a running task. Options come before RUN. With --local "
        "it exits with the command's exit code; in AWS, Systems Manager doesn't report that code."
    )
    inside.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="(default: /bin/sh)")
    inside.set_defaults(module="exec_")
    command("stop")
    command("diagnose")
    rollback = command("rollback", "the last that succeeded with another definition")
    rollback.description = (
        "Make the schedule and the service use the image, command, environment and size of an "
        "earlier run, until an `apply` changes the task definition."
    )
    rollback.add_argument("--undo", action="store_true", help="return to the definition of the last `apply`")
    _permission_check(rollback)
    rollback.add_argument(
        "--wait-for-lock", type=number(0, math.inf), default=0.0, metavar="SECONDS", help=argparse.SUPPRESS
    )
    runs = command("runs", "")
    runs.add_argument("verb", nargs="?", default="list", choices=("list", "show", "compare", "best"))
    runs.add_argument("names", nargs="*", metavar="RUN|METRIC", help="one for show, two for compare, a metric for best")
    runs.add_argument("--limit", type=whole(1), metavar="N", help="list this many (default: 20, or the 10 best)")
    runs.add_argument("--rebuild", action="store_true", help="first rebuild the index of runs from all records")
    runs.add_argument("--lowest", action="store_true", help="with best: the lowest value is the best")


def _on_interrupt(command: Parser) -> None:
    help_text = "what Ctrl-C does to the task: stop it, or let it run"
    command.add_argument("--on-interrupt", choices=("stop", "detach"), default="", help=help_text)


def _this_run(apply: Parser) -> None:
    """What is different for this run alone."""
    group = apply.add_argument_group("for this run only")
    apply.arguments += [
        group.add_argument(
            "--like",
            default="",
            metavar="RUN",
            help="launch a run with this run's image, command, variables, size and data; change nothing else",
        ),
        group.add_argument("--cpu", default="", metavar="UNITS", help="CPU units, or text like '4 vCPU'"),
        group.add_argument("--memory", default="", metavar="MIB", help="MiB, or text like 8GB"),
        group.add_argument(
            "--command",
            nargs=argparse.REMAINDER,
            metavar="WORD",
            help="the command; must be the last option",
        ),
        group.add_argument(
            "--count",
            type=whole(1, 100),
            metavar="N",
            help="start N tasks of the same kind; each gets RUN_INDEX and RUN_COUNT",
        ),
    ]


def _planning(command: Parser) -> None:
    command.add_argument("--skip-image", action="store_true", help="don't build or push the image")
    command.add_argument("--rehash", action="store_true", help="read every data file again, changed or not")
    command.add_argument("--adopt", action="store_true", help="take over resources with these names that others made")
    command.add_argument("--prune", action="store_true", help="delete resources that are no longer in the file")
    command.add_argument("--delete-data", action="store_true", help="with --prune: also delete data and images")
    _confirm(command)
    command.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="KIND.NAME",
        help="only this resource and what it needs; may be repeated",
    )


def _permission_check(command: Parser) -> None:
    help_text = "don't check all permissions first with IAM's simulator"
    command.add_argument("--skip-permission-check", action="store_true", help=help_text)


def _confirm(command: Parser) -> None:
    command.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="KIND.NAME",
        help="delete this resource although only the record, and no tag, says that it is this deploy's; "
        "may be repeated",
    )


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> None:
        from reconciler.version import version

        print(f"reconciler {version()}", flush=True)
        parser.exit()
