"""docs/demo.svg: a real run of the demo, as a terminal shows it and in the time it took.

    make demo && python -m tests.docs.record

Lines that are drawn over (what is under way) are left out. Where nothing moves, the picture is the end of the run.
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ("apply", "deploy.yaml", "--local")
COLUMNS, ROWS = 96, 26
WIDTH, HEIGHT = 8.43, 19.0  # of a character
LONGEST = 1.0  # seconds without a line, at most
COLOURS = {"161": "#ff5f87", "28": "#5faf5f", "130": "#d7875f", "31": "#5fafd7", "133": "#d787d7", "243": "#9e9e9e"}
Line = tuple[float, str]


def record(folder: Path) -> list[Line]:
    """Run the command at a terminal: each line with the seconds after which it was there."""
    ours, theirs = pty.openpty()
    environ = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "50", "PYTHONPATH": str(ROOT)}
    environ |= {"RECONCILER_LOCAL_ENGINE": "process", "CI": ""}
    command = [sys.executable, "-m", "reconciler", *COMMAND]
    process = subprocess.Popen(command, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    began, lines, rest = time.monotonic(), [], ""
    while select.select([ours], [], [], 120)[0]:
        try:
            rest += os.read(ours, 65536).decode("utf-8", "replace")
        except OSError:
            break
        *whole, rest = rest.split("\r\n")
        lines += [(time.monotonic() - began, drawn(line)) for line in whole]
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return lines


def drawn(line: str) -> str:
    """What is left of a line after what was drawn over."""
    return re.sub(r".*(?:\r\x1b\[K|\x1b\[J)", "", line)


def spans(line: str) -> str:
    """The line as SVG, in the colours that the terminal was told."""
    out, style = [], ""
    for part in re.split(r"(\x1b\[[\d;]*m)", line):
        if match := re.fullmatch(r"\x1b\[([\d;]*)m", part):
            fills = [f"fill:{COLOURS[number]}" for number in re.findall(r"38;5;(\d+)", match[1])]
            bold = ["font-weight:bold"] if "1" in re.sub(r"38;5;\d+", "", match[1]).split(";") else []
            style = ";".join(fills + bold)
        elif part:
            out.append(f'<tspan style="{style}">{escape(part)}</tspan>' if style else escape(part))
    return "".join(out)


def picture(lines: list[Line]) -> str:
    """The SVG. Its lines come when they came; what is beyond the last row moves the others up."""
    rows: list[Line] = [(0.4, f"$ python -m reconciler {' '.join(COMMAND)}")]
    at, before = 0.8, lines[0][0]
    for when, text in lines:
        at += min(when - before, LONGEST)
        before = when
        rows.append((at, text))
    total = at + 0.1
    up = max(len(rows) - ROWS, 0)
    steps = ["0% { transform: translateY(0) }"]
    for number, (when, _) in enumerate(rows):
        if number >= ROWS:
            steps.append(f"{when / total:.2%} {{ transform: translateY({-(number - ROWS + 1) * HEIGHT:.1f}px) }}")
    width, height = COLUMNS * WIDTH + 30, ROWS * HEIGHT + 56
    text = "\n".join(
        f'<text y="{(number + 1) * HEIGHT:.1f}" style="animation-delay:{when:.2f}s">{spans(line)}</text>'
        for number, (when, line) in enumerate(rows)
    )
    size = f'width="{width:.0f}" height="{height:.0f}"'
    dots = zip((20, 40, 60), ("#ff5f57", "#febc2e", "#28c840"), strict=True)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size}>
<title>python -m reconciler {" ".join(COMMAND)}: {total:.0f} seconds of a real run</title>
<style>
text {{ font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre }}
text {{ fill: #e4e4e4; animation: come 1ms backwards }}
#all {{ transform: translateY({-up * HEIGHT:.1f}px); animation: up {total:.2f}s step-end }}
@keyframes come {{ from {{ opacity: 0 }} }}
@keyframes up {{ {" ".join(steps)} }}
@media (prefers-reduced-motion) {{ text, #all {{ animation: none }} }}
</style>
<rect width="100%" height="100%" rx="8" fill="#1e1e1e"/>
{"".join(f'<circle cx="{x}" cy="18" r="6" fill="{colour}"/>' for x, colour in dots)}
<svg x="15" y="36" width="{width - 30:.0f}" height="{ROWS * HEIGHT + 6:.0f}">
<g id="all">
{text}
</g>
</svg>
</svg>
"""


def main() -> None:
    """Write the picture."""
    (ROOT / "docs" / "demo.svg").write_text(picture(record(ROOT)), encoding="utf-8")


if __name__ == "__main__":
    main()
