"""`recover`: make the record of what this deploy owns anew from the ownership tags."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from reconciler.cli.answer import Answer
from reconciler.cli.locking import lock_of
from reconciler.cli.options import InAws
from reconciler.cli.signals import on_interrupt
from reconciler.cli.target import deployment_of, target_of
from reconciler.cli.terminal import Terminal
from reconciler.core.spec import Address
from reconciler.engine.ownership_record import write_record
from reconciler.importer.recover import Recovered, recover


@dataclass(frozen=True)
class Arguments(InAws):
    """What `recover` is asked. wait_for_lock: seconds."""

    wait_for_lock: float


@dataclass(frozen=True)
class Record(Answer):
    """The record that was written."""

    record: Annotated[Sequence[str], "the addresses of this deploy's resources"]
    new: Annotated[Sequence[str], "those that the old record didn't have"]
    dropped: Annotated[Mapping[str, str], "address: why it was dropped"]
    unread: Annotated[Mapping[str, str], "kind, or address: why it wasn't listed, or read"]


ANSWERS = (Record,)


def run(options: Arguments, terminal: Terminal) -> int:
    """Write the record and say what changed in it. Returns 0; 1 when a kind couldn't be read."""
    target = target_of(options)
    on_interrupt(target.stop.set)
    aws = target.aws(terminal)
    deployment = deployment_of(target, aws, terminal, "recover", skip_image=True)
    deploy, account = deployment.deploy, deployment.names.facts.account
    place = f"{deploy.name}: account {account}, {deploy.region}, {target.place}"
    terminal.say(terminal.fold("", place))
    with lock_of(target, aws, "recover", options.wait_for_lock).guarding(aws):
        recovered = recover(deployment)
        if recovered.new or recovered.dropped:
            write_record(aws, deployment.deploy.name, recovered.record)
    # The image is left alone here, and so isn't in the graph.
    in_file = {
        address
        for address in recovered.record
        if address in deployment.graph.nodes or address.kind in deployment.left_alone
    }
    _tell(terminal, recovered, in_file, as_json=options.json)
    return 1 if recovered.unread else 0


def _tell(terminal: Terminal, recovered: Recovered, in_file: Container[Address], *, as_json: bool) -> None:
    if as_json:
        terminal.json(
            Record(
                [str(address) for address in sorted(recovered.record)],
                [str(address) for address in sorted(recovered.new)],
                {str(address): why for address, why in recovered.dropped.items()},
                recovered.unread,
            )
        )
        return
    for address in sorted(recovered.record):
        remarks = ["new to the record"] * (address in recovered.new) + ["not in the file"] * (address not in in_file)
        terminal.say(f"  {address.kind:<16} {address.name}" + (f"  ({', '.join(remarks)})" if remarks else ""))
    for address, why in recovered.dropped.items():
        terminal.say(f"- {address.kind:<16} {address.name}  dropped: {why}")
    for name, why in recovered.unread.items():
        single = "." in name
        text = f"{name} couldn't be read" if single else f"resources of the kind {name} couldn't be listed"
        kept = "its entry in the record is kept" if single else "their entries in the record are kept"
        terminal.note(f"{text} ({why}); {kept}")
    count, new, dropped = len(recovered.record), len(recovered.new), len(recovered.dropped)
    change = f"{new} new, {dropped} dropped" if new or dropped else "as it was"
    terminal.print(f"The record names {count} resources: {change}.")
