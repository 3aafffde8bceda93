"""What kind of file it is, and its text: unpacked, within limits. What isn't a text of bars is refused by its name."""

from __future__ import annotations

import contextlib
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from model.errors import InputError

MAX_LINE = 1_000_000
"""Bytes of a line."""
MAX_RATIO = 200
"""A packed file that unpacks to more than so many times its size is no file of prices (those: 3 to 20 times)."""
FREE = 64 * 2**20
"""Bytes for which the ratio isn't asked."""
HEAD = 300_000
"""Bytes of the beginning that are looked at for the header."""

AS_CSV = "save it as CSV"
MARKS: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "get the data as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls)", AS_CSV),
    (b"BZh", "packed with bzip2", "unpack it with bunzip2, or pack it with gzip"),
    (b"\xfd7zXZ\0", "packed with xz", "unpack it with unxz, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it with unzstd, or pack it with gzip"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and give the CSV file in it"),
    (b"Rar!", "a RAR archive", "unpack it and give the CSV file in it"),
    (b"\x5d\0\0", "packed with LZMA, as Dukascopy's bi5 files of ticks are", "get hourly bars as CSV"),
    (b"ARROW1", "an Arrow (Feather) file", "save it as Parquet or CSV"),
    (b"FEA1", "a Feather file", "save it as Parquet or CSV"),
    (b"PARE", "an encrypted Parquet file", "save it without encryption"),
    (b"ORC", "an ORC file", "save it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or CSV"),
    (b"\x89HDF", "an HDF5 file", "save it as Parquet or CSV"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x93NUMPY", "a NumPy file", "save it as CSV with a header line"),
    (b"\x80\x02", "a Python pickle", "save it as Parquet or CSV; pickles aren't opened, since they can run code"),
    (b"\x80\x03", "a Python pickle", "save it as Parquet or CSV; pickles aren't opened, since they can run code"),
    (b"\x80\x04", "a Python pickle", "save it as Parquet or CSV; pickles aren't opened, since they can run code"),
    (b"\x80\x05", "a Python pickle", "save it as Parquet or CSV; pickles aren't opened, since they can run code"),
    (b"\x89PNG", "a picture (PNG)", "get the data as CSV"),
    (b"\xff\xd8\xff", "a picture (JPEG)", "get the data as CSV"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself", "run: git lfs pull"),
)
"""First bytes, what they mean, and the way out."""


def _refuse(name: str, kind: str, way: str) -> NoReturn:
    raise InputError(f"{name} is {kind}, not a CSV or Parquet file: {way}")


def _look(head: bytes, name: str) -> None:
    """Refuse what the first bytes show to be something else than a text of bars."""
    for mark, kind, way in MARKS:
        if head.startswith(mark):
            _refuse(name, kind, way)
    if head[257:262] == b"ustar":
        _refuse(name, "a tar archive", "unpack it and give the CSV file in it")
    if head.startswith((b"\x1f\x8b", b"PK\x03\x04", b"PAR1")):
        _refuse(name, "packed twice", "unpack it once")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"<!doctype\s+html|<html|<head|<body|<table", text, re.IGNORECASE):
        _refuse(name, "a web page (HTML), perhaps one that asks for a login", "download the file itself")
    if text.startswith((b"<?xml", b"<Error>")):
        _refuse(name, "XML", "get the data as CSV")
    if re.match(rb'\{\s*"|\[\s*[\[{"\d]|\{\s*\}|\[\s*\]', text):
        way = "write it as CSV, for instance with pandas: pandas.read_json(...).to_csv(...)"
        _refuse(name, "JSON", way)


def encoding(head: bytes) -> str:
    """The encoding that a byte order mark names, else UTF-8."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    return "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def is_packed(path: Path) -> bool:
    """Whether the file is gzip or zip."""
    with path.open("rb") as file:
        return file.read(4).startswith((b"\x1f\x8b", b"PK\x03\x04"))


class _Limited(io.RawIOBase):
    """What is read from `inner`, up to a limit; no line may be endless."""

    def __init__(self, inner: BinaryIO, name: str, limit: int, packed: int) -> None:
        self.inner, self.name, self.limit, self.packed = inner, name, limit, packed
        self.count = self.run = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.inner.read(len(buffer))
        self.count += len(data)
        if self.count > self.limit:
            raise too_large(self.name, "more than that", self.limit)
        check_ratio(self.name, self.count, self.packed)
        end = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self.run = self.run + len(data) if end < 0 else len(data) - end - 1
        if self.run > MAX_LINE:
            raise InputError(f"{self.name} has a line of more than {MAX_LINE:,} bytes: it is no CSV file of bars")
        buffer[: len(data)] = data
        return len(data)


def check_ratio(name: str, size: int, packed: int) -> None:
    """Refuse what unpacks to many times its size, as no file of prices does.

    Args:
        name: of the file.
        size: bytes that it unpacks to, so far.
        packed: bytes of the packed file; 0: it isn't packed.
    """
    if packed and size > max(FREE, MAX_RATIO * packed):
        raise InputError(
            f"{name} unpacks to more than {MAX_RATIO} times its {packed:,} bytes, as no file of prices does; "
            "give it unpacked, as CSV, if it is one"
        )


def _unpacks(raw: BinaryIO, name: str, size: int) -> None:
    """Unpack a gzip file whose last bytes say that it is a bomb (a damaged one's may, too), without reading rows."""
    raw.seek(max(0, size - 4))
    unpacked_size = int.from_bytes(raw.read(4), "little")  # what it unpacks to, modulo 4 GiB
    raw.seek(0)
    if unpacked_size > max(FREE, MAX_RATIO * size):
        count = 0
        with gzip.open(raw) as file:
            while piece := file.read(2**20):
                count += len(piece)
                check_ratio(name, count, size)
        raw.seek(0)


def too_large(name: str, size: object, limit: int) -> InputError:
    """The refusal of a file above MAX_DATA_BYTES."""
    return InputError(
        f"{name} is too large: up to {limit:,} bytes (unpacked) are read, and it has {size}; "
        "set MAX_DATA_BYTES if that is right"
    )


@contextlib.contextmanager
def opened(path: Path, max_bytes: int) -> Iterator[BinaryIO]:
    """The file's text as bytes, unpacked from gzip or from a zip with one CSV file, for the time of the block.

    Raises:
        InputError: it is another kind of file, damaged, or unpacks to more than `max_bytes`.
    """
    packed = 0
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
            size = path.stat().st_size
            head = raw.read(512)
            raw.seek(0)
            inner: BinaryIO = raw
            if head.startswith(b"\x1f\x8b"):
                packed = size
                _unpacks(raw, path.name, size)
                inner = cast(BinaryIO, stack.enter_context(gzip.open(raw)))
            elif head.startswith(b"PK\x03\x04"):
                packed = size
                inner = stack.enter_context(_member(raw, path.name, max_bytes))
            elif size > max_bytes:
                raise too_large(path.name, f"{size:,}", max_bytes)
            text = io.BufferedReader(_Limited(inner, path.name, max_bytes, packed), 2**18)
            _look(text.peek(512)[:512], path.name)
            yield cast(BinaryIO, text)
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, NotImplementedError) as error:
            way = "; unpack it and give the CSV file, or download it again" if packed else ""
            raise InputError(f"{path.name} can't be read: {error}{way}") from error


@contextlib.contextmanager
def _member(raw: BinaryIO, name: str, max_bytes: int) -> Iterator[BinaryIO]:
    """The one CSV file of a zip archive."""
    with zipfile.ZipFile(raw) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        if any(n.startswith("xl/") or n == "[Content_Types].xml" for n in names):
            _refuse(name, "an Excel workbook (xlsx)", "save the sheet as CSV (UTF-8)")
        if "mimetype" in names and "content.xml" in names:
            _refuse(name, "an OpenDocument spreadsheet (ods)", "save the sheet as CSV (UTF-8)")
        if names and all(n.endswith(".npy") for n in names):
            _refuse(name, "a NumPy archive (npz)", "save it as CSV with a header line")
        visible = [n for n in names if not n.startswith("__MACOSX/") and not Path(n).name.startswith(".")]
        tables = [n for n in visible if n.lower().endswith((".csv", ".txt", ".tsv"))] if len(visible) > 1 else visible
        if len(tables) != 1:
            listing = ", ".join((tables or visible)[:5]) + (", …" if len(tables or visible) > 5 else "")
            contents = f"{len(tables)} files ({listing})" if tables else f"no CSV file ({listing or 'it is empty'})"
            raise InputError(f"{name} is a zip archive with {contents}: give it with one CSV file, or unpack it")
        info = archive.getinfo(tables[0])
        if info.flag_bits & 1:
            raise InputError(f"{name} is a zip archive with a password: unpack it")
        if info.file_size > max_bytes:
            raise too_large(f"{info.filename} in {name}", f"{info.file_size:,}", max_bytes)
        check_ratio(name, info.file_size, info.compress_size)
        with archive.open(info) as file:
            yield cast(BinaryIO, file)


def head_lines(path: Path, max_bytes: int) -> tuple[list[str], str]:
    """The first lines of the file's text, without their ends, and its encoding.

    The last of them may be cut.

    Raises:
        InputError: as `opened`, or it is no text.
    """
    with opened(path, max_bytes) as file:
        raw = file.read(HEAD)
    name = encoding(raw)
    try:
        text = raw.decode(name)
    except UnicodeDecodeError as error:
        if len(raw) < HEAD or error.start < len(raw) - 4:
            raise InputError(f"{path.name} isn't a CSV file in UTF-8: {error}; save it as CSV (UTF-8)") from error
        text = raw[: error.start].decode(name)
    if "\0" in text:
        if text.count("\0") > len(text) / 4 and ("\0" not in text[1::2] or "\0" not in text[::2]):
            raise InputError(f"{path.name} seems to be UTF-16 without a byte order mark: save it as CSV (UTF-8)")
        raise InputError(f"{path.name} isn't a CSV file: it holds binary data")
    if not text.strip():
        raise InputError(f"{path.name} is empty: no header line")
    return re.split(r"\r\n|\n|\r", text), name
