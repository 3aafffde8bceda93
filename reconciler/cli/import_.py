"""`import`: write the deploy.yaml of a deployment that was set up by hand, or of a scheduled job of AWS Copilot.

Reads AWS, or Copilot's files, and writes that one file.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from reconciler.aws.calls import Aws
from reconciler.cli.answer import Answer
from reconciler.cli.options import Output
from reconciler.cli.program_name import program, typed_comments
from reconciler.cli.target import reach
from reconciler.cli.terminal import Terminal
from reconciler.config.names import REGION
from reconciler.core.errors import UserError
from reconciler.core.spec import Address
from reconciler.importer import Imported, import_deploy
from reconciler.importer.copilot import import_job, job_of, remaining_problems


@dataclass(frozen=True)
class Arguments(Output):
    """What `import` is asked. take: KIND.NAME."""

    prefix: str
    copilot: Path | None
    region: str | None
    out: Path
    data: str | None
    take: tuple[str, ...]
    local: bool
    quiet: bool


@dataclass(frozen=True)
class Resource:
    """A resource that was found."""

    kind: str
    name: str


@dataclass(frozen=True)
class Written(Answer):
    """What was found and written."""

    file: Annotated[str, "the deploy.yaml that was written"]
    found: Annotated[Sequence[Resource], "what it describes"]
    differences: Annotated[Sequence[str], "what its plan would still show"]
    notes: Annotated[Sequence[str], "what to know besides"]


ANSWERS = (Written,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Write the file. Returns 0; raises UserError when it is there already, or when nothing was found."""
    out = options.out
    if out.exists():
        raise UserError(f"{out} exists already, and is never overwritten", hint="name another file: -o FILE")
    if not out.parent.is_dir():
        raise UserError(f"-o {out}: there is no folder {out.parent}", hint="make it first")
    region = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if problem := REGION.problem(region):
        raise UserError(f"--region {region}: {problem}")
    if options.data and not (out.parent / options.data).is_file():
        raise UserError(f"--data {options.data}: there is no such file in the folder of {out}")
    return (_from_copilot if options.copilot else _from_aws)(options, region, terminal)


def _from_aws(options: Arguments, region: str, terminal: Terminal) -> int:
    out = options.out
    session, endpoint, _ = reach(out, options.local, quiet=options.quiet)
    if not options.prefix.strip("-_./ "):
        raise UserError("--prefix is empty", hint="give the part of the names that all resources share")
    imported = import_deploy(
        Aws(region, session=session, endpoint_url=endpoint, read_only=True),
        options.prefix,
        take=[_address(text) for text in options.take],
        data=options.data,
        base=out.parent,
        environ=os.environ,
        name=str(out),
    )
    _write(out, typed_comments(imported.text))
    _tell(terminal, imported, options)
    return 0


def _from_copilot(options: Arguments, region: str, terminal: Terminal) -> int:
    out = options.out
    assert options.copilot is not None
    imported = import_job(
        options.copilot,
        take=job_of(options.take),
        region=region,
        data=options.data,
        base=out.parent,
        environ=os.environ,
        name=str(out),
    )
    _write(out, typed_comments(imported.text))
    wrong = remaining_problems(out, imported.environments, os.environ)
    if options.json:
        terminal.json(Written(str(out), [Resource("job", imported.job)], [*imported.omissions, *wrong], imported.notes))
        return 0
    terminal.say(f"  {'job':<16} {imported.job}")
    for note in imported.notes:
        terminal.print(terminal.fold("note: ", note))
    for head, lines in (("Not carried over:", imported.omissions), ("Correct this before you use the file:", wrong)):
        if lines:
            terminal.print(head)
        for line in lines:
            terminal.print(terminal.fold("  ", line))
    terminal.print(f"wrote {out}: {_plan_command(options, imported.environments[:1])}")
    return 0


def _write(out: Path, text: str) -> None:
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"{out} can't be written: {error.strerror}", hint="name another file: -o FILE") from None


def _tell(terminal: Terminal, imported: Imported, options: Arguments) -> None:
    out = options.out
    if options.json:
        resources = [Resource(address.kind, address.name) for address in imported.addresses]
        terminal.json(Written(str(out), resources, imported.differences, imported.notes))
        return
    for address in imported.addresses:
        terminal.say(f"  {address.kind:<16} {address.name}")
    for note in imported.notes:
        terminal.print(terminal.fold("note: ", note))
    if imported.differences:
        terminal.print(f"{out} can't describe everything, or something doesn't exist; `plan` shows:")
        for line in imported.differences:
            terminal.print(f"  {line}")
    else:
        terminal.say("its plan shows no differences")
    terminal.print(f"wrote {out}: {_plan_command(options)}")


def _plan_command(options: Arguments, environment: Sequence[str] = ()) -> str:
    """What shows the plan of the new file. environment: of the file's, one or none."""
    words = ["plan", str(options.out), *(word for name in environment for word in ("--env", name))]
    return f"{program()} {shlex.join([*words, '--local'] if options.local else words)}"


def _address(text: str) -> Address:
    kind, dot, name = text.partition(".")
    if not (dot and name):
        raise UserError(f"--take {text}: write KIND.NAME, such as cluster.my-cluster")
    return Address(kind, name)
