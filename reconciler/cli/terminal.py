"""What is printed, and how: colours at a terminal, plain text in a pipe, one JSON object with --json. No secret is.

Results go to standard output, errors and what is only about the work to standard error when the output is JSON.

All of it passes `reconciler.core.text` as the last step before the stream, whoever wrote it: a control character is
shown and has no effect, and no line is a command to a CI system's runner. What is meant to have an effect, our colours
and the breaks of a folded text, is marked by a secret of this process until then.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.cli.os_errors import silence
from reconciler.cli.program_name import program, typed
from reconciler.cli.style import codes, coloured
from reconciler.core.errors import Interrupted, ReconcilerError, from_aws
from reconciler.core.plain_json import Rows, finite, plain
from reconciler.core.secret import KNOWN
from reconciler.core.text import dumps, guard, line, output

if TYPE_CHECKING:
    from reconciler.cli.log import Log

_TEXT = re.compile(r'"(?:[a-z][a-z0-9_]{0,40}"(?=(:))|[^"\\]*+(?:\\.[^"\\]*+)*+")')  # of JSON; group: it is a name
WIDE = 110  # columns of a line of details where there is no terminal


class Terminal:
    """Prints whole lines, from any thread: what is given to be printed is one line, but for where `fold` breaks it."""

    log: Log | None = None  # with --verbose

    def __init__(self, *, quiet: bool = False, json: bool = False, verbose: bool = False) -> None:
        self.quiet, self.as_json, self.answered = quiet, json, False
        self.lost = ""  # why what was printed got lost
        # With --json, standard output carries the object alone.
        self.stream = sys.stderr if json else sys.stdout
        # CI may give a terminal that nobody sits at: lines that are drawn again only fill its log.
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb" and not in_ci()
        self.colour = coloured(os.environ, terminal=self.stream.isatty())
        self._codes = codes(os.environ)
        # Whoever sits at a terminal may see what a runner would take for a command.
        self._guarded = in_ci() or not (sys.stdout.isatty() and sys.stderr.isatty())
        secret = os.urandom(8).hex()  # as `secrets` makes it, which takes 6 ms to load
        self._mark, self._break = f"\x1b{secret}[", f"\x1b{secret}\n"
        self._own_marks = re.compile(rf"\x1b{secret}(?:\[([\d;]*)m|\n)")
        self._lock = threading.Lock()
        self._status = self._base = ""  # what stands below the lines, and what of it stays when a line is added
        if verbose:
            from reconciler.cli.log import Log

            self.log = Log(self.note)

    def style(self, text: str, *names: str) -> str:
        """The text in these styles, where colours are shown."""
        return self._styled(text, *names) if self.colour and names else text

    @property
    def width(self) -> int:
        """Columns that a line may have: the terminal's, so that it breaks between words; plenty in a pipe."""
        return max(_size()[0], 40) if self.live else WIDE

    def fold(self, head: str, text: str) -> str:
        """`head` and `text`; at a terminal broken between words, and going on under the beginning of the text."""
        text = KNOWN.hide(text)
        if not self.live or self._mark in text:
            return head + text
        import textwrap

        room = max(self.width - 1 - len(head), 30)
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        return head + (self._break + " " * len(head)).join(lines)

    def below(self, *lines: str) -> str:
        """Lines below each other, to be printed as one."""
        return self._break.join(lines)

    def program(self, text: str) -> str:
        """A line of a program's output, to be printed: in its own colours where colours are shown."""
        visible = output(text, colour=self.colour)
        return re.sub(r"\x1b\[([\d;]*m)", lambda match: self._mark + match[1], visible)

    def print(self, text: str = "") -> None:
        """A line that matters even with --quiet."""
        with self._lock:
            self._clear()
            self._put(self.stream, self._harmless(text) + "\n")
            self._draw()

    def lines(self, text: str) -> None:
        """Several lines that matter even with --quiet."""
        for text_line in KNOWN.hide(text).split("\n"):  # a secret may go over several
            self.print(text_line)

    def say(self, text: str = "") -> None:
        """A line about the work."""
        if not self.quiet:
            self.print(text)

    def note(self, text: str) -> None:
        """A line on standard error."""
        with self._lock:
            self._clear()
            self._put(sys.stderr, self._harmless(text) + "\n")
            self._draw()

    def status(self, text: str) -> None:
        """Lines that the next ones replace; shown only at a terminal. Empty takes them away."""
        if not self.live or self.quiet:
            return
        columns, rows = _size()
        text = KNOWN.hide(text)  # before it is cut
        lines = [self._harmless(text_line)[: columns - 1] for text_line in text.split("\n")] if text else []
        if len(lines) > max(rows - 2, 1):
            lines = [*lines[: max(rows - 3, 1)], f"  and {len(lines) - max(rows - 3, 1)} more"]
        with self._lock:
            self._clear()
            self._status = self._base = "\n".join(lines)
            self._draw()

    def waiting(self, text: str) -> None:
        """A line below these, until something else is shown; at a terminal only."""
        if self.live:
            with self._lock:
                self._clear()
                visible = self._harmless(KNOWN.hide(text))[: _size()[0] - 1]
                self._status = "\n".join(filter(None, (self._base, visible)))
                self._draw()

    def json(self, value: Any, *, with_secrets: bool = False) -> None:
        """The one object of --json. with_secrets: they are what was asked for."""
        self.answered = True
        tree = plain(value) if with_secrets else KNOWN.hide_all(plain(value))
        text = dumps(finite(tree), indent=2) + "\n"
        for rows in _rows(tree):
            before, _, text = text.partition(f'"{rows}"')
            self._put(sys.stdout, f"{before}[", json=True)
            last_line = before.rpartition("\n")[2]
            margin = "\n" + " " * (len(last_line) - len(last_line.lstrip()))
            for number, row in enumerate(rows):
                row_text = dumps(finite(KNOWN.hide_all(row)), indent=2).replace("\n", f"{margin}  ")
                self._put(sys.stdout, f"{',' if number else ''}{margin}  {row_text}", json=True)
            text = f"{margin if rows else ''}]{text}"
        self._put(sys.stdout, text, json=True)

    def json_line(self, value: Any) -> None:
        """One of several objects of --json, on a line of its own."""
        self._put(sys.stdout, dumps(finite(KNOWN.hide_all(plain(value))), ascii_only=False) + "\n", json=True)

    def error(self, error: ReconcilerError) -> None:
        """What went wrong, and what to do. Errors of a file begin with their place, so that editors can jump to it."""
        first, *further_lines = str(error).split("\n")
        if getattr(error, "errors", ()):
            self.note(first)
        elif isinstance(error, Interrupted):  # as the user wanted it
            self.note(self.fold("", first))
        else:
            self.note(self._red("error:") + self.fold("error: ", first).removeprefix("error:"))
        for text_line in further_lines:
            self.note(text_line if getattr(error, "errors", ()) else f"  {text_line}")
        for text_line in typed(error.hint).split("\n") if error.hint else ():
            # A command stays on one line, to be copied.
            self.note(f"  {text_line}" if f"{program()} " in text_line else self.fold("  ", text_line))
        if (aws := from_aws(error)) and aws.request_id:
            self.note(f"  AWS request id: {aws.request_id}")

    def crash(self, error: Exception) -> None:
        """An error that nobody foresaw."""
        self.note(f"{self._red('error:')} unexpected {type(error).__name__}: {error}")
        self.note("  this is a bug of ours; RECONCILER_DEBUG=1 shows where. Nothing is lost: run the command again.")

    def trace(self, error: Exception) -> None:
        """Where an error that nobody foresaw came from."""
        import traceback

        for text_line in KNOWN.hide("".join(traceback.format_exception(error))).rstrip("\n").split("\n"):
            self.note(text_line)

    def ask(self, question: str) -> str:
        """What the person at the terminal answers. Raises EOFError."""
        with self._lock:
            self._clear()
            self._status = self._base = ""
            self.stream.write(self._harmless(question))
            self.stream.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise EOFError
        return answer.strip()

    def _red(self, text: str) -> str:
        return self._styled(text, "red", "bold") if coloured(os.environ, terminal=sys.stderr.isatty()) else text

    def _styled(self, text: str, *names: str) -> str:
        return f"{self._mark}{';'.join(self._codes[name] for name in names)}m{text}{self._mark}0m"

    def _harmless(self, text: str) -> str:
        """What goes to the stream: the text without effect and without secrets, our marks with theirs."""
        text = KNOWN.hide(text)
        parts, lines, end = [], [], 0
        for match in self._own_marks.finditer(text):
            parts.append(line(text[end : match.start()]))
            if match[1] is None:
                lines.append("".join(parts))
                parts = []
            else:
                parts.append(f"\x1b[{match[1]}m")
            end = match.end()
        lines.append("".join([*parts, line(text[end:])]))
        return "\n".join(guard(text_line) if self._guarded else text_line for text_line in lines)

    def _clear(self) -> None:
        if self._status:
            above = self._status.count("\n")
            self._put(self.stream, "\r" + (f"\x1b[{above}A\x1b[J" if above else "\x1b[K"))
        self._status = self._base

    def _draw(self) -> None:
        if self._status:
            self._put(self.stream, self._status)

    def _put(self, stream: TextIO, text: str, *, json: bool = False) -> None:
        """Write it. That a disk is full is said once, and the work, which costs money, goes on without being seen."""
        hidden = KNOWN.hide(text)
        if json and hidden != text:
            # A name of the format, or a number, is no secret that reads the same: in JSON only texts are hidden.
            hidden = _TEXT.sub(lambda match: match[0] if match[1] else KNOWN.hide(match[0]), text)
        text = hidden
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            if isinstance(error, BrokenPipeError) and stream is sys.stdout:
                raise  # as `| head` does: nobody wants the rest
            self.lost = error.strerror or str(error)
            silence(stream)
            if stream is sys.stdout:
                message = f"{self._red('error:')} standard output can't be written: {self.lost}"
                self._put(sys.stderr, self._harmless(message) + "\n")


def _rows(tree: Any) -> Iterator[Rows[Any]]:
    """The long lists in a tree of plain values, in their order."""
    if isinstance(tree, Rows):
        yield tree
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _rows(part)


def in_ci() -> bool:
    """Whether this is a CI job: nearly all of them say CI=true, GitHub's and Azure's have names of their own too."""
    names = ("CI", "GITHUB_ACTIONS", "TF_BUILD")
    return any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in names)


def attended() -> bool:
    """Whether somebody sits at the keyboard, who can be asked and may lose patience. CI may give a terminal too."""
    return sys.stdin.isatty() and not in_ci()


def _size() -> tuple[int, int]:
    """Columns and rows of the terminal."""
    import shutil

    return shutil.get_terminal_size((80, 24))


def seconds(value: float) -> str:
    """A duration for people: `0.3 s`, `2 min 5 s`, `1 h 3 min`."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, remainder = divmod(round(value), 60)
    return f"{minutes} min {remainder} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(value: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
