"""What is a secret and what isn't, and that no text keeps one, however it is written."""
# ruff: noqa: E501  (tables of cases read best in whole lines)

from __future__ import annotations

import base64
import html
import itertools
import json
import shlex
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from reconciler.core.secret import MASK, Secrets, looks_secret, mark, secrets_in
from tests.work import assert_linear, processor

SECRET = [
    ("API_TOKEN", "x"), ("apiToken", "x"), ("api-token", "x"), ("TOKEN", "12345678"), ("GITHUB_TOKEN", ""), ("ACCESSTOKEN", "x"),
    ("DB_PASSWORD", "1"), ("password", "x"), ("PGPASSWORD", "x"), ("clientSecret", "x"), ("APIKEY", "x"), ("API_KEY", "7"),
    ("AWS_SECRET_ACCESS_KEY", "x"), ("ENCRYPTION_KEY", "x"), ("PRIVATE_KEY", "x"), ("SLACK_WEBHOOK_URL", "https://a/b"),
    ("SENTRY_DSN", "https://a/1"), ("DB_PWD", "x"), ("AUTH", "x"), ("BASIC_AUTH", "user:x"), ("COOKIE", "abc"), ("KEYS", "abc,def"),
    ("TOKENS", "abc"), ("MAX_TOKENS", "not-a-number"), ("JWT", "x"), ("WIFI_PSK", "x"), ("KEY_FILE", "abcdef"), ("TOKEN_URL", "https://u:p@a/b"),
    ("STORAGE_CONNECTION_STRING", "x"), ("PASS", "hunter2"),
]  # fmt: skip
NOT_SECRET = [
    ("TOKENIZER", "bert"), ("KEYS", "3"), ("MAX_TOKENS", "512"), ("MAX_TOKENS", ""), ("maxNewTokens", "64"), ("TOKENS_PER_BATCH", "4096"),
    ("PAD_TOKEN", "<pad>"), ("EOS_TOKEN", "</s>"), ("S3_KEY", "data/prices.csv"), ("KEYBOARD", "x"), ("MONKEY", "x"), ("AUTHOR", "x"),
    ("AUTH", "true"), ("PRIVATE", "false"), ("PASS", "2"), ("PASSES", "3"), ("COMPASS", "x"), ("PWD", "/app"), ("SORT_KEY", "date"),
    ("PUBLIC_KEY", "ssh-ed25519 AAAA"), ("KEY_FILE", "/run/key.pem"), ("TOKEN_URL", "https://login.example/token"),
    ("DB_PASSWORD_FILE", "/run/secrets/db"), ("EPOCHS", "3"), ("SEED", "42"), ("", "x"), ("NUM_KEYS", "8"), ("DATABASE_URL", "sqlite:///x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SECRET)
def test_is_a_secret_by_its_name(name: str, value: str) -> None:
    assert looks_secret(name, value)


@pytest.mark.parametrize(("name", "value"), NOT_SECRET)
def test_is_none(name: str, value: str) -> None:
    assert not looks_secret(name, value)
    assert Secrets().shown(name, value) == value


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("postgres://user:hunter2@db/prices", {"hunter2"}),
        ("redis://:hunter2@db:6379", {"hunter2"}),
        ("https://user:p/w@host/x", {"p/w"}),
        ("host=db password=hunter2 user=x", {"hunter2"}),
        ("Endpoint=x;AccountKey=abc/def==;Suffix=y", {"abc/def=="}),
        ("AKIAIOSFODNN7EXAMPLE", {"AKIAIOSFODNN7EXAMPLE"}),
        ("use sk-proj-0123456789abcdefgh now", {"sk-proj-0123456789abcdefgh"}),
        ("ghp_0123456789abcdefghijABCDEFGHIJ456789", {"ghp_0123456789abcdefghijABCDEFGHIJ456789"}),
        ("https://hooks.slack.com/services/T0/B0/xyz", {"https://hooks.slack.com/services/T0/B0/xyz"}),
        ("Authorization: Basic dXNlcjpwYXNz", {"dXNlcjpwYXNz"}),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----", {"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----"}),
        ('{"user": "me", "password": "hunter2-x", "api_key" : "k-123456"}', {"hunter2-x", "k-123456"}),
        ("//registry.internal/:_authToken=hunter2-x", {"hunter2-x"}),
        ("first\nexport MY_SECRET='hunter2-x'\n", {"hunter2-x"}),
        ("x-eyJhbGciOiJI.eyJzdWIiOiIx.abc-_", {"eyJhbGciOiJI.eyJzdWIiOiIx.abc-_"}),
        ('{"key": "data/prices.csv", "max_tokens": "512", "tokenizer": "bert"}', set()),
        ("https://example.com/?key=prices&sort_key=date", set()),
        ("aeyJhbGciOiJI.eyJzdWIiOiIx.abc", set()),
        ("https://example.com/a:b/c", set()),
        ("s3://bucket/key@2", set()),
        ("basic training of models", set()),
        ("--max_token=5", set()),
        ("task-1234567890123456", set()),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/a", set()),
        ("postgres://user:${DB_PASSWORD}@db", set()),
        ("postgres://user:(hidden)@db", set()),
        ("-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----", set()),
    ],
)  # fmt: skip
def test_is_a_secret_by_its_form(text: str, parts: set[str]) -> None:
    assert set(secrets_in(text)) == parts


VALUES = [
    "planted-1/with+signs=7",
    "planted 'two' \"quotes\" \\ é",
    "several words that are one long passphrase 9",
    "plànted*_`<b>&3",
]
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a longer text": lambda v: f"postgres://user:{v}@host/db",
    "in JSON": json.dumps,
    "in JSON, not escaped": lambda v: json.dumps(v, ensure_ascii=False),
    "in JSON in JSON": lambda v: json.dumps(json.dumps({"a": v})),
    "in a URL": lambda v: f"https://host/?q={quote(v, safe='')}&x=1",
    "in a URL's path": lambda v: f"https://host/{quote(v)}/x",
    "in a form": lambda v: f"a=1&b={quote_plus(v)}",
    "twice in a URL": lambda v: quote(quote(v, safe=""), safe=""),
    "in base64": lambda v: base64.b64encode(v.encode()).decode(),
    "in base64 for URLs": lambda v: base64.urlsafe_b64encode(v.encode()).decode(),
    "in base64 behind a user": lambda v: base64.b64encode(f"u:{v}".encode()).decode(),
    "in base64 behind another": lambda v: base64.b64encode(f"user:{v}\n".encode()).decode(),
    "in a shell": lambda v: shlex.join(["run", v]),
    "in HTML": html.escape,
    "in Python": repr,
    "folded": lambda v: "\n          ".join(textwrap.wrap(v, 12, break_long_words=False, break_on_hyphens=False)),
    "folded in a log": lambda v: "\n  | ".join(textwrap.wrap(v, 12, break_long_words=False, break_on_hyphens=False)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("value", VALUES)
def test_no_text_keeps_it(value: str, way: str) -> None:
    known = Secrets()
    known.add(value)
    text = known.hide(f"before {WAYS[way](value)} after")
    assert MASK in text
    assert text.startswith("before ")
    assert text.endswith(" after")
    for word in (part for part in value.split() if len(part) > 4 or len(value.split()) < 3):
        assert word not in text


def test_each_line_of_a_longer_one_is_one() -> None:
    known = Secrets()
    known.add("first line 1\n  second line 2\n")
    assert known.hide("x second line 2 y") == f"x {MASK} y"


@pytest.mark.parametrize(
    ("value", "text", "shown"),
    [
        ("a1b2", "a1b2 is not a1b2c", f"{MASK} is not a1b2c"),
        ("true", "it is true", "it is true"),  # a word that any text may have
        ("2024", "in 2024", "in 2024"),
        ("abc", "abc", "abc"),
    ],
)
def test_a_short_one_hides_no_word_of_others(value: str, text: str, shown: str) -> None:
    known = Secrets()
    known.add(value)
    assert known.hide(text) == shown
    assert known.shown("API_TOKEN", value) == MASK  # where it stands as the value of its variable


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--api-key", "x"], ["--api-key", MASK]),
        (["--api-key=x", "y"], [f"--api-key={MASK}", "y"]),
        (["--env", "TOKEN=x"], ["--env", f"TOKEN={MASK}"]),
        (["--env=TOKEN=x"], [f"--env=TOKEN={MASK}"]),
        (["--env", "EPOCHS=3", "--tokenizer", "bert"], ["--env", "EPOCHS=3", "--tokenizer", "bert"]),
        (["--max-tokens", "512", "--password", "--x"], ["--max-tokens", "512", "--password", "--x"]),
        (["curl", "https://u:hunter2@host"], ["curl", f"https://u:{MASK}@host"]),
        (["sh", "-c", "run --token abcd1234"], ["sh", "-c", f"run --token {MASK}"]),
    ],
)
def test_words_of_a_command(words: list[str], shown: list[str]) -> None:
    assert Secrets().words(words) == shown


def test_a_value_is_one_under_any_name_once_it_is_known() -> None:
    known = Secrets()
    known.environment(
        {
            "API_TOKEN": "planted-1",
            "SSH_AUTH_SOCK": "/tmp/ssh-1/agent",
            "AUTH_METHOD": "disabled",
            "EDITOR": "vi-improved",
        }
    )
    assert known.shown("OTHER", "planted-1") == MASK
    assert known.hide_all({"a": ["x planted-1", "disabled", "vi-improved", "/tmp/ssh-1/agent"]}) == {
        "a": [f"x {MASK}", "disabled", "vi-improved", "/tmp/ssh-1/agent"]
    }


def test_a_tree_of_plain_values() -> None:
    tree = {
        "environment": {"A_TOKEN": "q", "KEYS": "3", "DB": "mysql://u:pw1234@h"},
        "parameters": {"API_KEY": {"value": "v", "name": "/tiny/API_KEY"}},
        "run": {"sweep": {"grid": {"MY_SECRET": ["a", "b"], "LR": ["0.1"]}, "list": [{"MY_SECRET": "c", "LR": "1"}]}},
        "data": {"files": [{"key": "data/prices.csv"}]},
        "command": ["train", "--token", "t"],
        "containers": [{"environment": [{"name": "DB_PASSWORD", "value": "z"}]}],
    }
    assert Secrets().hide_all(tree) == {
        "environment": {"A_TOKEN": MASK, "KEYS": "3", "DB": f"mysql://u:{MASK}@h"},
        "parameters": {"API_KEY": {"value": MASK, "name": "/tiny/API_KEY"}},
        "run": {
            "sweep": {"grid": {"MY_SECRET": [MASK, MASK], "LR": ["0.1"]}, "list": [{"MY_SECRET": MASK, "LR": "1"}]}
        },
        "data": {"files": [{"key": "data/prices.csv"}]},
        "command": ["train", "--token", MASK],
        "containers": [{"environment": [{"name": "DB_PASSWORD", "value": MASK}]}],
    }
    marked = Secrets().marked(tree, "salt")
    assert marked["environment"]["A_TOKEN"] == mark("q", "salt") != mark("q", "other")
    assert Secrets().marked(marked, "salt") == marked


def test_what_may_begin_a_token_costs_no_more_than_what_does_not() -> None:
    usual = processor(lambda: list(secrets_in("-abc" * 10_000)))
    assert processor(lambda: list(secrets_in("-eyJ" * 10_000))) < 20 * max(usual, 0.001)


def test_a_text_of_no_variable_is_one_by_its_form() -> None:
    tree = {"description": "see https://me:hunter2-x@host/", "tags": {"api_token": "hunter3-x", "team": "forecasting"}}
    known = Secrets()
    shown = {"description": f"see https://me:{MASK}@host/", "tags": {"api_token": MASK, "team": "forecasting"}}
    assert known.hide_all(tree) == shown
    learned = Secrets()
    learned.learn_all(tree)
    assert learned.hide("hunter2-x and hunter3-x") == f"{MASK} and {MASK}"


@pytest.mark.parametrize("value", [" planted-1 x", "\t planted-1 x \n", "   planted-1        x"])
def test_what_is_around_it_is_none_of_it(value: str) -> None:
    known = Secrets()
    known.add(value)
    assert known.hide("a planted-1 x b") == f"a {MASK} b"


@pytest.mark.parametrize(
    "part",
    [
        "a://:",
        "a://a:",
        "a://:x@ ",
        "-eyJaaaaaaaa",
        '"token": "',
        "a=",
        "-eyJaaaaaaaa.eyJ",
        "-----BEGIN PRIVATE KEY-----",
        "password=",
        "x ",
    ],
)
def test_a_text_made_to_be_slow_is_looked_at_once(part: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = part * size + " @"

        def look() -> None:
            list(secrets_in(text))
            Secrets().learn_words([text])

        return look

    assert_linear(work, 500)


@pytest.mark.parametrize("value", [" planted-1", "     b        c-12", "planted one two"])
def test_blanks_do_not_make_a_secret_slow_to_find(value: str) -> None:
    known = Secrets()
    known.add(value)

    def work(size: int) -> Callable[[], object]:
        text = " \t " * size
        return lambda: known.hide(text)

    assert_linear(work, 500)


def test_thousands_are_learned_one_after_the_other() -> None:
    def work(size: int) -> Callable[[], object]:
        def learn() -> None:
            known = Secrets()
            for number in range(size):
                known.add(f"planted-{number}")

        return learn

    assert_linear(work, 300)


FOREIGN: list[Callable[[Secrets], object]] = [
    lambda known: known.text("note: token=succeeded secret=exit_code"),
    lambda known: known.shown("API_TOKEN", "succeeded"),
    lambda known: known.shown("NOTE", "token=succeeded"),
    lambda known: known.words(["train", "--token", "succeeded", "API_KEY=exit_code"]),
    lambda known: known.words(["sh", "-c", "API_KEY=exit_code train"]),
    lambda known: known.hide_all({"tags": {"API_TOKEN": "succeeded"}, "command": ["--token", "exit_code"]}),
    lambda known: known.marked({"environment": {"API_TOKEN": "succeeded"}, "reason": "token=exit_code"}, "salt"),
    lambda known: known.learn_variables({"description": "token=succeeded", "statements": ["secret=exit_code"]}),
]


@pytest.mark.parametrize("show", FOREIGN)
def test_what_is_shown_of_others_says_nothing_about_other_texts(show: Callable[[Secrets], object]) -> None:
    """Before, a tag `token=succeeded` hid the state of each run from then on, also in its record."""
    known = Secrets()
    show(known)
    text = "succeeded with exit_code 0"
    assert known.hide(text) == text


def test_secrets_of_variables_in_aws_are_learned() -> None:
    known = Secrets()
    known.learn_variables(
        {"containers": [{"environment": {"DB_PASSWORD": "planted-1"}, "command": ["--key=planted-2"]}]}
    )
    assert known.hide("planted-1 planted-2") == f"{MASK} {MASK}"


def test_lines_with_a_secret_each_are_hidden_one_after_the_other() -> None:
    """Each was learned, so that 800 lines took a minute."""
    numbers = itertools.count()  # `re` keeps some patterns: no secret comes twice

    def work(size: int) -> Callable[[], object]:
        known = Secrets()
        return lambda: [known.text(f"loss=1 token=planted-{next(numbers)}") for _ in range(size)]

    assert_linear(work, 300)


def test_a_secret_that_begins_with_another_goes_as_a_whole() -> None:
    known = Secrets()
    known.add("planted-1")
    assert known.text("see token=planted-1REST here") == f"see token={MASK} here"
    assert known.text("https://me:planted-1REST@host/") == f"https://me:{MASK}@host/"
    assert known.words(["--token", "planted-1REST", "see", "API_KEY=xplanted-1"]) == [
        "--token", MASK, "see", f"API_KEY={MASK}",
    ]  # fmt: skip
