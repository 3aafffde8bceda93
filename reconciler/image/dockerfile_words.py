"""Words, quotes and variables in a Dockerfile, as BuildKit's own lexer reads them. Pure.

Each character is looked at once. What a hostile file could let grow has a limit: the text that variables make, and how
deeply one ${…} stands in another.
Source: moby/buildkit, frontend/dockerfile/shell and frontend/dockerfile/parser.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # noqa: E501
DEEPEST = 100  # ${…} in each other
LONGEST = 1 << 17  # characters of one value: Linux passes no longer environment variable
MOST = 1 << 22  # characters of all values of one reading together
LONGEST_PATTERN = 200  # characters of ${NAME#pattern}
SPECIAL = "@*#?-$!0"  # the shell's own parameters, which are never set here


class WordError(ValueError):
    """A text that Docker refuses too, or one that grows without end. Its message says what is wrong."""


@dataclass
class Budget:
    """How many characters variables may still make: shared by all that is read for one purpose."""

    remaining: int = MOST

    def take(self, text: str) -> str:
        """`text`, counted. Raises WordError."""
        self.remaining -= len(text)
        if len(text) > LONGEST:
            raise WordError(f"variables make a value of more than {LONGEST} characters")
        if self.remaining < 0:
            raise WordError(f"variables make more than {MOST} characters together")
        return text


class Lexer:
    """Reads one text once.

    raw: quotes and escapes stay as they are written. keep: so do variables that aren't set. strict: a `${NAME:?}` that
    isn't set is refused.
    """

    def __init__(
        self,
        text: str,
        values: Mapping[str, str],
        budget: Budget,
        escape: str = "\\",
        *,
        raw: bool = False,
        keep: bool = False,
        strict: bool = False,
    ) -> None:
        self.text, self.values, self.budget, self.escape = text, values, budget, escape
        self.raw, self.keep, self.strict = raw, keep, strict
        self._at, self._deep = 0, 0
        self._word: list[str] = []
        self.words: list[str] = []

    def read(self) -> str:
        """The whole text with its variables filled in; its words are then in `words`. Raises WordError."""
        text = self._until("", raw=self.raw)
        self._end_word()
        return text if self.raw else self.budget.take(text)

    def _peek(self) -> str:
        return self.text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _end_word(self) -> None:
        if word := "".join(self._word):
            self.words.append(word)
        self._word = []

    def _split(self, text: str) -> None:
        """Text that isn't quoted: spaces end words."""
        for char in text:
            if char in SPACE:
                self._end_word()
            else:
                self._word.append(char)

    def _until(self, stop: str, *, raw: bool) -> str:
        """Up to `stop`, or all of it without one. raw: the escape character stays before what it escapes."""
        parts: list[str] = []
        size = 0
        while char := self._peek():
            if char == stop:
                self._at += 1
                return self.budget.take("".join(parts))
            if char in "'\"":
                part = self._single() if char == "'" else self._double(raw=raw)
                self._word.append(part)
            elif char == "$":
                part = self._dollar()
                self._split(part)
            elif char == "<":
                part = self._less_than()
                self._word.append(part)
            elif char == self.escape:
                self._at += 1
                part = (char if raw else "") + self._next()
                self._word.append(part)
            else:
                self._at += 1
                part = char
                self._split(char)
            size += len(part)
            if size > LONGEST and size > len(self.text):
                raise WordError(f"variables make a value of more than {LONGEST} characters")
            parts.append(part)
        if stop:
            raise WordError("a ${ has no }")
        return "".join(parts)

    def _single(self) -> str:
        end = self.text.find("'", self._at + 1)
        if end < 0:
            raise WordError("a ' is never closed")
        inside = self.text[self._at + 1 : end]
        self._at = end + 1
        return f"'{inside}'" if self.raw else inside

    def _double(self, *, raw: bool) -> str:
        self._at += 1
        quote = '"' if self.raw else ""
        parts = [quote]
        while char := self._peek():
            if char == "$":
                parts.append(self._dollar())
                continue
            self._at += 1
            if char == '"':
                return "".join([*parts, quote])
            if char == self.escape:
                parts.append(char if raw else "")
                following = self._peek()
                if following and following in f'"${self.escape}':
                    char = self._next()
                elif not following:
                    break
            parts.append(char)
        raise WordError('a " is never closed')

    def _less_than(self) -> str:
        """`<`, or `<<` with the spaces after it: the name of a here-document may stand apart."""
        self._at += 1
        if self._peek() != "<":
            return "<"
        start = self._at + 1
        self._at = start
        while (char := self._peek()) and char in "\t\r ":
            self._at += 1
        return "<<" + self.text[start : self._at]

    def _name(self) -> str:
        start, char = self._at, self._peek()
        if char.isdigit():
            while self._peek().isdigit():
                self._at += 1
        elif char and char in SPECIAL:
            self._at += 1
        else:
            while (char := self._peek()) and (char.isalnum() or char == "_"):
                self._at += 1
        return self.text[start : self._at]

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            return self.values.get(name, f"${name}" if self.keep else "")
        self._at += 1
        if self._peek() in ("", "{", "}", ":"):
            raise WordError("${ without a name after it")
        self._deep += 1
        if self._deep > DEEPEST:
            raise WordError(f"more than {DEEPEST} ${{…}} in each other")
        try:
            return self._braces(self._name())
        finally:
            self._deep -= 1

    def _braces(self, name: str) -> str:
        """What stands in ${…} after the name, and what it makes."""
        value, sign = self.values.get(name), self._next()
        if sign == "}":
            return f"${{{name}}}" if self.keep and value is None else value or ""
        colon = sign == ":"
        sign = self._next() if colon else sign
        if sign == "/" and not colon:
            return self._replace(name, value)
        if not sign:
            raise WordError("a ${ has no }")
        if sign not in "+-?#%" or (colon and sign in "#%"):
            raise WordError(f"${{{name}{':' if colon else ''}{sign} is nothing that Docker knows")
        word = self._inside("}", raw=sign in "#%")
        if self.keep and value is None:
            return f"${{{name}{':' if colon else ''}{sign}{word}}}"
        is_set = value is not None and (value != "" or not colon)
        if sign == "-":
            return value or "" if is_set else word
        if sign == "+":
            return word if is_set else ""
        if sign == "?":
            if not is_set and self.strict:
                raise WordError(f"{name}: {word or 'it has to be set'}")
            return value or ""
        greedy = word.startswith(sign)
        return trimmed(value or "", word[greedy:], longest=greedy, end=sign == "%")

    def _inside(self, stop: str, *, raw: bool) -> str:
        """A part of a ${…}. As BuildKit has it, what stood before it in its word isn't seen as one word with it."""
        words, self.words = self.words, []
        text = self._until(stop, raw=raw)
        self.words, self._word = words, []
        return text

    def _replace(self, name: str, value: str | None) -> str:
        everywhere = self._peek() == "/"
        self._at += everywhere
        pattern = self._inside("/", raw=True)
        replacement = self._inside("}", raw=True)
        if value is None:
            return f"${{{name}/{pattern}/{replacement}}}" if self.keep else ""
        return self.budget.take(replaced(value, pattern, replacement, everywhere=everywhere))


def _pieces(pattern: str) -> list[str]:
    """A pattern by its characters: `*`, `?`, and every other as a regular expression."""
    if len(pattern) > LONGEST_PATTERN:
        raise WordError(f"a pattern of more than {LONGEST_PATTERN} characters")
    pieces, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
            char = pattern[at : at + 1]
            if not char or char not in "*?\\}/":
                raise WordError(f"\\{char} isn't an escape in a pattern")
            pieces.append(re.escape(char))
        else:
            pieces.append(char if char == "*" else "." if char == "?" else re.escape(char))
        at += 1
    return pieces


def _chunks(pieces: list[str]) -> list[list[str]]:
    chunks: list[list[str]] = [[]]
    for piece in pieces:
        if piece == "*":
            chunks.append([])
        else:
            chunks[-1].append(piece)
    return chunks


def _span(pieces: list[str], text: str, *, anchored: bool, longest: bool) -> tuple[int, int] | None:
    """Where a pattern matches first. Each `*` takes no more than it needs and isn't asked again; the last one takes
    all that it can where the longest match is wanted. So no text makes this slow.
    """
    first, *rest = ("".join(chunk) for chunk in _chunks(pieces))
    before = rest[:-1] if longest else rest
    regex = re.compile("".join([first, *(f"(?>.*?{chunk})" for chunk in before)]), re.DOTALL)
    match = regex.match(text) if anchored else regex.search(text)
    if match is None or not longest or not rest:
        return match.span() if match else None
    last = re.compile("".join(reversed(_chunks(pieces)[-1])), re.DOTALL)
    tail = last.search(text[::-1], 0, len(text) - match.end())
    return (match.start(), len(text) - tail.start()) if tail else None


def trimmed(value: str, pattern: str, *, longest: bool, end: bool) -> str:
    """`value` without what `pattern` matches at its beginning or end: ${NAME#pattern} and such. Raises WordError."""
    pieces = _pieces(pattern)
    if end:
        value, pieces = value[::-1], pieces[::-1]
    span = _span(pieces, value, anchored=True, longest=longest)
    remainder = value[span[1] :] if span else value
    return remainder[::-1] if end else remainder


def replaced(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """`value` with `replacement` for what `pattern` matches: ${NAME/pattern/replacement}. Raises WordError."""
    pieces = _pieces(pattern)
    parts: list[str] = []
    while span := _span(pieces, value, anchored=False, longest=True):
        parts += [value[: span[0]], replacement]
        value = value[span[1] :]
        if not everywhere or span[0] == span[1] or "*" not in pieces:
            break
    if everywhere and pieces and "*" not in pieces:
        value = re.sub("".join(pieces), lambda _: replacement, value, flags=re.DOTALL)
    return "".join([*parts, value])


HEREDOC = re.compile(r"(\d*)<<(-?)\s*([^<]*)", re.ASCII)


@dataclass(frozen=True)
class Heredoc:
    """A here-document that an instruction names. chomp: tabs before its lines don't count (`<<-`). content: with its
    line breaks.
    """

    name: str
    chomp: bool
    content: str = ""


def heredoc(word: str) -> Heredoc | None:
    """What a word such as `<<EOF` or `3<<-'E.O-F'` names; None for another. Raises WordError."""
    match = HEREDOC.fullmatch(word)
    if match is None or not match[3]:
        return None
    plain = Lexer(match[3], {}, Budget(), keep=True)
    plain.read()
    if len(plain.words) != 1:
        return None
    return Heredoc(plain.words[0], bool(match[2]))


def heredocs(line: str) -> list[Heredoc]:
    """The here-documents that a line names, in order. A line that isn't made of words has none, as in BuildKit."""
    if "<<" not in line:
        return []
    lexer = Lexer(line, {}, Budget(), raw=True, keep=True)
    try:
        lexer.read()
    except WordError:
        return []
    return [document for word in lexer.words if (document := heredoc(word)) is not None]


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Words between spaces, quotes and escapes left in them, as ENV and ARG are split."""
    words: list[str] = []
    word: list[str] = []
    quote, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if not quote and char in SPACE:
            if word:
                words.append("".join(word))
            word = []
            continue
        if char == escape and quote != "'":
            if at == len(text):
                break  # an escape at the end is nothing
            char += text[at]
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        word.append(char)
    if word:
        words.append("".join(word))
    return words


def split_flags(text: str, escape: str = "\\") -> tuple[list[str], str]:
    """The flags (`--from=…`) that an instruction begins with, quotes taken off, and the rest of it."""
    flags: list[str] = []
    at = 0
    while True:
        while at < len(text) and text[at] in SPACE:
            at += 1
        if text[at : at + 2] != "--":
            return flags, text[at:]
        word: list[str] = []
        quote = ""
        while at < len(text) and (quote or text[at] not in SPACE):
            char = text[at]
            at += 1
            if quote and char == quote:
                quote = ""
            elif not quote and char in "'\"":
                quote = char
            elif char == escape:
                word.append(text[at : at + 1])
                at += 1
            else:
                word.append(char)
        if (flag := "".join(word)) == "--":
            return flags, text[at:].strip(SPACE)
        if flag:
            flags.append(flag)
