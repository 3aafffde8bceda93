"""Foreign text by the place where it goes, and for any text at all."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.core import text
from tests.runner import SGR, effects, is_command

PIECES = [
    "::", ":", "#", "##[", "[", "]", "##vso[", "set-output name=a", "error", "\x1b", "\x1b[", "31m", "\x1b[1m",
    "\x1b[2J",
    "\x1b]0;t\x07", "\x9b", "\r", "\n", "\r\n", "\t", " ", "\u2028", "\x85", "\xa0", "\u200b", "\u200d", "\u202e",
    "\xad",
    "\ufe0f", "\u0301", "\ud800", "\udcff", "é", "日", "😀", "\x00", "\x08", "\x7f", "a", "`", "|", "\\", "@", "<", "&",
    "$",
    "\U000e0041", "\U0001f3f4",
]  # fmt: skip
ANY = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
HARMLESS = [
    "", "plain", "a\tb", "std::vector<int>", "tests/x.py::test_y", "2001:db8::1", "## heading", "[x] done", "#1 [y]",
    "    ^^^^^^^^~~~", "ValueError: C:\\new\\x1b", "naïve e\u0301 ñ", "日本語 한국어 العربية עברית हिन्दी",
    "می\u200cخ",  # Persian
    "😀 👨\u200d👩\u200d👧 ❤\ufe0f 1\ufe0f\u20e3 👍🏽 🇩🇪",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "100%|██████████| 10/10", "日本::x", "é::x::y", "葛\U000e0100", "שלום\u200f!",
]  # fmt: skip
LINE = [
    ("\x1b[2J", "\\x1b[2J"), ("a\nb", "a\\nb"), ("a\rb", "a\\rb"), ("\x1b]52;c;eA==\x07", "\\x1b]52;c;eA==\\x07"),
    ("\x9b31m", "\\x9b31m"), ("a\x85b\u2028c", "a\\x85b\\u2028c"), ("x\u202ey\u2066z", "x\\u202ey\\u2066z"),
    ("a\u200bb\u200db\ufeffc\xadd", "a\\u200bb\\u200db\\ufeffc\\xadd"), ("\ud800\udcff", "\\ud800\\udcff"),
    ("a\U000e0041", "a\\U000e0041"), ("\x7f\x00\x08", "\\x7f\\x00\\x08"), ("a\ufe0f", "a\\ufe0f"),
    ("😀\ufe0f\ufe0f", "😀\ufe0f\\ufe0f"), ("\u3164\u115f", "\\u3164\\u115f"),
    ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
]  # fmt: skip
OUTPUT = [  # in a pipe; at a terminal
    ("\x1b[31mred\x1b[0m", "red", "\x1b[31mred\x1b[0m\x1b[0m"),
    ("\x1b[1;38;5;8mx", "x", "\x1b[1;38;5;8mx\x1b[0m"),
    ("\x1b[38;2;1;2;3mx\x1b[m", "x", "\x1b[38;2;1;2;3mx\x1b[m\x1b[0m"),
    ("a\x1b[8mhidden\x1b[1;8mtoo\x1b[08m", "ahiddentoo", "ahiddentoo"),  # concealing is no colour
    ("a\x1b[2J\x1b[H\x1b[3Ab\x1b[K\x1b(Bc", "abc", "abc"),
    ("\x1b]0;title\x07x", "\\x1b]0;title\\x07x", "\\x1b]0;title\\x07x"),
    ("\x1b]52;c;eA==\x1b\\x", "\\x1b]52;c;eA==\\x1b\\x", "\\x1b]52;c;eA==\\x1b\\x"),
    ("\x1bP1$r\x1b\\", "\\x1bP1$r\\x1b\\", "\\x1bP1$r\\x1b\\"),
    ("\x1b\x1b[K[31mx", "\\x1b[31mx", "\\x1b[31mx"),  # what is left makes no sequence
    ("\x1b[31", "\\x1b[31", "\\x1b[31"),
    ("\r 10%|█  |\r 50%|██ |\r100%|███|\r\n", "100%|███|", "100%|███|"),
    ("at work\r\x1b[K", "at work", "at work"),
    ("Windows\r\n", "Windows", "Windows"),
    ("\r\r", "", ""),
    ("a\u2028b", "a\\u2028b", "a\\u2028b"),
]
GUARD = [
    ("::error::x", ": :error::x"), ("  \t::error::x", "  \t: :error::x"), ("\xa0\u3000::a::", "\xa0\u3000: :a::"),
    ("##[error]x", "# #[error]x"), ("a ##[set-env name=A;]b", "a # #[set-env name=A;]b"), ("###[x]", "## #[x]"),
    ("##[a]##[b]", "# #[a]# #[b]"), ("x##vso[task.setvariable]", "x# #vso[task.setvariable]"),
    ("##teamcity[x]", "# #teamcity[x]"), ("#\ufe0f#\ufe0f[x]", "#\ufe0f #\ufe0f[x]"), ("\u0301::x::", "\u0301: :x::"),
    (":\u0301:x::", ":\u0301 :x::"), ("\x1b[31m::error::x", "\x1b[31m: :error::x"), ("#\x1b[0m#[x]", "#\x1b[0m #[x]"),
]  # fmt: skip
MARKDOWN = [
    ("a|b", "a\\|b"), ("<b onclick=x>", "\\<b onclick=x\\>"), ("![i](http://x/y)", "!\\[i\\](http:\u200b//x/y)"),
    ("@octocat @org/team", "@\u200boctocat @\u200borg/team"),
    ("#12 o/r#3 GH-4", "\\#\u200b12 o/r\\#\u200b3 GH-\u200b4"),
    ("www.evil.example", "www\u200b.evil.example"), ("_www.evil.example", "\\_www\u200b.evil.example"),
    ("&#64;octocat &lt;", "&amp;\\#\u200b64;octocat &amp;lt;"), ("$x$", "&#36;x&#36;"),
    ("[^1] ~~x~~", "\\[^1\\] \\~\\~x\\~\\~"),
    ("a\n# b\n\n- c", "a \\# b - c"), ("- x", "\\- x"), ("12. x", "12\\. x"), ("===", "\\==="),
    ("`x` *y* \\", "\\`x\\` \\*y\\* \\\\"),
    ("x\x1b[2J\u202ey", "x\\\\x1b\\[2J\\\\u202ey"), ("<!-- x", "\\<!-- x"), ("mailto:a@b", "mailto:\u200ba@\u200bb"),
    ("at a high-speed", "at a high-speed"),
]  # fmt: skip
SLACK = [
    ("<!channel> <@U1>", "&lt;!channel&gt; &lt;@\u200bU1&gt;"), ("<http://evil|good>", "&lt;http://evil|good&gt;"),
    ("&lt;!here&gt;", "&amp;lt;!here&amp;gt;"), ("@channel", "@\u200bchannel"), ("[good](http://evil)", "[good]\u200b(http://evil)"),
    ("a\nb\rc", "a\nb\\rc"),
]  # fmt: skip


@pytest.mark.parametrize("harmless", HARMLESS)
def test_what_is_harmless_stays_as_it_is(harmless: str) -> None:
    assert text.guard(text.line(harmless)) == harmless
    assert text.output(harmless, colour=True) == harmless
    assert json.loads(text.dumps(harmless, ascii_only=False)) == harmless


@pytest.mark.parametrize(("foreign", "shown"), LINE)
def test_a_line(foreign: str, shown: str) -> None:
    assert text.line(foreign) == shown


@pytest.mark.parametrize(("foreign", "piped", "seen"), OUTPUT)
def test_a_line_of_a_programs_output(foreign: str, piped: str, seen: str) -> None:
    assert text.output(foreign) == piped
    assert text.output(foreign, colour=True) == seen


@pytest.mark.parametrize(("foreign", "shown"), GUARD)
def test_no_command_to_a_runner(foreign: str, shown: str) -> None:
    assert is_command(foreign) or "teamcity[x]" in foreign
    assert text.guard(foreign) == shown
    assert not is_command(shown)


@pytest.mark.parametrize(("foreign", "shown"), MARKDOWN)
def test_markdown(foreign: str, shown: str) -> None:
    assert text.escape(foreign) == shown


@pytest.mark.parametrize(("foreign", "shown"), SLACK)
def test_slack(foreign: str, shown: str) -> None:
    assert text.slack(foreign) == shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [("a\x1b[2J\x07\nb", "a\\x1b[2J\\x07\\nb"), ("é", "?"), ("x" * 200, "x" * 100), ("a\u202eb", "a\\u202eb")],
)
def test_a_subject(foreign: str, shown: str) -> None:
    assert text.subject(foreign) == shown


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [("a`b", "``a`b``"), ("`", "`` ` ``"), ("a|b", "`a\\|b`"), ("", "` `"), ("a\r\nb\x1b", "`a b\\x1b`")],
)
def test_code(foreign: str, shown: str) -> None:
    assert text.code_span(foreign) == shown


@given(ANY)
@example("\x1b\x1b[K[31m")
@example("#\x1b[K#[a]")
@example(":\x1b[K:a::")
def test_any_line_is_one_line_without_effect_and_no_command(foreign: str) -> None:
    for shown in (text.line(foreign), text.output(foreign), text.output(foreign, colour=True)):
        shown.encode()
        assert effects(shown.encode()) == []
        assert "\n" not in shown
        assert "\x1b" not in SGR.sub("", shown)
        assert not is_command(text.guard(shown))
        assert text.guard(text.guard(shown)) == text.guard(shown)
    assert "\x1b" not in text.output(foreign)
    assert text.line(text.line(foreign)) == text.line(foreign)


@given(ANY)
def test_colours_end_with_their_line(foreign: str) -> None:
    shown = text.output(foreign, colour=True)
    assert "\x1b" not in shown or shown.endswith("\x1b[0m")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | ANY, lambda values: st.lists(values) | st.dictionaries(ANY, values)
    )
)
def test_json_has_the_same_values(value: object) -> None:
    for ascii_only in (True, False):
        for indent in (None, 2):
            shown = text.dumps(value, indent=indent, ascii_only=ascii_only)
            assert json.loads(shown) == json.loads(json.dumps(value))
            assert effects(shown.encode()) == []
            assert not any(is_command(line) for line in shown.split("\n"))


@given(ANY)
def test_any_text_in_markdown(foreign: str) -> None:
    """Taken apart as CommonMark does it: nothing is left that it, or GitHub after it, makes anything of."""
    shown = text.escape(foreign)
    assert effects(shown.encode().replace("\u200b".encode(), b"")) == []
    assert "\n" not in shown
    bare = re.sub(r"\\[!-/:-@\[-`{-~]|&amp;|&#36;", "", shown)
    assert not re.search(r"[\\`*_\[\]|<>~&$]", bare)
    after = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown.replace("&#36;", "$").replace("&amp;", "&"))
    assert not re.search(r"@\w|#\d|://|www\.|\bGH-\d", after)


@given(ANY)
def test_any_text_as_code(foreign: str) -> None:
    span = text.code_span(foreign)
    match = re.fullmatch(r"(`+)(.*[^`]|.*\S.*)\1", span)
    assert match, span
    assert match[1] not in re.findall("`+", match[2]), "a run of as many would end it"
    assert not re.search(r"(?<!\\)\|", span), "would end a cell"
    first, *inside, last = text.block(foreign, "text").split("\n")
    assert first == f"{last}text"
    assert not any(line.strip().startswith(last) for line in inside)
    assert effects(text.block(foreign, "").encode()) == []


@given(ANY)
def test_any_text_to_slack(foreign: str) -> None:
    shown = text.slack(foreign)
    assert not re.search(r"[<>]|@\w|&(?!amp;|lt;|gt;)", shown)
    assert effects(shown.encode().replace("\u200b".encode(), b"")) == []
    subject = text.subject(foreign)
    assert subject.isascii()
    assert len(subject) <= 100
    assert not any(unicodedata.category(character) == "Cc" for character in subject)


@given(ANY)
def test_any_value_of_an_output_is_one_line(foreign: str) -> None:
    assert len(f"name={text.value(foreign)}\n".encode().decode().splitlines()) == 1


LONG = [
    "\xa0", "#", "##é", ":", "\x1b[", "\x1b[1;", "#é", "\r", "\x08", "@#www.", "`", "\u200d", "😀\u200d", "\x1b[31m",
    "::", "|\\",
]  # fmt: skip


@pytest.mark.share(4)
@pytest.mark.parametrize("piece", LONG)
def test_long_lines_take_time_in_proportion(piece: str) -> None:
    """Ten times the text takes about ten times as long, not a hundred times."""
    import time

    def took(count: int) -> float:
        best = 60.0
        for _ in range(3):
            began = time.process_time()
            long = piece * count
            text.guard(text.line(long))
            text.output(long, colour=True)
            text.dumps(long, ascii_only=False)
            text.escape(long)
            text.code_span(long)
            text.block(long, "text")
            text.slack(long)
            best = min(best, time.process_time() - began)
        return best

    assert took(20_000) < 40 * max(took(2_000), 0.001)
