"""How far the log of a run was shown in this folder, so that whoever comes back sees the rest, and each line once.

It is kept under `.reconciler/shown` when a watch ends before its run does. Without it, and on another machine, the log
is shown from its beginning: a line may then be shown twice, and none is left out.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from reconciler.core import plain_json
from reconciler.core.run_paths import is_run_id
from reconciler.run.logs import TaskLog

MOST = 1024 * 1024  # bytes of the file


class Shown:
    """The lines that were shown of one run's tasks."""

    def __init__(self, base: Path, run_id: str) -> None:
        """run_id: well-formed. Raises ValueError."""
        if not is_run_id(run_id):
            raise ValueError(run_id)
        self._file = base / ".reconciler" / "shown" / f"{run_id}.json"
        # Somebody else's checkout could have them lead elsewhere.
        self._safe = not any(path.is_symlink() for path in (self._file.parent.parent, self._file.parent, self._file))

    def resume(self, log: TaskLog) -> int:
        """Have the log go on after what was shown of it. Returns how many lines that was."""
        lines = self._read().get(log.task_id, {})
        log.resume(lines)
        return sum(lines.values())

    def keep(self, log: TaskLog) -> None:
        """Remember how far the log was shown. A folder that can't be written costs the lines being shown again."""
        text = json.dumps(self._read() | {log.task_id: log.position})
        part = self._file.with_suffix(".part")
        if not self._safe or part.is_symlink():
            return
        with contextlib.suppress(OSError):
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text)
            part.replace(self._file)

    def forget(self) -> None:
        """The end was shown: the next look is one back, from the beginning."""
        with contextlib.suppress(OSError):
            if self._safe:
                self._file.unlink(missing_ok=True)

    def _read(self) -> dict[str, dict[str, int]]:
        if not self._safe:
            return {}
        try:
            with self._file.open("rb") as file:
                tasks = plain_json.read(file.read(MOST + 1), MOST)
            return {task: {str(k): max(int(v), 0) for k, v in lines.items()} for task, lines in tasks.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
