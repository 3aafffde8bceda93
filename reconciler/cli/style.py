"""Colours: when they are shown, and which. Pure.

Of the 256 colours those are taken that can be read on white and on black alike (a contrast of 4 or more with both), so
that nobody has to be asked what the background is. Nothing is said by colour alone: every mark has a character too.
"""

from __future__ import annotations

from collections.abc import Mapping

COLOURS = {"red": 161, "green": 28, "yellow": 130, "blue": 31, "magenta": 133, "dim": 243}  # of the 256
SIXTEEN = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "dim": "2"}
BOLD = "1"


def coloured(environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Whether to use colours. NO_COLOR (https://no-color.org) wins over FORCE_COLOR, and either over what is there."""
    if environ.get("NO_COLOR"):
        return False
    if setting := environ.get("FORCE_COLOR"):
        return setting != "0"
    return terminal and environ.get("TERM") != "dumb"


def codes(environ: Mapping[str, str]) -> dict[str, str]:
    """The SGR parameters of each style, as the terminal knows them."""
    many = "256color" in environ.get("TERM", "") or environ.get("COLORTERM") or environ.get("FORCE_COLOR", "0") != "0"
    colours = {name: f"38;5;{number}" for name, number in COLOURS.items()} if many else SIXTEEN
    return {"bold": BOLD, **colours}
