"""A file that can't be used is spoken of without its secrets, wherever they stand and whatever is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import main
from reconciler.core.secret import KNOWN

PLANTED = "planted-zz-77"
FIRST = "name: tiny\ndata: p.csv\nimage: .\n"
AFTER = [
    "task:\n  environment:\n    API_TOKEN: PLANTED\n   bad: x\n",
    "task:\n  environment: {API_TOKEN: PLANTED, bad\n",
    "task:\n  environment:\n    API_TOKEN: >\n      PLANTED\n     bad: y: z\n",
    "task:\n  environment:\n    API_TOKEN: |\n      PLANTED: x\n\tbad\n",
    "task:\n  environment:\n    API_TOKEN:\n      'PLANTED\n",
    "task:\n  environment:\n    API_TOKEN:\n      PLANTED: [\n",
    "task:\n  environment:\n    - {name: API_TOKEN, value: PLANTED}\n",
    "task:\n  environment:\n    - name: API_TOKEN\n      value: PLANTED\n",
    "task:\n  environment: [API_TOKEN=PLANTED]\n",
    "task:\n  environment: API_TOKEN=PLANTED\n",
    "task:\n  environment: {API_TOKEN: [PLANTED]}\n",
    "task:\n  environment: {API_TOKEN: {a: PLANTED}}\n",
    "task:\n  environment: {API_TOKEN: {PLANTED: b}}\n",
    "api_token: PLANTED\n",
    "task: {password: PLANTED}\n",
    "credentials:\n  user: a\n  password: PLANTED\n",
    "secrets: {API_TOKEN: PLANTED}\n",
    "task: {secrets: {API_TOKEN: PLANTED}}\n",
    "notify: {webhook: {url_from: 'https://hooks.slack.com/services/T/B/PLANTED'}}\n",
    "notify: {webhook: 'https://example.com/hook?key=PLANTED'}\n",
    "notify: {webhook: {url_from: 'https://example.com/hook/PLANTED'}}\n",
    "notify: {webhook: {url: 'https://example.com/hook/PLANTED'}}\n",
    "task: {command: [a, --token, PLANTED, 5, {a: b}]}\n",
    "task: {command: 'a --token PLANTED', cpu: x}\n",
    "parameters: {API_TOKEN: {value: PLANTED, secure: tru}}\n",
    "parameters: {X: {value: PLANTED, secure: true, bad: 1}}\n",
    "parameters: {X: {valeu: PLANTED, secure: true}}\n",
    "parameters: {X: {value: [PLANTED], secure: true}}\n",
    "task:\n  environment:\n    API_TOKEN: PLANTED\n    API_TOKEN: other\n",
    'task:\n  environment:\n    API_TOKEN: "PLANTED\\x01"\n',
    "task:\n  environment:\n    API_TOKEN: !!binary PLANTED\n",
    "task:\n  environment:\n    API_TOKEN: !PLANTED x\n",
    "task:\n  environment:\n    API_TOKEN: *PLANTED\n",
    "task:\n  environment:\n    API_TOKEN: ${MISSING:-PLANTED}\n    Y: ${MISSING2}\n",
    "task:\n  environment:\n    API_TOKEN: ${PLANTED}\n",
    "task:\n  environment:\n    API_TOKEN: PLANTED${\n",
    "run: {sweep: {grid: {API_TOKEN: [PLANTED, 3, {x: 1}]}}}\n",
    "run: {sweep: {list: [{API_TOKEN: PLANTED, bad: [1]}]}}\n",
    "tags: {api_token: PLANTED, 'aws:x': y}\n",
    "# API_TOKEN=PLANTED bad\ntask: [ # API_TOKEN=PLANTED\n",
    "task: {environment: {API_TOKEN: PLANTED\udcff}}\n",
    "task: {environment: {'API_TOKEN=PLANTED': x}}\n",
    "logs: {driver: x, options: {splunk-token: PLANTED}}\n",
    "environments: {dev: {task: {environment: {API_TOKEN: PLANTED}, cpu: x}}}\n",
    "environments: {dev: {task: {environment: [API_TOKEN: PLANTED]}}}\n",
    "task:\n  environment:\n      API_TOKEN: x\n     password PLANTED\n",
    'task:\n  environment:\n    API_TOKEN: "PLANTED\\q"\n',
]
WHOLE = [
    "name: tiny\ndata: p.csv\nimage: {context: ., build_args: [PIP_TOKEN=PLANTED]}\n",
    "name: tiny token=PLANTED\ndata: p.csv\nimage: .\n",
    "name: tiny\ndata: https://u:PLANTED@h/x.csv\nimage: .\n",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text("a\n1\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.mark.parametrize("text", [*(FIRST + text for text in AFTER), *WHOLE])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_no_message_quotes_it(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, more: tuple[str, ...]
) -> None:
    written = text.replace("PLANTED", PLANTED).encode("utf-8", "surrogateescape")
    (folder / "deploy.yaml").write_bytes(written)
    code = main(["show", *more])
    told = "".join(capsys.readouterr())
    assert PLANTED.replace("-", "") not in told.replace("-", "").replace("_", "")
    assert "bug of ours" not in told
    assert code in (0, 2)


def test_what_is_no_secret_is_quoted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "task:\n  environment: {TOKENIZER: bert-shown, API_TOKEN: '${API_TOKEN}'}\n"
        "  secrets: {MY_TOKEN: 'arn:aws:ssm:us-east-1:123456789012:parameter/x'}\n  max_tokens: 512\nkey: shown-too\n"
    )
    (folder / "deploy.yaml").write_text(FIRST + text)
    assert main(["show"]) == 2
    told = capsys.readouterr().err
    assert "(hidden)" not in told
    for shown in ("bert-shown", "${API_TOKEN}", "shown-too", "max_tokens"):
        assert shown in told


def test_a_pipe_is_read_once(folder: Path) -> None:
    """As `<(sops -d deploy.yaml)` gives one."""
    reader, writer = os.pipe()
    os.write(writer, (FIRST + f"task: {{environment: {{API_TOKEN: {PLANTED}, bad\n").encode())
    os.close(writer)
    command = [sys.executable, "-m", "reconciler", "show", f"/dev/fd/{reader}"]
    ended = subprocess.run(command, pass_fds=[reader], cwd=folder, capture_output=True, text=True, check=False)
    os.close(reader)
    assert ended.returncode == 2, ended.stderr
    assert "is not closed" in ended.stderr
    assert PLANTED not in ended.stderr


@pytest.mark.parametrize(
    "text",
    [
        FIRST + 'task:\n  environment: {A: "${UNSET}", B: PAD, API_TOKEN: PLANTED}\n',
        FIRST + 'task:\n  environment: {"${UNSET}": PAD, API_TOKEN: PLANTED, A: x, A: y}\n',
        FIRST + 'task:\n  environment: "PAD API_TOKEN=PLANTED"\n',
        'name: "PAD token=PLANTED"\nimage: .\n',
        "image: .\nname: {PAD: API_TOKEN=PLANTED, a\n",
    ],
)
def test_nor_the_beginning_of_it_where_a_line_is_cut(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    for pad in range(0, 110, 3):
        KNOWN.clear()
        (folder / "deploy.yaml").write_text(text.replace("PAD", "x" * pad).replace("PLANTED", PLANTED))
        assert main(["show"]) == 2
        assert PLANTED[:4] not in "".join(capsys.readouterr()), pad
