"""What a container engine says while it builds, folded to the steps of the Dockerfile; all of it when it fails."""

from __future__ import annotations

import re
from collections import deque

from reconciler.cli.live_line import LiveLine
from reconciler.cli.terminal import Terminal

KEPT = 200  # lines that are shown when a build fails
STEP = re.compile(
    r"#\d+ \[[^\]]{0,200}?\d{1,9}/\d{1,9}\]|Step \d+/\d+ ?:|STEP \d+/\d+:"
)  # of BuildKit, the classic builder, Podman
RUN = "RUN "  # how an installation begins where there is no engine
OVER = "pushing to "  # what is said after the last
DETAIL = re.compile(r"#\d+ |[0-9a-f]{12}: | ---> |Removing intermediate|Copying blob|Copying config|Storing sign")
END = re.compile(r"Successfully (?:built|tagged)|COMMIT ")


class BuildOutput:
    """Shows the lines of one build and push. verbose: all of them."""

    def __init__(self, terminal: Terminal, live: LiveLine, *, verbose: bool) -> None:
        self._terminal, self._live, self._verbose = terminal, live, verbose
        self._folded: deque[str] = deque(maxlen=KEPT)
        self._inside = False  # of a step whose output has no mark of its own
        self._without_engine = False

    def say(self, text: str) -> None:
        """A line: of the engine, or about its work."""
        if self._verbose or not self._is_detail(text):
            self._live.tell("image", "")
            self._show(text)
        else:
            self._folded.append(text)
            self._live.tell("image", f"    image | {text}")

    def over(self) -> None:
        """The build and the push are done."""
        self._inside = self._without_engine = False
        self._live.tell("image", "")

    def failed(self) -> None:
        """Show what was folded, which says why."""
        self.over()
        for text in self._folded:
            self._show(text)
        self._folded.clear()

    def _show(self, text: str) -> None:
        self._terminal.say(self._terminal.style(f"    image | {self._terminal.program(text)}", "dim"))

    def _is_detail(self, text: str) -> bool:
        if text.startswith(RUN) and (self._without_engine or not self._inside):
            self._inside = self._without_engine = True
            return False
        if self._without_engine and text.startswith(OVER):
            self._inside = self._without_engine = False
        if STEP.match(text):
            self._inside = not text.startswith("#")
            # BuildKit says a step again when it goes on with it, and with what became of it.
            return False
        if END.match(text):
            self._inside = False
            return True
        return self._inside or DETAIL.match(text) is not None
