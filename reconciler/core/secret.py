"""What must not be shown: which values are secrets, and every text without them. Pure, but for what it has learned.

A value becomes a secret where it enters (deploy.yaml, the environment, the command line, what AWS has) and stays one:
`KNOWN` holds those of this process, and whatever leaves it, on a screen, in a file or in a record, goes through that.
Nothing has to remember where a value went. docs/decisions/secrets.md says why it is so.

A value is a secret because of the name of the variable that holds it, because of its own form (a private key, a
token of a known service, a password in a URL), or because it is, or holds, one that is known already.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "(hidden)"
NAMES = 4  # before one value, each with `=`: what follows is a value
LONG, SHORT = 8, 4  # characters of a value that is looked for anywhere in a text, and of one that is as a whole word

_GLUED = re.compile(r"PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|CREDENTIAL|CONNECTION_?STRING")
_WORDS = frozenset([
    "TOKEN", "TOKENS", "PASS", "CREDS", "AUTH", "PRIVATE", "KEY", "KEYS", "WEBHOOK", "DSN", "COOKIE", "JWT", "BEARER",
    "PAT", "PSK", "AUTHORIZATION",
])  # fmt: skip
_ENDINGS = ("TOKEN", "PWD")  # of a word: AUTHTOKEN, DBPWD
_NOT_ALONE = {"PWD", "OLDPWD"}
_COUNTED = {"TOKENS", "KEYS", "PASS", "AUTH", "PRIVATE", "COOKIE"}  # with a number or a switch as value: no secret
_MEASURES = frozenset(["MAX", "MIN", "NUM", "N", "COUNT", "LIMIT", "LENGTH", "LEN", "SIZE", "PER", "BUDGET", "TOTAL"])
_OF_TEXT = frozenset(["PAD", "EOS", "BOS", "UNK", "MASK", "SEP", "CLS", "STOP", "SPECIAL"])  # a language model's tokens
# Keys that open nothing.
_OF_TABLES = frozenset(["PUBLIC", "PRIMARY", "FOREIGN", "SORT", "PARTITION", "GROUP", "JOIN", "INDEX", "OBJECT"])
_PLACES = {"FILE", "PATH", "DIR", "SOCK", "ARN"}
_SWITCH = re.compile(r"[+-]?[0-9]{1,9}(?:\.[0-9]+)?|true|false|yes|no|on|off|none|null|", re.IGNORECASE)
_PLACE = re.compile(r"\.{0,2}/.*|arn:.*")
_PLAIN_URL = re.compile(r"https?://[^\s@?#]*")

_FORMS = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[\w-]{16,}"
    r"|sk-[A-Za-z0-9_-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}"
    r"|hf_[A-Za-z0-9]{16,}|npm_[A-Za-z0-9]{20,}|pypi-[\w-]{16,}|dckr_pat_[\w-]{16,}|dapi[0-9a-f]{32}|hvs\.[\w-]{16,}"
    r"|AIza[\w-]{35}|ya29\.[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,}|AGE-SECRET-KEY-1[0-9A-Z]{20,}"
    r"|https://hooks\.slack\.com/(?:services|workflows)/[^\s\"'<>]+"
    r")",
    re.DOTALL,
)
# A JSON web token: words joined by dots, each looked at once. What the first begins with may be none of it.
_JWT = re.compile(r"(?<![\w-])([\w-]{11,}+)\.eyJ[\w-]{8,}+\.[\w-]*+")
_JWT_BEGINS = re.compile(r"(?<![A-Za-z0-9])eyJ(?=[\w-]{8})")
# What is secret in a longer text is the group: a URL's password, a connection string's, a header's.
_TO_AN_AT = re.compile(r"(?<!\S)\S+@")  # where a URL's password may be: looked for there, each is found or not at once
_PASSWORDS = (
    re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@]*:([^\s/?#]+)@"),
    re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/:@]*:([^\s@]+)@"),
)
_PARTS = (
    re.compile(
        r"(?i)(?<![A-Za-z0-9_-])(?:password|passwd|pwd|secret|token|api[_-]?key|accountkey|sharedaccesskey|client_secret)"
        r"=(?!\()([^\s;&,'\"]+)"
    ),
    re.compile(r"(?i)(?<![A-Za-z0-9])bearer +(?=[^\s]{0,200}[0-9])([A-Za-z0-9._~+/=-]{12,})"),
    re.compile(r"(?i)(?<![A-Za-z0-9])authorization[\"']?\s*[:=]\s*[\"']?(?:basic +|token +)([^\s\"',]{6,})"),
)
# A variable within a text: a line of a shell or of a file of settings, or an entry of JSON.
_PAIRS = re.compile(
    r"""(?<![\w.?&-])["']?([A-Za-z_][\w.-]{0,60})(?:["']\s{0,3}:\s{0,3}["']|=(?!\()["']?)([^\s"',;&]+)""", re.ASCII
)
_BARE_KEY = re.compile(r"(?i)keys?")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OPTION = re.compile(r"(-{0,2})([A-Za-z_][A-Za-z0-9_.-]*)(=)?(.*)", re.DOTALL)

# In a tree of plain values: mappings of variables, and lists of a command's words, by the key that they are under.
_VARIABLES = frozenset(
    ["environment", "log_options", "extra", "initial", "build_args", "options", "grid", "choices", "list", "parameters",
     "tags"]
)  # fmt: skip
_COMMANDS = frozenset(("command", "entrypoint", "entryPoint"))


def looks_secret(name: str, value: str = "") -> bool:
    """Whether what has this name is likely to be something that must not be shown. value: empty where it isn't known.

    A number is no secret in MAX_TOKENS or KEYS, nor is the address in TOKEN_URL or the path in KEY_FILE.
    """
    if name.upper().startswith("S3_"):  # S3_KEY and its like name an object
        return False
    text = _CAMEL.sub("_", name).upper() if not name.isupper() else name
    words = [word for word in re.split(r"[^A-Z0-9]+", text) if word]
    glued = _GLUED.search("_".join(words)) is not None
    telling = {w for w in words if w in _WORDS or (w.endswith(_ENDINGS) and (w not in _NOT_ALONE or len(words) > 1))}
    if not glued and not telling:
        return False
    if words[-1] in _PLACES and _PLACE.fullmatch(value):
        return False
    if glued:
        return True
    if telling <= {"TOKEN", "TOKENS"} and _OF_TEXT & set(words):
        return False
    if telling <= {"KEY", "KEYS"} and _OF_TABLES & set(words):
        return False
    if telling <= _COUNTED | {"TOKEN", "KEY"} and _MEASURES & set(words):
        return _SWITCH.fullmatch(value) is None
    if telling <= _COUNTED and value and _SWITCH.fullmatch(value):
        return False
    is_url = words[-1] in ("URL", "URI", "ENDPOINT") and not telling & {"WEBHOOK", "DSN"}
    return not (is_url and _PLAIN_URL.fullmatch(value))


def _tells(name: str, value: str) -> bool:
    """Whether the name of a variable within a text makes its value a secret. A mere `key` may be one of anything."""
    return _BARE_KEY.fullmatch(name) is None and looks_secret(name, value)


def secrets_in(text: str) -> Iterator[str]:
    """The parts of a text that are secrets by their own form."""
    for match in _FORMS.finditer(text):
        yield match[0]
    for match in _JWT.finditer(text):
        if begin := _JWT_BEGINS.search(match[1]):
            yield match[0][begin.start() :]
    for match in _PAIRS.finditer(text):
        if _tells(match[1], match[2]) and not match[2].startswith((MASK, "${", "$(")):
            yield match[2]
    urls = [match[0] for match in _TO_AN_AT.finditer(text)]
    for forms, texts in ((_PASSWORDS, urls), (_PARTS, [text])):
        for part in texts:
            for match in (match for form in forms for match in form.finditer(part)):
                if not match[1].startswith((MASK, "${", "$(")):
                    yield match[1]


@lru_cache(maxsize=4096)
def mark(value: str, salt: str) -> str:
    """What stands for a secret where a change of it must be seen, such as in the record of a run.

    It is the same for the same value and salt. It is made slowly, so that even a short value isn't found soon by
    trying: 0.05 s and 16 MiB for each try.
    """
    import hashlib

    digest = hashlib.scrypt(value.encode(), salt=f"reconciler {salt}".encode(), n=2**14, r=8, p=1, dklen=8)
    return f"{MASK} {digest.hex()}"


class Secrets:
    """The values that are known to be secrets. Safe for many threads.

    names: variables whose value is one whatever their name says, since a secret was written into them.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._values: set[str] = set()
        self._lock = threading.Lock()
        self._regex: re.Pattern[str] | None = None
        self._outdated = False  # whether values were added since that was compiled

    def clear(self) -> None:
        """Forget all of them: another command begins."""
        with self._lock:
            self.names, self._values, self._regex, self._outdated = set(), set(), None, False

    def add(self, value: str) -> None:
        """A secret. Each line of a longer one is one too."""
        if value in self._values or value.startswith(MASK) or not value.strip():
            return
        with self._lock:
            self._values |= {value, *(line.strip() for line in value.splitlines())} - {""}
            self._outdated = True

    @property
    def _pattern(self) -> re.Pattern[str] | None:
        """All of them, made when it is wanted: a file may have thousands, which are learned one after the other."""
        if self._outdated:
            with self._lock:
                forms = sorted({form for value in self._values for form in _forms(value)}, key=len, reverse=True)
                self._regex, self._outdated = re.compile("|".join(forms)) if forms else None, False
        return self._regex

    def environment(self, environ: Mapping[str, str]) -> None:
        """The secrets of a process's environment: a value that one of these variables has is one wherever it is."""
        for name, value in environ.items():
            telling = not re.fullmatch(r"[a-z_./:-]{0,15}|[0-9]*|/.*", value, re.DOTALL)
            if len(value) >= LONG and telling and name != "AWS_ACCESS_KEY_ID" and looks_secret(name, value):
                self.add(value)

    def learn(self, name: str, value: str) -> bool:
        """Learn what is secret in the value of a variable. Returns whether there was something."""
        if value.startswith(MASK):
            return True
        if value and (name in self.names or looks_secret(name, value)):
            self.add(value)
            return True
        parts = [part for part in secrets_in(value) if part.strip()]
        for part in parts:
            self.add(part)
        return bool(parts)

    def learn_words(self, words: Sequence[str]) -> None:
        """Learn the secrets among a command's words: `--api-key VALUE`, `TOKEN=VALUE`, `--env TOKEN=VALUE`."""
        for _, (_, name, value) in _options(words):
            self.learn(name, value)
        for word in words:
            self.learn("", word)
            if len(parts := word.split()) > 1:  # what a shell is given
                self.learn_words(parts)

    def learn_all(self, tree: Any) -> None:
        """Learn what is secret in a tree of plain values of the user's own, such as a deploy.yaml."""
        _walk(tree, self._learned, self._learned_words)

    def learn_variables(self, tree: Any) -> None:
        """Learn the secrets among the variables and commands of a tree that is in AWS, and from no other text there:
        whoever may tag a role would decide what is hidden.
        """
        _walk(tree, lambda name, value: self._learned(name, value) if name else value, self._learned_words)

    def _learned(self, name: str, value: str) -> str:
        self.learn(name, value)
        return value

    def _learned_words(self, words: Sequence[str]) -> list[str]:
        self.learn_words(words)
        return list(words)

    def shown(self, name: str, value: str) -> str:
        """The value of a variable as it may be shown: hidden where it is a secret, and what is one in it otherwise."""
        if not value or value.startswith(MASK):
            return value
        if name in self.names or self._is(value) or looks_secret(name, value):
            return MASK
        return self.text(value)

    def words(self, words: Sequence[str]) -> list[str]:
        """A command's words as they may be shown. Nothing is learned from them."""
        here = self._here()
        here.learn_words(words)
        visible = [MASK if self._is(word) or here._is(word) else self._without(here, word) for word in words]
        for at, (start, name, value) in _options(words):
            if value and not value.startswith(MASK) and (name in self.names or looks_secret(name, value)):
                visible[at] = start + MASK
        return visible

    def _here(self) -> Secrets:
        """Where the secrets of one text are learned, which may be somebody else's and says nothing about others."""
        here = Secrets()
        here.names = self.names
        return here

    def _is(self, value: str) -> bool:
        return len(value) >= SHORT and value in self._values

    def hide(self, text: str) -> str:
        """A text without the secrets that are known, however they are written in it."""
        pattern = self._pattern
        return pattern.sub(MASK, text) if pattern and text else text

    def text(self, value: str) -> str:
        """A text that isn't a variable's as it may be shown: without what is known, and without what is a secret in it
        by its form. Nothing is learned from it.
        """
        here = self._here()
        return self._without(here, value) if here.learn("", value) else self.hide(value)

    def _without(self, here: Secrets, text: str) -> str:
        """A text without its own secrets and those that are known. One that holds another goes as a whole."""
        for part in sorted(here._values, key=len, reverse=True):
            if self.hide(part) != part:
                text = text.replace(part, MASK)
        return here.hide(self.hide(text))

    def hide_all(self, tree: Any) -> Any:
        """A tree of plain values as it may be shown."""
        return _walk(tree, lambda name, value: self.shown(name, value) if name else self.text(value), self.words)

    def marked(self, tree: Any, salt: str) -> Any:
        """A tree of plain values with a `mark` for each secret, by which a change of it is still seen. What is one in
        the tree is one everywhere in it; nothing else is learned.
        """
        here = self._here()
        here.learn_all(tree)
        here._values |= self._values
        here._outdated = True

        def replace(name: str, value: str) -> str:
            if value.startswith(MASK):
                return value
            if (name and value and (name in self.names or looks_secret(name, value))) or here._is(value):
                return mark(value, salt)
            pattern = here._pattern
            return pattern.sub(lambda match: mark(match[0], salt), value) if pattern else value

        def words(arguments: Sequence[str]) -> list[str]:
            out = [replace("", word) for word in arguments]
            for at, (start, name, value) in _options(arguments):
                if value and not value.startswith(MASK) and (name in self.names or looks_secret(name, value)):
                    out[at] = start + mark(value, salt)
            return out

        return _walk(tree, replace, words)


def _options(words: Sequence[str]) -> Iterator[tuple[int, tuple[str, str, str]]]:
    """(place, (what is before the value, name, value)) of each word that gives something with a name."""
    following = ""
    for at, word in enumerate(words):
        match = _OPTION.fullmatch(word)
        if following and not word.startswith("--"):
            yield at, ("", following, word)
        following = ""
        before = ""
        while match and match[3]:  # --env=TOKEN=VALUE gives both
            before += f"{match[1]}{match[2]}="
            yield at, (before, match[2].replace("-", "_"), match[4])
            match = _OPTION.fullmatch(match[4]) if "=" in match[4] and before.count("=") < NAMES else None
        if match and match[1] and not match[3] and not match[4]:
            following = match[2].replace("-", "_")


def _walk(
    tree: Any,
    text: Callable[[str, str], str],
    words: Callable[[Sequence[str]], list[str]],
    name: str = "",
    inside: bool = False,
) -> Any:
    """A copy of a tree with each text replaced. name: of the variable that it is of; inside: of a mapping of those."""
    if isinstance(tree, str):
        return text(name, tree)
    if isinstance(tree, list | tuple):
        return [_walk(part, text, words, name, inside) for part in tree]
    if not isinstance(tree, Mapping):
        return tree
    entry = tree.get("name"), tree.get("value")
    pair = isinstance(entry[0], str) and isinstance(entry[1], str)  # {name: API_TOKEN, value: …}, as ECS has variables
    if inside and not (pair and len(tree) == 2):
        return {key: _walk(part, text, words, str(key)) for key, part in tree.items()}
    variable = str(entry[0]) if pair and not name else name  # a parameter's own name is a path
    copied: dict[Any, Any] = {}
    for key, part in tree.items():
        if str(key) in _COMMANDS and isinstance(part, str):
            words(part.split())
        if str(key) in _COMMANDS and isinstance(part, list | tuple) and all(isinstance(word, str) for word in part):
            copied[key] = words(part)
        else:
            copied[key] = _walk(part, text, words, variable if key == "value" else "", str(key) in _VARIABLES)
    return copied


def _html(value: str) -> str:
    import html  # its table of names takes longer to load than all that is printed before AWS is asked

    return html.escape(value)


def _forms(value: str) -> Iterable[str]:
    """Patterns for a value as it is written in JSON, in a URL, in base64, in a shell, in HTML, in Python, folded.

    None for one that any text could have by chance: what is shorter than four characters, and a shorter word or number.
    """
    value = value.strip()  # what is around it is none of it, and would be searched for at each blank of a text
    if len(value) < SHORT or (len(value) < LONG and (value.isalpha() or value.isdigit())):
        return []
    forms = {value, value.replace("'", "'\"'\"'"), value.replace("'", "''"), _html(value), repr(value)[1:-1]}
    for ascii_only in (True, False):
        as_json = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        forms |= {as_json, json.dumps(as_json, ensure_ascii=ascii_only)[1:-1]}
    for way in (quote, quote_plus):
        for safe in ("", "/"):
            quoted = way(value, safe=safe)
            forms |= {quoted, re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted), quote(quoted, safe="")}
    forms.add(re.sub(r"([\\`*_{}\[\]<>()#+.!|~@-])", r"\\\1", value))  # Markdown
    # Where a line is too long for a terminal, it goes on in the next one, behind spaces or the margin of a log.
    patterns = {r"\s+(?:\| +)?".join(map(re.escape, re.split(r"\s+", form))) for form in forms}
    if len(value) < LONG:
        return {f"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])" for pattern in patterns}
    return patterns | set(_base64(value))


def _base64(value: str) -> Iterator[str]:
    """The value in base64, wherever it begins in a longer text."""
    data = value.encode()
    for before, skip in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        remainder = (before + len(data)) % 3
        core = encoded[skip : len(encoded) - (1 if remainder else 0)]
        pattern = "".join({"+": "[+-]", "/": "[/_]"}.get(letter, letter) for letter in core)
        yield pattern + ("[A-Za-z0-9+/_-]?={0,2}" if remainder else "")


KNOWN = Secrets()  # those of this process
