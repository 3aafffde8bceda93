"""What a CI job's runner makes of a step's output: the commands it would find, as its published source says.

GitHub's (actions/runner, `ActionCommand.TryParseV2` and `TryParse`, `ProcessInvoker`): standard output and standard
error, a line ends with CR, LF or both; `::name …::` counts after leading white space, `##[name …]` anywhere. It looks
with .NET's `StartsWith` and `IndexOf` for strings, which pass over characters that have no weight in the language's
order. Here more is passed over, and every name counts, registered or not. Azure's agent finds `##vso[` anywhere.
"""

from __future__ import annotations

import re
import unicodedata

WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # .NET's Char.IsWhiteSpace
WEIGHTLESS = ("Cc", "Cf", "Cn", "Mn", "Me")
SGR = re.compile(r"\x1b\[[0-9;]*m")


def lines(output: bytes) -> list[str]:
    """As `StreamReader.ReadLine` has them."""
    return re.split("\r\n|\n|\r", output.decode("utf-8", "replace"))


def commands(output: bytes) -> list[str]:
    """The lines of an output that are commands."""
    return [one for one in lines(output) if is_command(one)]


def is_command(line: str) -> bool:
    """Whether a line is one, or would be if its colours were taken out first."""
    for text in (line, SGR.sub("", line)):
        seen = "".join(c for c in text if unicodedata.category(c) not in WEIGHTLESS or c in "\t\v\f\x85")
        if re.match(f"[{WHITE}]*::.*?::", seen) or re.search(r"##\w*\[.*\]", seen):
            return True
    return False


def effects(output: bytes) -> list[str]:
    """What would have an effect at a terminal, or hides something: all but visible characters, SGR, tab, line feed."""
    text = SGR.sub("", output.decode("utf-8", "surrogateescape"))
    bad = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\udc80-\udcff]"
    return re.findall(f".{{0,20}}{bad}.{{0,20}}", text)
