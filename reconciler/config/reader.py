"""From a path to a composed YAML file; what makes a file unreadable as a whole ends here, with one problem."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import yaml

from reconciler.config import broken_file, other_words
from reconciler.config.document import Builder, Document, split
from reconciler.config.problems import ConfigError, ConfigErrors, printable, quoted
from reconciler.config.resolve import Loader
from reconciler.core.secret import KNOWN, looks_secret, secrets_in

_LARGEST = 1 << 18  # bytes
_ENTRY = re.compile(r"""([A-Za-z_][\w.-]{0,100})["']?\s*[:=]\s*["']?([^\s"'][^\n"']*)""")

MISSING = "a `:` is missing after this key"
UNEVEN = "this doesn't line up with what is above"
# PyYAML's words, what they mean, and what to do. The first that is found in the message counts.
_SYNTAX = (
    ("found character '\\t'", "a tab; YAML is indented with spaces only", "replace the tab with spaces"),
    ("found a tab character", "a tab; YAML is indented with spaces only", "replace the tab with spaces"),
    ("found character '", "a value can't begin with this character", "put the value in quotes"),
    (
        "mapping values are not allowed",
        "a `:` is not allowed here",
        "quote text that holds `: `, or check the indentation",
    ),
    ("mapping keys are not allowed", "a `?` is not allowed here", "put the value in quotes"),
    ("found undefined alias", "this alias has no anchor", "mark the value that it stands for with &NAME, or quote it"),
    ("while scanning an alias", "this alias has no name", "put text that begins with * in quotes"),
    ("expected the node content", "a value is missing here", "give a value, or quote it if it begins with - : or ,"),
    ("could not find expected ':'", MISSING, "write key: value, with a space between"),
    (
        "expected escape sequence",
        "double quotes have no such escape",
        "use single quotes, or write \\\\ for a backslash",
    ),
    ("while scanning a quoted scalar", "this quote is never closed", "add the closing quote"),
    (
        "while parsing a flow sequence",
        "this list is not closed, or lacks a comma",
        "write [a, b], with ${...} in quotes",
    ),
    (
        "while parsing a flow mapping",
        "this mapping is not closed, or lacks a comma",
        "write {a: 1}, with ${...} in quotes",
    ),
    ("found unknown escape", "double quotes have no such escape", "use single quotes, or write \\\\ for a backslash"),
    ("but found another document", "a second document", "keep one document: remove the --- line and what follows"),
    ("while parsing a block", UNEVEN, "give what belongs together the same indentation"),
)
_AFTER_A_QUOTE = "text after a closing quote"
_ONE_QUOTE = """write a list as [a, b]; inside '...' write '' for a quote, inside "..." write \\\""""


def read(path: Path, environ: Mapping[str, str], git_sha: Callable[[], str | None]) -> Document:
    """The values of the file at `path`, whose root is a mapping. Raises ConfigErrors if it can't be made sense of."""
    return _read(path, lambda document: Builder(document, environ, git_sha))


def read_texts(path: Path) -> Document:
    """A file of another tool's, to the same limits: every scalar is text, null is None. Raises ConfigErrors."""
    return _read(path, lambda document: Builder(document, {}, lambda: None, texts=True))


def _read(path: Path, builder: Callable[[Document], Builder]) -> Document:
    file = printable(str(path))
    text = _decode(content_of(path), file)
    try:
        return _document(Document(file, split(text)), text, builder)
    except ConfigErrors:
        broken_file.learn(text)
        raise


def _document(document: Document, text: str, builder: Callable[[Document], Builder]) -> Document:
    file = document.file
    try:
        node = Loader(text).get_single_node()
        if node is None:
            _refuse(file, "the file is empty", "begin with a line such as: name: my-pipeline")
        document.tree = builder(document).build(node)
        KNOWN.learn_all(document.tree)
    except yaml.reader.ReaderError as error:
        _unprintable(document, text, error)
    except yaml.MarkedYAMLError as error:
        _syntax(document, error)
    except OverflowError:
        _refuse(file, "the file is nested too deeply, or its aliases multiply", "write it out with less nesting")
    except ValueError as error:  # PyYAML's own conversions, of a %YAML directive for instance
        _refuse(file, f"the file is not YAML: {printable(str(error))}", "remove directives and tags")
    if not isinstance(document.tree, dict):
        if not document.errors:
            noun = "a list" if isinstance(document.tree, list) else "a single value"
            found = other_words.look_alike(document.lines[document.spot(()).line])
            fix = f"{found[1]}: {found[2]}" if found else "begin with a line such as: name: my-pipeline"
            document.error((), f"the file is {noun}, where a mapping is needed", fix)
        raise ConfigErrors(document.errors)
    return document


def _refuse(file: str, message: str, fix: str) -> NoReturn:
    raise ConfigErrors([ConfigError(file, 0, 0, "", "", message, fix)]) from None


def _shown(line: str) -> str:
    """A line of a file whose structure isn't known: empty where it seems to hold a secret."""
    secret_entries = (
        looks_secret(f[1], f[2]) and (f[1] != f[1].lower() or len(f[1]) > 4) for f in _ENTRY.finditer(line)
    )
    return "" if next(secrets_in(line), "") or any(secret_entries) else line


def content_of(path: Path) -> bytes:
    """What is in a deploy.yaml. Raises ConfigErrors for a folder, and for what isn't there or can't be read."""
    file = printable(str(path))
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        _refuse(file, "there is no such file", _near(path))
    except IsADirectoryError:
        inside = path / "deploy.yaml"
        _refuse(
            file, "this is a folder", f"name the file in it: {inside if inside.is_file() else 'FOLDER/deploy.yaml'}"
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _refuse(file, f"the file can't be read: {reason}", "check its name and who may read it")
    if len(content) > _LARGEST:
        _refuse(file, "the file has more than 256 KiB", "check that this is the right file")
    return content


def _near(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")]
    except OSError:
        return "check the path"
    near = difflib.get_close_matches(path.name, names, 1, 0.6) or sorted(names)[:1]
    return (
        f"did you mean {printable(str(path.with_name(near[0])))}?" if near else "check the path; `init` writes a file"
    )


def _decode(content: bytes, file: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        _refuse(file, "the file is UTF-16", "save it as UTF-8")
    if b"\0" in content:
        _refuse(file, "the file is binary", "check that this is the right file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        broken_file.learn(content.decode("utf-8", "replace"))
        before = content[: error.start].decode("utf-8", "replace")
        lines = split(before)
        byte = content[error.start]
        after = split(content[error.start :].decode("utf-8", "replace"))[0]
        message = f"the byte 0x{byte:02x} is not UTF-8"
        place = ConfigError(
            file,
            len(lines),
            len(lines[-1]) + 1,
            "",
            f"0x{byte:02x}",
            message,
            "save the file as UTF-8",
            _shown(lines[-1] + after),
        )
        raise ConfigErrors([place]) from None


def _without_space(lines: list[str], line: int) -> tuple[int, int] | None:
    """Where `key:value` stands, in or above a line whose `:` YAML took for a part of that text."""
    place = None
    for at in range(line, -1, -1):
        spaced = other_words.spaced(lines[at])
        if spaced:
            place = at, len(lines[at]) - len(lines[at].lstrip())
        elif place or (at < line and lines[at].strip()):
            break
    return place


def _unprintable(document: Document, text: str, error: yaml.reader.ReaderError) -> NoReturn:
    before = split(text[: error.position])
    line, column = len(before), len(before[-1]) + 1
    code = error.character if isinstance(error.character, int) else ord(error.character)
    message = f"the control character U+{code:04X} is not allowed in YAML"
    source = _shown(document.lines[line - 1])
    raise ConfigErrors([ConfigError(document.file, line, column, "", "", message, "remove it", source)]) from None


def _seen(lines: list[str], line: int, column: int, message: str, fix: str) -> tuple[int, int, str, str]:
    """What PyYAML noticed, or the cause of it that can be seen in the file's lines: its place, message and fix."""
    for at, text in enumerate(lines):
        if text.startswith("<<<<<<< "):
            return (
                at,
                0,
                "a merge conflict isn't resolved",
                "keep one side; remove the lines with <<<<<<<, ======= and >>>>>>>",
            )
    for at in (line, line - 1):
        if 0 <= at < len(lines) and (found := other_words.look_alike(lines[at])):
            return at, *found
    text = lines[line] if line < len(lines) else ""
    if message == UNEVEN and text[:column].rstrip()[-1:] in ("'", '"'):
        return line, column, _AFTER_A_QUOTE, _ONE_QUOTE
    if message == MISSING and (item := re.match(r" *-([^\s-].*)", text)):
        return line, column, "a space is missing after this -", f"write - {_shown(item[1]).strip()}"
    return line, column, message, fix


def _syntax(document: Document, error: yaml.MarkedYAMLError) -> NoReturn:
    description = f"{error.context or ''} {error.problem or ''}"
    message, fix = next(
        ((m, f) for words, m, f in _SYNTAX if words in description),
        (printable(error.problem or "this is not YAML"), "check this line and the one above"),
    )
    # Of what was never closed, the beginning helps; of the rest, the place where the parser gave up.
    is_unclosed = any(words in message for words in ("never closed", "not closed", "is missing after", "has no name"))
    mark = (error.context_mark if is_unclosed else None) or error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    if "is not allowed here" in message:
        above = _without_space(document.lines, line)
        if above is not None:
            line, column, message = *above, MISSING
    if message == MISSING and line < len(document.lines):
        fix = other_words.spaced(_shown(document.lines[line])) or fix
    line, column, message, fix = _seen(document.lines, line, column, message, fix)
    source = _shown(document.lines[line]) if line < len(document.lines) else ""
    value = source[column : column + 1]
    if "alias" in message:
        value = source[column:].split()[0] if source[column:].split() else ""
        message = f"{quoted(value)}: {message}"
    place = ConfigError(document.file, line + 1, column + 1, "", value, message, fix, source, max(1, len(value)))
    raise ConfigErrors([place]) from None
