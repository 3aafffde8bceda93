from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.core.errors import UserError
from reconciler.image.dockerfile import check_json, form, parse_dockerfile, start_of
from tests.work import assert_linear, processor

TEXT = r"""# syntax=docker/dockerfile:1
ARG VERSION=3.13
ARG BASE=python:${VERSION}-slim
FROM ${BASE} AS build
RUN pip install \
    # a comment in the middle
    --no-cache-dir x
RUN <<EOF
FROM not-an-instruction
EOF
FROM --platform=linux/amd64 $BASE AS run
COPY --from=build /opt /opt
COPY --from=ghcr.io/tool:1@sha256:abc /bin/tool /bin/
ENV A=1 B="two words" C=$A
ENV OLD form of it
WORKDIR /srv
WORKDIR app
CMD ["train"]
ENTRYPOINT ["python", "-m", "model"]
FROM run AS debug
CMD python -m pdb
"""


def test_bases_are_those_of_the_stages_that_are_built() -> None:
    parsed = parse_dockerfile(TEXT, {})
    assert parsed.bases("build") == ("python:3.13-slim",)
    assert parsed.bases(None) == ("ghcr.io/tool:1@sha256:abc", "python:3.13-slim")
    assert parse_dockerfile(TEXT, {"VERSION": "3.12"}).bases("build") == ("python:3.12-slim",)


def test_start_follows_the_stages() -> None:
    parsed = parse_dockerfile(TEXT, {})
    run = start_of(parsed, "run")
    assert run.entrypoint == ("python", "-m", "model")
    assert run.command == ("train",)
    assert run.environment == {"A": "1", "B": "two words", "C": "", "OLD": "form of it"}
    assert run.workdir == "/srv/app"
    debug = start_of(parsed, None)
    assert debug.entrypoint == ("python", "-m", "model")
    assert debug.command == ("/bin/sh", "-c", "python -m pdb")


def test_entry_point_drops_the_command_of_the_stage_before() -> None:
    parsed = parse_dockerfile('FROM a AS one\nCMD ["x"]\nFROM one\nENTRYPOINT ["y"]\n', {})
    assert start_of(parsed, None).command is None


# (what follows FROM, the command, the variables): a parser that isn't Docker's reads these otherwise.
LIKE_DOCKER: list[tuple[str, tuple[str, ...] | None, dict[str, str]]] = [
    # here-documents, and what looks like one
    ('RUN python -c "print(1 << 4)"\nCMD ["a"]', ("a",), {}),
    ("RUN python -c 'print(1 <<x)'\nCMD [\"a\"]", ("a",), {}),
    ('RUN read a <<< "hello"\nCMD ["a"]', ("a",), {}),
    ('RUN read a <<<hello\nCMD ["a"]', ("a",), {}),
    ('COPY <<one.txt <<two-2.txt /notes/\na\none.txt\nb\ntwo-2.txt\nCMD ["a"]', ("a",), {}),
    ('COPY <<one <<two /notes/\ntwo\none\none\ntwo\nCMD ["a"]', ("a",), {}),
    ('RUN <<"EOF"\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ("RUN <<'one two'\nCMD [\"b\"]\none two\nCMD [\"a\"]", ("a",), {}),
    ("RUN <<eo'f'\nCMD [\"b\"]\neof\nCMD [\"a\"]", ("a",), {}),
    ("RUN <<eo\\'f\nCMD [\"b\"]\neo'f\nCMD [\"a\"]", ("a",), {}),
    ('RUN <<$EOF\nEOF\n$EOF\nCMD ["a"]', ("a",), {}),
    ('RUN << EOF cat\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ('RUN 3<<EOF cat\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ('RUN <<-EOF\n\tCMD ["b"]\n\tEOF\nCMD ["a"]', ("a",), {}),
    ('RUN <<EOF\n EOF\n\tEOF\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ('RUN --mount=type=cache,target=/x <<EOF\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ('ONBUILD RUN <<EOF\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    ('RUN ["sh", "-c", "cat <<EOF"]\nCMD ["a"]', ("a",), {}),
    ('USER <<EOF\nCMD ["a"]', ("a",), {}),
    ('RUN cat \\\n <<EOF\nCMD ["b"]\nEOF\nCMD ["a"]', ("a",), {}),
    # lines
    ('cmd ["a"]', ("a",), {}),
    ('CMD\t["a"]', ("a",), {}),
    ('  CMD \t ["a"]  ', ("a",), {}),
    ('RUN x \\  \n  y\nCMD ["a"]', ("a",), {}),
    ('CMD ["a", \\\n# a comment\n\n  \t# another\n "b"]', ("a", "b"), {}),
    ('RUN x \\\\\nCMD ["a"]', ("a",), {}),
    ('RUN x \\\nCMD ["a"]', None, {}),
    ('\\\nCMD ["a"]', ("a",), {}),
    ('CMD ["a"]\\', ("a",), {}),
    ("CMD a\\\nb  \\\n c", ("/bin/sh", "-c", "ab   c"), {}),
    ('# CMD ["b"] \\\nCMD ["a"]', ("a",), {}),
    ('RUN x\u2028CMD ["b"]\nCMD ["a"]', ("a",), {}),
    ('RUN x\x0cCMD ["b"]\nCMD ["a"]', ("a",), {}),
    ('ENV A=1\r\nCMD ["a"]\r\n', ("a",), {"A": "1"}),
    # JSON form, or not
    ('CMD [ "a","b" ]', ("a", "b"), {}),
    ('CMD ["a"] b', ("/bin/sh", "-c", '["a"] b'), {}),
    ("CMD ['a']", ("/bin/sh", "-c", "['a']"), {}),
    ('CMD ["a"', ("/bin/sh", "-c", '["a"'), {}),
    ('CMD "a"', ("/bin/sh", "-c", '"a"'), {}),
    ("CMD []", None, {}),
    ('CMD ["b"]\nCMD ["a"]', ("a",), {}),
    ('SHELL ["/bin/bash", "-c"]\nCMD a', ("/bin/bash", "-c", "a"), {}),
    ('CMD ["a"]\nHEALTHCHECK CMD ["b"]\nONBUILD CMD ["c"]\nSTOPSIGNAL SIGTERM', ("a",), {}),
    ("CMD echo $HOME '${x}'", ("/bin/sh", "-c", "echo $HOME '${x}'"), {}),
    # quotes and variables
    ("ENV A=\"a b\" B='a b' C=a\\ b", None, {"A": "a b", "B": "a b", "C": "a b"}),
    ("ENV A=\"a'b\" B='a\"b' C=\"a\\\"b\" D=a\\'b", None, {"A": "a'b", "B": 'a"b', "C": 'a"b', "D": "a'b"}),
    ("ENV A=\"\\n\" B='\\n' C=\\n", None, {"A": "\\n", "B": "\\n", "C": "n"}),
    ("ENV A  b  c ", None, {"A": "b  c"}),
    ("ENV A\t'b c'", None, {"A": "b c"}),
    ("ENV A=1\nENV A=2 B=$A", None, {"A": "2", "B": "1"}),
    ("ENV A=1\nENV B=\\$A C='$A' D=\"\\$A\" E=\"$A\"", None, {"A": "1", "B": "$A", "C": "$A", "D": "$A", "E": "1"}),
    ("ENV B=${X:-${Y:-z}} C=${X-a} D=${X:+b} E=${X:-\\}}", None, {"B": "z", "C": "a", "D": "", "E": "}"}),
    ("ENV E=\nENV A=${E:-x} B=${E-x} C=${E:+x} D=${E+x}", None, {"E": "", "A": "x", "B": "", "C": "", "D": "x"}),
    ("ENV P=a/b/c.tar.gz\nENV A=${P##*/} B=${P#*/} C=${P%.*} D=${P%%.*} E=${P/b/x} F=${P//./-}", None,
     {"P": "a/b/c.tar.gz", "A": "c.tar.gz", "B": "b/c.tar.gz", "C": "a/b/c.tar", "D": "a/b/c", "E": "a/x/c.tar.gz",
      "F": "a/b/c-tar-gz"}),
    ("ENV P=xaxbx\nENV A=${P/x*x/-} B=${P//?x/-} C=${P%x*b?} D=${P#\\*}", None,
     {"P": "xaxbx", "A": "-", "B": "x--", "C": "xa", "D": "xaxbx"}),
    ("ENV PATH=/opt/bin:$PATH", None, {"PATH": "/opt/bin:"}),
    ("ENV A=a$1b$@c", None, {"A": "abc"}),
    ("ARG A=1\nENV B=$A", None, {"B": "1"}),
    ('ARG A="x y" B\nENV C=$A D=$B', None, {"C": "x y", "D": ""}),
    ("ENV A=1\nARG B=$A\nENV C=$B", None, {"A": "1", "C": "1"}),
    ("ARG GIVEN=1\nENV A=$GIVEN", None, {"A": "by hand"}),
    ("ARG OUTER\nENV A=$OUTER", None, {"A": "out"}),
    ("ENV A=$OUTER", None, {"A": ""}),
    ("ARG OUTER=in\nENV A=$OUTER", None, {"A": "in"}),
    ("ENV A=1\nARG A=2\nENV B=$A", None, {"A": "1", "B": "2"}),
    ("ARG A=2\nENV A=1\nENV B=$A", None, {"A": "1", "B": "1"}),
    ("ENV HOME=/r\nARG A='$HOME'\nENV B=$A", None, {"HOME": "/r", "B": "$HOME"}),
    ("ENV A='b'c\"d\" a=1 a=2", None, {"A": "bcd", "a": "2"}),
    ("CMD", ("/bin/sh", "-c", ""), {}),
    ("ARG TARGETARCH\nENV A=$TARGETARCH", None, {"A": "amd64"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "command", "environment"), LIKE_DOCKER)
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_read_as_docker_reads_it(
    text: str, command: tuple[str, ...] | None, environment: dict[str, str], start: str
) -> None:
    parsed = parse_dockerfile(f"{start}ARG OUTER=out\nFROM a\n{text}\n", {"GIVEN": "by hand"})
    started = start_of(parsed, None)
    assert (started.command, started.environment) == (command, environment)


# (the file, its base images)
BASES = [
    ("from a as B\nFROM b", ("a",)),
    ("FROM\ta\tAS\tb\nFROM B", ("a",)),
    ("FROM --platform=$BUILDPLATFORM a", ("a",)),
    ("FROM a-$TARGETARCH", ("a-amd64",)),
    ("ARG A\nFROM ${A:-x}", ("x",)),
    ("ARG A=1\nARG B=a:$A\nFROM $B", ("a:1",)),
    ('ARG A="a"\nFROM "$A"', ("a",)),
    ("FROM a\nRUN --mount=type=bind,from=c:1,target=/x --mount=type=cache,target=/y ls", ("a", "c:1")),
    ("FROM a AS one\nFROM b\nCOPY --from=one /x /\nCOPY --from=0 /x /\nADD --from=c /x /", ("a", "b", "c")),
    ("# escape=`\nFROM a\nRUN x `\n FROM b\nRUN y \\\nCMD z", ("a",)),
    ("# syntax=docker/dockerfile:1\n#  ESCAPE = ` \nFROM a `\n AS b", ("a",)),
    ("# a comment\n# escape=`\nFROM a\nRUN x \\\nFROM b", ("a",)),
    ("\n# escape=`\nFROM a\nRUN x \\\nFROM b", ("a",)),
    ("FROM a AS x\nFROM b AS x\nFROM x", ("a", "b")),
]


@pytest.mark.parametrize(("text", "bases"), BASES)
def test_bases_as_docker_reads_them(text: str, bases: tuple[str, ...]) -> None:
    assert parse_dockerfile(text, {}).bases(None) == bases


def test_stages_pass_on_what_they_set() -> None:
    parsed = parse_dockerfile(
        'FROM a AS one\nENV A=1\nWORKDIR /x\nCMD ["c"]\n'
        "FROM one AS one\nWORKDIR $A\nARG C=2\nFROM one\nENV B=$A$C\nWORKDIR y\n",
        {},
    )
    started = start_of(parsed, None)
    assert (started.command, started.workdir, started.environment) == (("c",), "/x/1/y", {"A": "1", "B": "12"})


REFUSED = [
    ("FROM a\nRUN <<EOF\nx\n EOF\n", ":2: .*'EOF' has no end"),
    ("# escape=x\nFROM a", "neither"),
    ("# escape=`\n# escape=`\nFROM a", "twice"),
    ("RUN x\nFROM a", ":1: RUN before the first FROM"),
    ("# only a comment", "no FROM"),
    ("ARG A\nFROM $A", ":2: .*no base image"),
    ("FROM a b", ":1: "),
    ("FROM a AS 1b", ":1: .*'1b' isn't a name"),
    ("FROM ${A:?which}", ":1: .*A: which"),
    ("FROM ${A", ":1: .*no }"),
    ("FROM a\nENV A=1 B", ":2: .*'B' has no ="),
    ("FROM --plattform=linux/arm64 a", ":1: .*unknown flag --plattform"),
    ("FROM a\nENV PATH", ":2: .*a name and a value"),
    ("FROM a\nENV", ":2: .*a name and a value"),
    ("FROM a\nENV =b", ":2: .*a name and a value"),
    ("FROM a\nENV A='b", ":2: .*never closed"),
    ('FROM a\nENV A="b', ":2: .*never closed"),
    ("FROM a\nWORKDIR ${}", ":2: .*without a name"),
    ("FROM a\nWORKDIR ${A=b}", ":2: .*nothing that Docker knows"),
    ("FROM a\nENV A=" + "${B:-" * 100_000, ":2: .*in each other"),
    ("ARG A=xxxxxxxxxx\n" + "ARG A=$A$A\n" * 28 + "FROM a:$A", ":15: .*more than 131072 characters"),
    ("FROM a\nARG A=xxxxxxxxxx\n" + "ARG A=$A$A\n" * 28, ":16: .*more than 131072 characters"),
    ("FROM a\nENV A=" + "x" * 100_000 + "\n" + "ENV B=$A.\n" * 100, ":4[0-9]: .*together"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_what_docker_refuses_too_is_refused_with_its_line(text: str, why: str) -> None:
    with pytest.raises(UserError, match=f"Dockerfile.*{why}") as raised:
        start_of(parse_dockerfile(text, {}), None)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("name", "hint"),
    [("FORM", "write FROM"), ("FRM", "write FROM"), ("AGR", "write ARG"),
     ("RUN", "begin with FROM and a base image; only ARG may stand before it")],
)  # fmt: skip
def test_what_stands_before_the_first_from_is_told_what_to_write(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=f":1: {name} before the first FROM") as raised:
        parse_dockerfile(f"{name} python:3.13\nRUN x\n", {})
    assert raised.value.hint == hint


def test_stages_are_found_by_name_and_number() -> None:
    parsed = parse_dockerfile("FROM a AS one\nFROM b AS Two\nFROM c AS one", {})
    assert [parsed.number(target) for target in (None, "TWO", "one", "0", "1")] == [2, 1, 2, 0, 1]
    with pytest.raises(UserError, match=r"no stage '7'.*") as raised:
        parsed.number("7")
    assert raised.value.hint == "its stages: one, two"


def test_deep_lists_are_no_json_form() -> None:
    assert form("[" * 100_000) is None
    assert form("[" + "1" * 10_000 + "]") is None


LARGE: list[Callable[[int], str]] = [
    lambda n: "FROM a\nRUN x " + "\\\n y" * n,
    lambda n: "FROM a\n" + "RUN x\n" * n,
    lambda n: "FROM a\n" + "ENV A=1\nARG B=$A\n" * n,
    lambda n: "FROM a\n" + "".join(f"ENV A{i}=$A{i - 1}\n" for i in range(n)),
    lambda n: "FROM a AS s0\n" + "".join(f"FROM s{i} AS s{i + 1}\n" for i in range(n)),
    lambda n: "FROM a\nRUN " + "<<" * n,
    lambda n: "FROM a\nRUN " + "<<E " * n + "\n" + "E\n" * n,
    lambda n: "FROM a\nRUN <<E\n" + "x\n" * n + "E\n",
    lambda n: "FROM a\nENV A=" + "$A" * n,
    lambda n: "FROM a\nENV " + "A='b' " * n,
    lambda n: "FROM a\nCOPY " + "a " * n + "/",
    lambda n: "FROM a\nRUN " + "--mount=type=bind,from=x " * n + "ls",
    lambda n: "#\n" * n + "FROM a",
    lambda n: "# syntax=" + " " * n + "x\nFROM a",
    lambda n: "FROM a\nRUN " + " " * n + "x" + " " * n + "y",
    lambda n: "FROM a\nENV A=" + "\\" * n,
]


@pytest.mark.share(4)
@pytest.mark.parametrize("number", range(len(LARGE)))
def test_work_grows_as_the_file_does(number: int) -> None:
    def work(size: int) -> Callable[[], object]:
        text = LARGE[number](size)

        def read() -> None:
            parsed = parse_dockerfile(text, {})
            parsed.bases(None)
            start_of(parsed, None)

        return read

    assert_linear(work, 500)


def test_two_hundred_thousand_continued_lines() -> None:
    text = "FROM a\nRUN x " + "\\\n y" * 200_000 + '\nCMD ["a"]'
    assert processor(lambda: parse_dockerfile(text, {})) < 20


@pytest.mark.parametrize(
    "pattern", ["${A#" + "*a" * 90 + "b}", "${A%%" + "a*" * 90 + "b}", "${A//" + "a*" * 90 + "b/x}"]
)
def test_pattern_of_a_variable_is_linear(pattern: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = f"FROM a\nENV A={'a' * size}\nENV B={pattern}"
        return lambda: start_of(parse_dockerfile(text, {}), None)

    assert_linear(work, 5000)


@pytest.mark.parametrize(
    "line",
    ["CMD [python, a.py]", "CMD ['python', 'a.py']", 'CMD ["python", "a.py",]', "CMD [python]", "CMD [ python, a.py ]",
     "ENTRYPOINT [python a.py]", "CMD [\u201cpython\u201d, \u201ca.py\u201d]", "CMD [ 'a' , 'b' ]", 'CMD ["a" "b"]'],
)  # fmt: skip
def test_what_is_meant_as_json_and_is_not(line: str) -> None:
    with pytest.raises(UserError, match=r"Dockerfile:2: .*looks like JSON and isn't") as caught:
        check_json(parse_dockerfile(f"FROM a\n{line}\nRUN b", {}))
    assert line.split()[0] + ' ["python", "train.py"]' in caught.value.hint


@pytest.mark.parametrize(
    "line",
    ["CMD []", 'CMD ["a", "b"]', "CMD [ -f a ] && b", "CMD [[ -f a ]]", "CMD python [a,b].py", "RUN [a, b]",
     'CMD [ -n "a, b" ] || c', 'CMD [ "a, b" = c ]'],
)  # fmt: skip
def test_a_test_of_a_shell_is_no_json(line: str) -> None:
    check_json(parse_dockerfile(f"FROM a\n{line}", {}))
