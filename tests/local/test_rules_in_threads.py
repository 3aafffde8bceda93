"""Rules of moto's services are compiled one at a time: where two threads make an `ast`, CPython 3.11 fails at times."""

from __future__ import annotations

import ast
import threading
from typing import Any

import pytest
from werkzeug.routing import Map, Rule

from reconciler.local import corrections


def test_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rule, "_compile_builder", Rule._compile_builder)  # put back afterwards
    corrections._one_rule_is_compiled_at_a_time()
    inside, most, second = [0], [0], threading.Event()
    lock, real = threading.Lock(), ast.parse

    def parse(source: str, *args: Any, **kwargs: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            if inside[0] > 1:
                second.set()
        second.wait(0.05)  # until another thread is in here too, which is never
        try:
            return real(source, *args, **kwargs)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr(ast, "parse", parse)
    threads = [threading.Thread(target=Map, args=([Rule("/<name>", endpoint="x")],)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
