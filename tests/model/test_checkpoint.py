"""A run that is stopped anywhere and gone on ends with the same bytes in every file as one that nobody disturbed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xgboost

from model import boost, checkpoint, fingerprint, log, sample, settings, stats, stopping, store, train
from model.errors import InputError, ModelError
from model.params import DEFAULTS
from model.settings import Settings
from tests.model.test_cli import FAST, start

BOOSTERS = 9
KEPT = 2 * BOOSTERS + 1
"""Objects of a checkpoint: of each booster the early one and the whole one, and when the run began."""
Files = dict[str, bytes]


class Killed(BaseException):
    """The process ended here."""


def files(folder: Path) -> Files:
    """Every file of a folder and those below it, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "hours.csv"
    sample.write(path, rows=1300, seed=11)
    return path


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Intervals that cost little, and a log that is the same wherever tests run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stats, "resamples", lambda rows: 50)
        log.configure({"LOG_FORMAT": "json"})
        yield


def small(data: Path, folder: Path, name: str = "out", **other: Any) -> Settings:
    """A run of half a second."""
    params = {t: dataclasses.replace(p, max_rounds=6, patience=3, eta=0.3) for t, p in DEFAULTS.items()}
    made = Settings(str(data), str(folder / name), checkpoint=str(folder / "kept"), folds=2, params=params)
    return dataclasses.replace(made, **other)


@pytest.fixture(scope="module")
def undisturbed(data: Path, few: None) -> Files:
    """The files of a run without a checkpoint."""
    return made(small(data, data.parent, "undisturbed", checkpoint=""))


def made(wanted: Settings, now: dt.datetime | None = None) -> Files:
    """Train, and what is in the output then."""
    train.train(wanted, now)
    return files(Path(wanted.output))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


class Killing:
    """Ends the run at its write number `at`: before it, after it, or with half of it there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.at, self.how, self.names = 0, -1, "before", list[str]()
        honest = store.Output.write

        def write(out: store.Output, name: str, content: bytes) -> None:
            number, self.count = self.count, self.count + 1
            self.names.append(name)
            if number == self.at and self.how != "before":
                honest(out, name, content if self.how == "after" else content[: len(content) // 2])
            if 0 <= self.at <= number:  # nor does any thread write anything from then on
                raise Killed
            honest(out, name, content)

        monkeypatch.setattr(store.Output, "write", write)

    def run(self, wanted: Settings, at: int, how: str = "before", now: dt.datetime | None = None) -> bool:
        """Run it up to there; whether it was killed."""
        self.count, self.at, self.how, self.names = 0, at, how, []
        try:
            train.train(wanted, now)
        except Killed:
            return True
        finally:
            self.at = -1
        return False


@pytest.fixture
def killing(monkeypatch: pytest.MonkeyPatch) -> Killing:
    return Killing(monkeypatch)


def test_a_checkpoint_changes_no_file(data: Path, tmp_path: Path, undisturbed: Files, killing: Killing) -> None:
    wanted = small(data, tmp_path)
    assert not killing.run(wanted, -1)
    assert files(Path(wanted.output)) == undisturbed
    assert len(files(tmp_path / "kept")) == KEPT
    assert killing.count == KEPT + len(undisturbed)


def test_stopped_before_each_second_write_it_still_ends(
    data: Path, tmp_path: Path, undisturbed: Files, killing: Killing, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each start goes one write further; the boosters of the starts before are used again and again."""
    wanted = small(data, tmp_path)
    for kept in range(1, KEPT + 1):
        assert killing.run(wanted, 1)
        assert len(files(tmp_path / "kept")) == kept
    capsys.readouterr()
    assert made(wanted) == undisturbed
    told = [line for line in lines(capsys) if line["event"].startswith("went on from")]
    assert [line["event"] for line in told] == ["went on from 9 of 9"]


RESULTS = 23
HOWS = ("before", "after", "half")


@pytest.mark.share(5)
@pytest.mark.parametrize("at", [*range(KEPT + 2), KEPT + RESULTS // 2, KEPT + RESULTS - 1])
def test_stopped_at_any_write(at: int, data: Path, tmp_path: Path, undisturbed: Files, killing: Killing) -> None:
    assert len(undisturbed) == RESULTS
    wanted = small(data, tmp_path, threads=1 + at % 2)
    assert killing.run(wanted, at, HOWS[at % 3])
    assert made(wanted) == undisturbed


@pytest.mark.share(3)
@pytest.mark.parametrize(("at", "how"), [(2, "after"), (7, "half"), (18, "before")])
def test_on_another_machine_with_the_disk_for_memory(
    at: int, how: str, data: Path, tmp_path: Path, undisturbed: Files, killing: Killing
) -> None:
    """Another folder for the output, another number of threads, less memory."""
    assert killing.run(small(data, tmp_path, threads=2), at, how)
    assert made(small(data, tmp_path, "elsewhere", memory=1_000_000)) == undisturbed


def test_a_booster_that_sigterm_cut_short_is_not_kept(
    data: Path, tmp_path: Path, undisturbed: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, count = boost._Period.whole, 0

    def whole(period: Any, rounds: int) -> boost.Fitted:
        nonlocal count
        count += 1
        if count == 4:
            stopping._requested.set()
        return honest(period, rounds)

    monkeypatch.setattr(boost._Period, "whole", whole)
    wanted = small(data, tmp_path, threads=1)
    try:
        with pytest.raises(stopping.Stopped):
            train.train(wanted)
    finally:
        stopping._requested.clear()
    assert sum(name.endswith("whole") for name in files(tmp_path / "kept")) == 3
    assert made(wanted) == undisturbed


def test_a_booster_kept_is_read_and_not_trained(
    data: Path, tmp_path: Path, undisturbed: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = small(data, tmp_path)
    train.train(wanted)
    monkeypatch.setattr(boost._Period, "early", None)
    monkeypatch.setattr(boost._Period, "whole", None)
    assert made(wanted) == undisturbed


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flipped(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) * 3 // 4] ^= 1
    path.write_bytes(bytes(raw))


def of_another(path: Path) -> None:
    shutil.copy(path.with_name("return-final-whole"), path)


def forged(path: Path) -> None:
    """A booster of another target, and an honest checksum."""
    header, _, _ = path.read_bytes().partition(b"\n")
    _, _, content = path.with_name("return-final-whole").read_bytes().partition(b"\n")
    path.write_bytes(checkpoint.seal(json.loads(header)["made_for"], content))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def sealed(content: bytes) -> Callable[[Path], None]:
    """An honest header before this content."""

    def spoil(path: Path) -> None:
        made_for = json.loads(path.read_bytes().partition(b"\n")[0])["made_for"]
        path.write_bytes(checkpoint.seal(made_for, content))

    return spoil


def forged_rounds(path: Path) -> None:
    """So many rounds that the whole booster would never be ready."""
    header, _, content = path.read_bytes().partition(b"\n")
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    booster.set_attr(rounds="1000000000")
    path.write_bytes(checkpoint.seal(json.loads(header)["made_for"], bytes(booster.save_raw("ubj"))))


def forged_loop(path: Path) -> None:
    """A tree without an end."""
    header, _, content = path.read_bytes().partition(b"\n")
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    changed = json.loads(bytes(booster.save_raw("json")))
    changed["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"][0] = 0
    path.write_bytes(checkpoint.seal(json.loads(header)["made_for"], json.dumps(changed).encode()))


def raw(content: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_bytes(content)

    return spoil


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "it is damaged: its checksum differs"),
    "a flipped bit": (flipped, "it is damaged: its checksum differs"),
    "empty": (raw(b""), "it isn't a checkpoint of this program, or was cut"),
    "another booster's": (of_another, "it was made with another"),
    "a forged booster": (forged, "it is a booster of something else than it says"),
    "a pickle": (raw(pickle.dumps({"a": 1})), "it isn't a checkpoint of this program, or was cut"),
    "a pickle in an honest header": (sealed(pickle.dumps([1])), "it is neither UBJSON nor JSON"),
    "no booster in an honest header": (sealed(b"{}"), "it isn't built as this program's boosters are"),
    "endless rounds": (forged_rounds, "it is a booster of something else than it says"),
    "a loop": (forged_loop, "it isn't built as this program's boosters are"),
    "nested without end": (raw(b"[" * 9000 + b"\n"), "it isn't a checkpoint of this program, or was cut"),
    "too large": (lambda path: os.truncate(path, checkpoint.MAX_BYTES + 1), "it has more than 268,435,456 bytes"),
}


@pytest.mark.share(3)
@pytest.mark.parametrize(("spoil", "reason"), SPOILT.values(), ids=SPOILT.keys())
def test_what_is_broken_or_foreign_is_said_and_trained_anew(
    spoil: Callable[[Path], None],
    reason: str,
    data: Path,
    tmp_path: Path,
    undisturbed: Files,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = small(data, tmp_path)
    train.train(wanted)
    honest = files(tmp_path / "kept")
    spoil(tmp_path / "kept" / "volatility-fold-2-whole")
    capsys.readouterr()
    assert made(wanted) == undisturbed
    told = lines(capsys)
    assert "went on from 8 of 9" in [line["event"] for line in told]
    warned = [line for line in told if line["level"] == "warning"]
    assert [line["boosters"] for line in warned] == ["volatility-fold-2-whole"]
    assert reason in warned[0]["reason"]
    assert files(tmp_path / "kept") == honest  # and kept anew


def test_a_folder_in_an_object_s_place_does_not_end_the_run(
    data: Path, tmp_path: Path, undisturbed: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = small(data, tmp_path)
    train.train(wanted)
    a_folder(tmp_path / "kept" / "volatility-fold-2-whole")
    capsys.readouterr()
    assert made(wanted) == undisturbed
    assert "the checkpoint fails, and training goes on without" in [line["event"] for line in lines(capsys)]


OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 8}, "another training period or seed"),
    "embargo": ({"embargo": 30}, "another training period or seed"),
    "folds": ({"first_train": 0.5}, "another training period or seed"),
    "code": ({"code_version": "2"}, "another program"),
    "parameters": ({"params": {t: dataclasses.replace(p, max_rounds=5) for t, p in DEFAULTS.items()}}, "parameters"),
}


@pytest.mark.share(2)
@pytest.mark.parametrize(("other", "reason"), OTHER.values(), ids=OTHER.keys())
def test_boosters_of_other_settings_are_not_used(
    other: dict[str, Any], reason: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.train(small(data, tmp_path))
    capsys.readouterr()
    wanted = small(data, tmp_path, **other)
    again = made(wanted)
    assert reason in " ".join(line.get("reason", "") for line in lines(capsys) if line["level"] == "warning")
    assert again == made(dataclasses.replace(wanted, checkpoint=""))


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("program", "0" * 64, "another program"),
        ("processor", "0" * 64, "another kind of processor"),
        ("versions", {"xgboost": "9.1.4"}, "another set of libraries"),
    ],
)
def test_boosters_of_another_program_or_machine_are_not_used(
    name: str,
    value: object,
    reason: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as other:
        other.setattr(fingerprint, name, lambda: value)
        train.train(small(data, tmp_path))
    capsys.readouterr()
    train.train(small(data, tmp_path))
    told = lines(capsys)
    assert [line["reason"] for line in told if line["level"] == "warning"] == [f"it was made with {reason}"]
    assert "boosters are kept as they are trained" in [line["event"] for line in told]


def test_other_data_is_not_mixed_in(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.train(small(data, tmp_path))
    changed = tmp_path / "changed.csv"
    *rows, last = data.read_text().splitlines()
    changed.write_text("\n".join([*rows[:1], *rows[2:], last]) + "\n")
    capsys.readouterr()
    again = made(small(changed, tmp_path, "again"))
    assert "another data" in " ".join(line.get("reason", "") for line in lines(capsys))
    assert again == made(small(changed, tmp_path, "alone", checkpoint=""))


FIRST = dt.datetime(2025, 6, 30, 23, 20, tzinfo=dt.UTC)
"""Twenty minutes into the last hour of the data."""


def test_an_hour_that_was_not_over_at_the_first_start_stays_left_out(
    data: Path, tmp_path: Path, killing: Killing
) -> None:
    undisturbed = made(small(data, tmp_path, "undisturbed", checkpoint=""), FIRST)
    assert json.loads(undisturbed["manifest.json"])["data"]["last"] == "2025-06-30T22:00:00Z"
    wanted = small(data, tmp_path)
    assert killing.run(wanted, 5, now=FIRST)
    assert made(wanted, FIRST + dt.timedelta(hours=1)) == undisturbed
    assert made(wanted) == undisturbed


def began(text: bytes) -> Callable[[Path], None]:
    return sealed(text)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (began(b"2999-01-01T00:00:00+00:00"), "its time isn't in the past"),
        (began(b"2024-01-01T00:00:00"), "its time isn't in the past"),
        (began(b"\xff\xfe"), "it is no time"),
        (cut, "it is damaged: its checksum differs"),
    ],
)
def test_a_beginning_that_was_changed_is_said(
    spoil: Callable[[Path], None], reason: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = checkpoint.Checkpoint(str(tmp_path))
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert kept.began("a checksum", now) == now
    assert kept.began("a checksum", now + dt.timedelta(hours=1)) == now
    spoil(tmp_path / checkpoint.BEGAN)
    capsys.readouterr()
    assert kept.began("a checksum", now + dt.timedelta(hours=2)) == now + dt.timedelta(hours=2)
    assert [line["reason"] for line in lines(capsys)] == [reason]


def test_no_file_depends_on_the_clock(data: Path, tmp_path: Path, undisturbed: Files) -> None:
    later = dt.datetime(2031, 5, 6, tzinfo=dt.UTC)
    assert made(small(data, tmp_path, "later", checkpoint=""), later) == undisturbed


def test_where_listing_is_forbidden_what_is_missing_is_missing(
    data: Path, tmp_path: Path, undisturbed: Files, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """S3 then answers 403 for an object that isn't there."""
    honest = store.read_versioned

    def read(uri: str, max_bytes: int = 0) -> tuple[bytes | None, str]:
        answer = honest(uri, max_bytes)
        if answer[0] is None:
            raise InputError(f"can't read {uri}: access denied (403); the task role needs the permission")
        return answer

    monkeypatch.setattr(store, "read_versioned", read)
    capsys.readouterr()
    assert made(small(data, tmp_path)) == undisturbed
    (tmp_path / "kept" / "direction-fold-1-whole").unlink()
    assert made(small(data, tmp_path)) == undisturbed
    told = lines(capsys)
    assert "went on from 8 of 9" in [line["event"] for line in told]
    assert {line["level"] for line in told} == {"info"}


@pytest.mark.parametrize(("fault", "warnings"), [(InputError("access denied"), 1), (ModelError("SlowDown"), KEPT)])
def test_a_place_that_cannot_be_written_ends_nothing(
    fault: ModelError,
    warnings: int,
    data: Path,
    tmp_path: Path,
    undisturbed: Files,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What lasts is told once, and then no more is tried."""
    honest = store.Output.write

    def write(out: store.Output, name: str, content: bytes) -> None:
        if out.uri.endswith("kept"):
            raise fault
        honest(out, name, content)

    monkeypatch.setattr(store.Output, "write", write)
    capsys.readouterr()
    assert made(small(data, tmp_path)) == undisturbed
    warned = [(line["event"], line["reason"]) for line in lines(capsys) if line["level"] == "warning"]
    assert warned == [("the checkpoint fails, and training goes on without", str(fault))] * warnings


@pytest.mark.parametrize(
    ("given", "output", "message"),
    [
        ("gs://bucket/x", "out", "use s3://bucket/prefix or a folder"),
        ("s3:///kept", "out", "names no bucket"),
        ("out", "out", "neither may lie in the other"),
        ("out/kept", "out", "neither may lie in the other"),
        ("file:///tmp/x", "/tmp/x/out", "neither may lie in the other"),
        ("s3://b/runs/1/output/kept", "s3://b/runs/1/output/", "neither may lie in the other"),
    ],
)
def test_an_address_that_cannot_be_is_refused(given: str, output: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings.load({"DATA_PATH": "x", "OUTPUT_URI": output, "CHECKPOINT_URI": given})


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("", ""),
        ("s3://b/runs/1/checkpoint/", "s3://b/runs/1/checkpoint"),
        ("kept", "kept"),
        ("file:///tmp/kept", "/tmp/kept"),
        ("output-kept", "output-kept"),
    ],
)
def test_addresses(given: str, uri: str) -> None:
    assert settings.load({"DATA_PATH": "x", "CHECKPOINT_URI": given}).checkpoint == uri


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(data: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with pytest.raises(InputError, match="can't write to CHECKPOINT_URI"):
        train.train(small(data, tmp_path))
    assert not (tmp_path / "out").exists()


def killed_after(lines_read: int, **env: str) -> bool:
    """Kill the program once it has printed so many lines of its boosters; False if it came to its end."""
    with start(**FAST, **env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            lines_read -= any(word in line for word in ('"trained"', '"from the checkpoint"', "result"))
            if lines_read < 0:
                process.kill()
                break
        process.communicate()
    assert process.returncode in (0, -9)
    return process.returncode != 0


@pytest.fixture(scope="module")
def by_itself(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a process that nobody disturbed."""
    folder = tmp_path_factory.mktemp("process") / "out"
    assert not killed_after(10**6, DATA_PATH=str(data), OUTPUT_URI=str(folder))
    return files(folder)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_a_process_that_is_killed_at_random(seed: int, data: Path, tmp_path: Path, by_itself: Files) -> None:
    drawn = random.Random(seed)
    env = {"DATA_PATH": str(data), "OUTPUT_URI": str(tmp_path / "out"), "CHECKPOINT_URI": str(tmp_path / "kept")}
    for _ in range(2):
        killed_after(drawn.randrange(12), **env)
    assert not killed_after(10**6, **env)
    assert files(tmp_path / "out") == by_itself


def test_sigterm_leaves_what_was_trained(data: Path, tmp_path: Path, by_itself: Files) -> None:
    env = {"DATA_PATH": str(data), "OUTPUT_URI": str(tmp_path / "out"), "CHECKPOINT_URI": str(tmp_path / "kept")}
    with start(**FAST, **env) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if '"trained"' in line:
                break
        process.terminate()
        _, err = process.communicate()
    told = [json.loads(line) for line in err.splitlines()]
    assert process.returncode == 143
    assert "Traceback" not in err
    assert [line["event"] for line in told[-2:]] == ["kept for the next start", "stopped by SIGTERM"]
    assert told[-2]["boosters"] >= 1
    assert not killed_after(10**6, **env)
    assert files(tmp_path / "out") == by_itself


OTHER_KERNELS = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512_SKX"}


@pytest.mark.long
def test_a_machine_that_computes_otherwise_trains_anew(data: Path, tmp_path: Path) -> None:
    """As an older processor does, with other last digits: the files are those of a run on that machine alone."""
    env = {"DATA_PATH": str(data), "OUTPUT_URI": str(tmp_path / "out"), "CHECKPOINT_URI": str(tmp_path / "kept")}
    assert killed_after(6, **env)
    assert not killed_after(10**6, **env, **OTHER_KERNELS)
    assert not killed_after(10**6, DATA_PATH=str(data), OUTPUT_URI=str(tmp_path / "alone"), **OTHER_KERNELS)
    assert files(tmp_path / "out") == files(tmp_path / "alone")
