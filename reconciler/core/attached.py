"""What others attach to a resource: ways by which data, log lines, calls or credentials leave it or come in.

Each is one text, `WHAT WHERE MORE`: `subscription arn:aws:lambda:…:function:ship every-line`. WHERE is what it leads
to or what can be used, without a blank in it; a file lets it be by naming that under `allow`. docs/attached.md lists
what is read of each kind, and what isn't.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from reconciler.core.canonical import StringSet
from reconciler.core.spec import Grants, Local, Spec


class OpenSpec(Spec):
    """A resource to which others attach what the file may let be. allow: of that, each by WHERE."""

    allow: Annotated[StringSet, Local()] = ()


class AttachedSpec(OpenSpec):
    """A resource that nothing is attached to but what the file allows: anything else is taken away."""

    attached: Annotated[StringSet, Grants()] = ()


def where(text: str) -> str:
    """What an attached thing leads to; empty for a text without one."""
    return next(iter(text.split(" ")[1:2]), "")


def not_allowed(texts: Iterable[str], want: OpenSpec) -> tuple[str, ...]:
    """Those that the file doesn't let be."""
    return tuple(text for text in texts if where(text) not in want.allow)


def to_detach(want: AttachedSpec, seen: AttachedSpec) -> list[str]:
    """What is attached and isn't to be, in order."""
    return sorted({*seen.attached} - {*want.attached})


def note(spec: AttachedSpec) -> str:
    """How the file lets be what is attached; empty where nothing is."""
    places = ", ".join(sorted({where(text) for text in spec.attached}))
    return f"to let it be: `allow: {{{spec.kind.replace('-', '_')}: [{places}]}}`" if places else ""
