"""From bytes to log events."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.local.task_log import EVENT_BYTES, LogWriter, split_text
from tests.local_fixtures import EmbeddedAws
from tests.waiting import until


def written(*chunks: bytes) -> list[str]:
    events: list[dict[str, Any]] = []
    writer = LogWriter(events.extend)
    for chunk in chunks:
        writer.write(chunk)
    writer.close()
    return [event["message"] for event in events]


def test_lines_across_chunks_and_the_last_without_an_end() -> None:
    assert written(b"on", b"e\ntwo\nth", b"ree") == ["one", "two", "three"]


def test_empty_lines_stay_though_the_awslogs_driver_drops_them() -> None:
    assert written(b"\none\n\n\ntwo\n\n") == ["", "one", "", "", "two", ""]
    assert written(b"one") == written(b"one\n") == ["one"]
    assert written(b"") == []


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert written(b"a\xff\xc3(b\n") == ["a\ufffd\ufffd(b"]


def test_a_character_in_two_chunks_stays_whole() -> None:
    assert written("ä€😀".encode()[:4], "ä€😀".encode()[4:]) == ["ä€😀"]


def test_a_long_line_is_split_between_characters() -> None:
    pieces = written(("€" * 300000).encode() + b"\nnext")
    assert "".join(pieces[:-1]) == "€" * 300000
    assert pieces[-1] == "next"
    assert all(len(piece.encode()) <= EVENT_BYTES for piece in pieces)


@given(st.text(alphabet="aä€😀\n", max_size=60), st.integers(1, 7), st.integers(4, 9))
def test_nothing_is_lost_or_changed_however_the_bytes_come(text: str, step: int, size: int) -> None:
    data = text.encode()
    *lines, rest = text.split("\n")
    wanted = [*lines, rest] if rest else lines
    assert written(*(data[i : i + step] for i in range(0, len(data), step))) == wanted
    pieces = list(split_text(text, size))
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= size for piece in pieces) or pieces == [""]


def test_many_bytes_come_in_pages_of_a_megabyte(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python("for n in range(300): print(n, 'x' * 10000)")
    embedded_aws.finished(arn)
    logs, stream = embedded_aws.client("logs"), f"run/main/{arn.split('/')[-1]}"
    page = logs.get_log_events(logGroupName="/tests", logStreamName=stream, startFromHead=True)
    assert 50 < len(page["events"]) < 110
    assert [line.split()[0] for line in embedded_aws.lines(arn)] == [str(n) for n in range(300)]


def test_lines_come_while_the_program_runs(embedded_aws: EmbeddedAws) -> None:
    arn = embedded_aws.launch_python(
        "import sys; print('first', flush=True); print('second', file=sys.stderr, flush=True)\n"
        "import time; time.sleep(600)"
    )

    def look() -> bool:
        return embedded_aws.describe(arn)["lastStatus"] == "RUNNING" and len(embedded_aws.lines(arn)) == 2

    until(look, "two lines of a running task")
    assert embedded_aws.lines(arn) == ["first", "second"]
    embedded_aws.client("ecs").stop_task(cluster="tests", task=arn)
    embedded_aws.finished(arn)
