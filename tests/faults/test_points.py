"""At which requests a command is killed: what counts as one after which it may leave something else."""

from __future__ import annotations

import io

import pytest

from tests.lab_reads import Order

# (operation, what it is answered, whether it counts)
ONCE = ("DescribeTasks", "PENDING", False)
STREAMS = [
    [("ListTasks", "", True), ("GetRole", "", False), ("PutObject", "", True), ("GetRole", "", True)],
    [("RunTask", "", True), ("DescribeTasks", "PENDING", True), ONCE, ("DescribeTasks", "RUNNING", True)],
    [("RunTask", "", True), ("GetRole", "", True), ONCE, ONCE, ("DescribeTasks", "STOPPED", True)],
    [("RunTask", "", True), ("GetRole", "1", True), ("GetRole", "2", False)],
    [
        ("GetLogEvents", "", True),
        ("GetLogEvents", "", False),
        ("DescribeTasks", "", False),
        ("GetLogEvents", "x", True),
    ],
]


@pytest.mark.parametrize("stream", STREAMS)
def test_what_counts(stream: list[tuple[str, str, bool]]) -> None:
    order = Order()
    for op, answer, counts in stream:
        environ = {"PATH_INFO": "/", "wsgi.input": io.BytesIO(b"{}"), "CONTENT_LENGTH": "2"}
        request = order.next("any", op, environ)
        assert (request.changes or order.saw(request, answer.encode())) is counts, op
        if request.changes:
            order.saw(request, answer.encode())
