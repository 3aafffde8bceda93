"""Paths of an image, where its root is a folder of this machine: a process has no root of its own.

A word, a part of a search path or a path in a shell's text that is there in the image's root is run from there. So is
a program of the image's Python, wherever the Dockerfile put it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reconciler.local.beneath import Outside, beneath

IN_TEXT = re.compile(r"(?<![\w./~$}-])/[\w.+@-][\w./+@-]*")
PROGRAM = re.compile(r"/(?:usr/)?(?:local/)?bin/([\w.+-]+)")
PYTHON = re.compile(r"python3?(?:\.\d+)?")
QUOTES = "\"'"


@dataclass(frozen=True)
class Places:
    """Where the files of an image are.

    rootfs: what is / in the image. programs: the folder with the Python that runs it. own: whether that was made for
    this image, with what its Dockerfile installs. environments: the image's folders that this Python stands for.
    """

    rootfs: Path
    programs: Path
    own: bool = False
    environments: tuple[str, ...] = ()

    def real(self, path: str) -> str | None:
        """Where an absolute path of the image is on this machine; None if the image doesn't have it."""
        for folder in self.environments:
            name = path.removeprefix(f"{folder}/bin/")
            if name != path and "/" not in name:
                return str(self.programs / name)
        match = PROGRAM.fullmatch(path)
        if match is not None and (PYTHON.fullmatch(match[1]) or (self.own and (self.programs / match[1]).exists())):
            return str(self.programs / match[1])
        if not path.strip("/"):
            return None
        try:
            real_path = beneath(self.rootfs, path)
        except Outside:
            return None
        if not real_path.exists():
            return None
        return str(real_path) + ("/" if path.endswith("/") else "")

    def word(self, word: str) -> str:
        """One word of a command, or `--option=PATH`."""
        name, equals, value = word.partition("=")
        if equals and name.startswith("-") and value.startswith("/"):
            return f"{name}={self.real(value) or value}"
        return (self.real(word) or word) if word.startswith("/") else word

    def command(self, words: Sequence[str]) -> list[str]:
        """The words of a command; of `sh -c TEXT` also the paths in the text."""
        shell = posixpath.basename(words[0]) in ("sh", "bash", "ash", "dash") if words else False
        translated = [self.word(word) for word in words]
        for at in range(1, len(words) - 1):
            if shell and re.fullmatch(r"-[a-z]*c", words[at]):
                return [*translated[: at + 1], self.text(words[at + 1]), *translated[at + 2 :]]
        return translated

    def text(self, text: str) -> str:
        """The text of a shell's command."""

        def replaced(match: re.Match[str]) -> str:
            real = self.real(match[0])
            if real is None:
                return match[0]
            return real if text[: match.start()][-1:] in tuple(QUOTES) else shlex.quote(real)

        return IN_TEXT.sub(replaced, text)

    def variables(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values of variables that are paths of the image, or lists of them as PYTHONPATH is."""
        return {
            name: ":".join((self.real(part) or part) if part.startswith("/") else part for part in value.split(":"))
            for name, value in values.items()
        }
