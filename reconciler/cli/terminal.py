"""What is printed, and how: colours at a terminal, plain text in a pipe, one JSON object with --json.

Results go to standard output, errors and what is only about the work to standard error when the output is JSON.
"""

from __future__ import annotations

import json as jsonlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

from reconciler.cli.os_errors import silence
from reconciler.cli.program_name import program, typed
from reconciler.cli.style import codes, coloured
from reconciler.core.errors import Interrupted, ReconcilerError, from_aws

if TYPE_CHECKING:
    from reconciler.cli.log import Log

WIDE = 110  # columns of a line of details where there is no terminal


class Terminal:
    """Prints whole lines, from any thread."""

    log: Log | None = None  # with --verbose

    def __init__(self, *, quiet: bool = False, json: bool = False, verbose: bool = False) -> None:
        self.quiet, self.as_json, self.told = quiet, json, False
        self.lost = ""  # why what was printed got lost
        # With --json, standard output carries the object alone.
        self.stream = sys.stderr if json else sys.stdout
        # CI may give a terminal that nobody sits at: lines that are drawn again only fill its log.
        self.live = self.stream.isatty() and os.environ.get("TERM") != "dumb" and not in_ci()
        self.colour = coloured(os.environ, terminal=self.stream.isatty())
        self._codes = codes(os.environ)
        self._lock = threading.Lock()
        self._status = ""
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
        if not self.live:
            return head + text
        import textwrap

        room = max(self.width - 1 - len(head), 30)
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
        return head + ("\n" + " " * len(head)).join(lines)

    def print(self, text: str = "") -> None:
        """A line that matters even with --quiet."""
        with self._lock:
            self._clear()
            self._put(self.stream, text + "\n")
            self._draw()

    def say(self, text: str = "") -> None:
        """A line about the work."""
        if not self.quiet:
            self.print(text)

    def note(self, text: str) -> None:
        """A line on standard error."""
        with self._lock:
            self._clear()
            self._put(sys.stderr, text + "\n")
            self._draw()

    def status(self, text: str) -> None:
        """Lines that the next ones replace; shown only at a terminal. Empty takes them away."""
        if not self.live or self.quiet:
            return
        columns, rows = _size()
        lines = [line[: columns - 1] for line in text.splitlines()]
        if len(lines) > max(rows - 2, 1):
            lines = [*lines[: max(rows - 3, 1)], f"  and {len(lines) - max(rows - 3, 1)} more"]
        with self._lock:
            self._clear()
            self._status = "\n".join(lines)
            self._draw()

    def json(self, value: Any) -> None:
        """The one object of --json."""
        self.told = True
        self._put(sys.stdout, jsonlib.dumps(value, indent=2, default=str) + "\n")

    def json_line(self, value: Any) -> None:
        """One of several objects of --json, on a line of its own."""
        self._put(sys.stdout, jsonlib.dumps(value, ensure_ascii=False) + "\n")

    def error(self, error: ReconcilerError) -> None:
        """What went wrong, and what to do. Errors of a file begin with their place, so that editors can jump to it."""
        if getattr(error, "errors", ()):
            self.note(str(error))
        elif isinstance(error, Interrupted):  # as the user wanted it
            self.note(self.fold("", str(error)))
        else:
            self.note(self._red("error:") + self.fold("error: ", str(error)).removeprefix("error:"))
        for line in typed(error.hint).splitlines():
            # A command stays on one line, to be copied.
            self.note(f"  {line}" if f"{program()} " in line else self.fold("  ", line))
        if (aws := from_aws(error)) and aws.request_id:
            self.note(f"  AWS request id: {aws.request_id}")

    def crash(self, error: Exception) -> None:
        """An error that nobody foresaw."""
        self.note(f"{self._red('error:')} unexpected {type(error).__name__}: {error}")
        self.note("  this is a bug of ours; RECONCILER_DEBUG=1 shows where. Nothing is lost: run the command again.")

    def ask(self, question: str) -> str:
        """What the person at the terminal answers. Raises EOFError."""
        with self._lock:
            self._clear()
            self._status = ""
            self.stream.write(question)
            self.stream.flush()
        answer = sys.stdin.readline()
        if not answer:
            raise EOFError
        return answer.strip()

    def _red(self, text: str) -> str:
        return self._styled(text, "red", "bold") if coloured(os.environ, terminal=sys.stderr.isatty()) else text

    def _styled(self, text: str, *names: str) -> str:
        return f"\x1b[{';'.join(self._codes[name] for name in names)}m{text}\x1b[0m"

    def _clear(self) -> None:
        if self._status:
            above = self._status.count("\n")
            self._put(self.stream, "\r" + (f"\x1b[{above}A\x1b[J" if above else "\x1b[K"))

    def _draw(self) -> None:
        if self._status:
            self._put(self.stream, self._status)

    def _put(self, stream: TextIO, text: str) -> None:
        """Write it. That a disk is full is said once, and the work, which costs money, goes on without being seen."""
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            if isinstance(error, BrokenPipeError) and stream is sys.stdout:
                raise  # as `| head` does: nobody wants the rest
            self.lost = error.strerror or str(error)
            silence(stream)
            if stream is sys.stdout:
                self._put(sys.stderr, f"{self._red('error:')} standard output can't be written: {self.lost}\n")


def in_ci() -> bool:
    """Whether this is a CI job, as nearly all of them say with CI=true."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


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
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(value: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError
