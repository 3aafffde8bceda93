"""The body of a request: in memory while it is short, else in a file, which may become an object's content.

The checksums that an upload needs are reckoned as its bytes come, so that nothing has to read them again.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar, cast

IN_MEMORY = 2**16  # bytes


class Received:
    """The body of a request. folder: where the file of a long one is; path: that file.

    trailer: what stood behind the chunks of an upload, of which only the content is here.
    """

    folder: ClassVar[Path] = Path(tempfile.gettempdir())

    def __init__(self) -> None:
        self._file: IO[bytes] = io.BytesIO()
        self._sha256: Any = hashlib.sha256()
        self._md5: Any = hashlib.md5(usedforsecurity=False)
        self._is_ours = True
        self.path: Path | None = None
        self.trailer: bytes | None = None
        self.size = 0

    def __enter__(self) -> Received:
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # what a full disk had no room for is tried once more
            self._file.close()
        if self.path is not None and self._is_ours:
            self.path.unlink(missing_ok=True)

    def expect(self, size: int) -> None:
        """Have room for so many more bytes. Raises OSError."""
        if self.path is None and self.size + size > IN_MEMORY:
            in_memory = cast(io.BytesIO, self._file)
            handle, name = tempfile.mkstemp(prefix="", dir=self.folder)
            self._file, self.path, self.size = os.fdopen(handle, "w+b"), Path(name), 0
            self.write(in_memory.getvalue())

    def write(self, block: bytes | memoryview) -> None:
        """Add bytes. Raises OSError."""
        self._file.write(block)
        self.size += len(block)
        if self.path is not None:
            self._sha256.update(block)
            self._md5.update(block)

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the body; the rest of it for -1."""
        return self._file.read(size)

    def readline(self, size: int = -1) -> bytes:
        """The next line of the body."""
        return self._file.readline(size)

    def readlines(self, hint: int = -1) -> list[bytes]:
        """The remaining lines of the body."""
        return self._file.readlines(hint)

    def seek(self, at: int, whence: int = 0) -> int:
        """Go to this position of the body. Returns the new one."""
        return self._file.seek(at, whence)

    def tell(self) -> int:
        """The position in the body."""
        return self._file.tell()

    def fileno(self) -> int:
        """The descriptor of the file that has the body."""
        return self._file.fileno()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole body, where it is in a file; else empty."""
        return "" if self.path is None else str(self._sha256.hexdigest())

    @property
    def md5(self) -> str:
        """The MD5 of the whole body, where it is in a file; else empty."""
        return "" if self.path is None else str(self._md5.hexdigest())

    def take(self) -> None:
        """Leave the file to the caller: it isn't removed here any more."""
        self._is_ours = False
