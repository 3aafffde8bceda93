from __future__ import annotations

from reconciler.image.dockerfile import parse_dockerfile, start_of

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
