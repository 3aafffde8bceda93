"""Foreign text, made harmless for where it goes. Pure.

Foreign is whatever this program didn't write itself: log lines, metrics, reasons, names and tags, AWS's messages, what
git and the container engine say, what is in files and records. There is one function for each place:

    line, lines        a terminal or a CI job's log: whatever isn't a visible character is shown as its escape
    output             the same for a line of a program's own log, whose colours and progress bars make sense
    guard              besides, no command to a CI system's runner
    dumps              JSON, with the same values
    escape, code_span, block    Markdown
    slack, subject     a message to a webhook, the subject of an e-mail

`cli.terminal.Terminal` passes all that it prints through them, as the last step before the stream.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from reconciler.core.limits import SUBJECT

LONGEST = 2000  # characters of one foreign text in a page or a message

_NOT_ASCII = "[^\x00-\x7f]"
_ALWAYS = (  # in a class of characters
    "\x00-\x08\x0a-\x1f\x7f-\x9f"  # C0 but the tab, DEL, C1
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # further line ends; what reverses the order of what is read
    "\u00ad\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"  # not seen
    "\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
    "\ud800-\udfff"  # half a character, which no stream takes
)
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # which choose the look of the character before
_JOINERS = "\u034f\u061c\u200c-\u200f"
_SEEN = f"[^\x00-\x7f{_ALWAYS}{_SELECTORS}{_JOINERS}]"  # and not ASCII
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"  # of England, Scotland, Wales
_HARMFUL = re.compile(
    f"{_FLAG}|("
    f"[{_ALWAYS}]"
    # Emoji and some scripts need the others, between characters of their own; elsewhere they only hide something.
    f"|(?<!{_SEEN})(?<!{_SEEN}\ufe0f)[{_JOINERS}]|[\u034f\u200c\u200d](?!{_SEEN})"
    f"|(?<!{_SEEN})[\ufe00-\ufe0e\U000e0100-\U000e01ef]|(?<![#*0-9]|{_SEEN})\ufe0f"
    ")"
)
_CONTROL = re.compile(f"{_FLAG}|([\t{_ALWAYS}\ufffe\uffff])")  # the last two are in no XML, so in none of S3's answers
_SHORT = {"\n": "\\n", "\r": "\\r"}

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]+[0-~])")  # CSI, and the choice of a character set
_COLOUR = r"(?:[345]8;(?:5;\d{1,3}|2;\d{1,3};\d{1,3};\d{1,3})|0?[0-79]|[1-9]\d|10[0-7])?"  # 8 conceals
_SGR = re.compile(rf"\x1b\[{_COLOUR}(?:;{_COLOUR}){{0,15}}m")

_GAP = r"(?:[^\x00-\x7f]|\x1b\[[\d;]*m)"  # may be nothing to see, and a runner may look past it
_AT_START = re.compile(rf"\A((?:[\t-\r\x1c-\x20]|{_GAP})*:{_GAP}*)(?=:)")
_ANYWHERE = re.compile(rf"(#{_GAP}*)(?=(#(?:[A-Za-z]|{_GAP})*)\[)")
_UNSEEN = ("Mn", "Me", "Mc", "Cf", "Cc", "Cn", "Co")  # categories of characters that may take no room of their own


def line(text: str) -> str:
    """The text on one line, each character as itself or, if it isn't there to be seen, as its escape: `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub(_escaped, text)


def lines(text: str) -> str:
    """Text of several lines of our own making, each harmless as by `line`: a line feed ends a line."""
    return "\n".join(map(line, text.split("\n")))


def has_control(text: str) -> bool:
    """Whether a file's name has control characters, or others that are never seen or change the order of what is."""
    return not (text.isascii() and text.isprintable()) and any(match[1] for match in _CONTROL.finditer(text))


def output(text: str, *, colour: bool = False) -> str:
    """A line of a program's output, as a terminal would leave it.

    Of what was drawn over with carriage returns, as progress bars are, the last remains. Colours are kept where they
    are wanted, and end with the line; whatever else was meant for the terminal has no effect.
    """
    if text.isascii() and text.isprintable():
        return text
    drawn = text.rstrip("\r\n").split("\r")
    last_drawing = next((drawing for drawing in reversed(drawn) if _SEQUENCE.sub("", drawing).strip()), "")
    parts: list[str] = []
    end = 0
    for match in _SEQUENCE.finditer(last_drawing):
        parts.append(line(last_drawing[end : match.start()]))
        if colour and _SGR.fullmatch(match[0]):
            parts.append(match[0])
        end = match.end()
    parts.append(line(last_drawing[end:]))
    visible = "".join(parts)
    return f"{visible}\x1b[0m" if "\x1b" in visible else visible


def guard(text: str) -> str:
    """A line without a command to the runner of a CI job: a blank breaks up `::` at its beginning, and `##[`.

    GitHub's runner takes `::name::` after any white space and `##[name]` anywhere; Azure's has `##vso[`, TeamCity's
    `##teamcity[`. It compares as people read, so what isn't seen doesn't hide a command from it. Each line is safe by
    itself: with `::stop-commands::` around all of it, what follows an output that was cut off would be lost, and
    standard error may overtake standard output.
    """
    if "#" in text:
        text = _ANYWHERE.sub(lambda match: _broken(match[1], match[2]), text)
    return _AT_START.sub(lambda match: _broken(match[1], ""), text) if ":" in text else text


def dumps(value: Any, *, indent: int | None = None, ascii_only: bool = True) -> str:
    """JSON of the value in which every harmful character, and what may begin a command, is an escape of JSON's."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=str)
    return re.sub(rf"#(?={_NOT_ASCII}*#)", r"\\u0023", _HARMFUL.sub(_json_escaped, text))


def escape(text: str) -> str:
    """Markdown that reads as the text, on one line: no markup, no HTML, no link, no mention of a person or an issue."""
    text = short(line(" ".join(text.split()))).replace("&", "&amp;")
    text = re.sub(r"([\\`*_\[\]|<>~])", r"\\\1", text)
    text = re.sub(r"\A(?=[-+=])|\A(\d+)(?=[.)])", r"\1\\", text)
    # GitHub looks for these in what is left after Markdown, where a backslash is gone.
    text = re.sub(r"@|#(?=\w)|(?<=:)(?=//)|(?<![A-Za-z0-9])(?i:gh-|www(?=\.)|mailto:|xmpp:)", "\\g<0>\u200b", text)
    return text.replace("#", "\\#").replace("$", "&#36;")


def code_span(text: str) -> str:
    """Markdown with the text as code, in a line or a cell."""
    text = short(line(" ".join(text.split()))).replace("|", "\\|") or " "
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall(r"`+", text)), default=0))
    space = " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def block(text: str, language: str) -> str:
    """Markdown with lines of code, fenced so that nothing in them ends it."""
    fence = "`" * max(3, *(len(ticks) + 1 for ticks in re.findall(r"`+", text)), 3)
    return f"{fence}{language}\n{lines(text)}\n{fence}"


def slack(text: str) -> str:
    """Lines for Slack, and for what takes its messages: no mention, and no link under another name."""
    text = lines(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("@", "@\u200b").replace("](", "]\u200b(")


def message(text: str) -> str:
    """One line of a message."""
    return short(line(text))


def subject(text: str) -> str:
    """As SNS takes the subject of an e-mail: visible ASCII on one line."""
    return " ".join(line(text).encode("ascii", "replace").decode().split())[: SUBJECT.most]


def value(text: str) -> str:
    """A value in a file of `name=value` lines, as GITHUB_OUTPUT is."""
    return line(" ".join(text.split()))


def short(text: str) -> str:
    """The beginning of one foreign text, as it is: not made harmless."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _escaped(match: re.Match[str]) -> str:
    if (character := match[1]) is None:
        return match[0]
    number = ord(character)
    return _SHORT.get(character) or (f"\\x{number:02x}" if number < 256 else _wide(number))


def _json_escaped(match: re.Match[str]) -> str:
    """JSON's own line ends are between its values, never in one."""
    if (character := match[1]) is None or character == "\n":
        return match[0]
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _wide(number: int) -> str:
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _broken(first: str, second: str) -> str:
    """`first` with a blank behind it, unless something that can be seen is in between already."""
    gap = re.sub(r"\x1b\[[\d;]*m", "", first + second)
    hidden = all(
        character.isascii() or character.isspace() or unicodedata.category(character) in _UNSEEN for character in gap
    )
    return f"{first} " if hidden else first
