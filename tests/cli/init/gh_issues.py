"""A `gh` whose `api` answers as GitHub does about issues, for the shell of a workflow. Its state is a file of JSON.

Started as a program: `python gh_issues.py STATE api …`. It knows what the workflow asks, and fails for anything else.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

BOT = "github-actions[bot]"
MINE = '.[] | select(.user.login == "github-actions[bot]" and .pull_request == null) | .number'


def main(state: Path, words: list[str]) -> None:
    """One call."""
    known = json.loads(state.read_text())
    assert words.pop(0) == "api"
    method, path, fields, jq, silent = "GET", "", {}, "", False
    while words:
        match words.pop(0):
            case "--method":
                method = words.pop(0)
            case "--field" | "--raw-field" as option:
                name, _, value = words.pop(0).partition("=")
                fields[name] = Path(value[1:]).read_text() if option == "--field" and value.startswith("@") else value
            case "--jq":
                jq = words.pop(0)
            case "--silent":
                silent = True
            case "--paginate":
                pass
            case word:
                assert not path, word
                assert not word.startswith("-"), word
                path = word
    known["calls"].append(f"{method} {path}")
    if known["broken"]:
        print("gh: HTTP 502: Bad Gateway", file=sys.stderr)
        raise SystemExit(1)
    result = answer(known, method, path, fields)
    state.write_text(json.dumps(known))
    if not silent:
        print(shown(result, jq))


def answer(known: dict[str, Any], method: str, path: str, fields: dict[str, str]) -> Any:
    """What GitHub would, and has changed."""
    issues: list[dict[str, Any]] = known["issues"]
    begin = "repos/owner/tiny/issues"
    place, _, query = path.partition("?")
    assert place.startswith(begin)
    match method, place.removeprefix(begin).strip("/").split("/"):
        case "GET", [""]:
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            assert (asked["state"], asked["sort"], asked["direction"]) == ("open", "created", "asc")
            return [
                known_issue
                for known_issue in issues
                if known_issue["state"] == "open" and asked["labels"] in known_issue["labels"]
            ]
        case "POST", [""]:
            new = issue(len(issues) + 1, BOT, fields["labels[]"], fields["body"]) | {"title": fields["title"]}
            issues.append(new)
            return new
        case "PATCH", [number]:
            known_issue = issues[int(number) - 1]
            assert fields.keys() <= {"body", "state"}
            known_issue |= fields
            return known_issue
        case "POST", [number, "comments"]:
            issues[int(number) - 1]["comments"].append(fields["body"])
            return {}
    raise AssertionError(path)


def issue(number: int, login: str, label: str, body: str = "", **more: object) -> dict[str, Any]:
    """An open issue."""
    return {
        "number": number, "user": {"login": login}, "labels": [label], "state": "open", "comments": [], "body": body,
        "html_url": f"https://github.com/owner/tiny/issues/{number}", **more,
    }  # fmt: skip


def shown(result: Any, jq: str) -> str:
    """By jq where there is one; else the two forms that the workflow has are known."""
    if program := shutil.which("jq"):
        done = subprocess.run([program, "-r", jq or "."], input=json.dumps(result), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")
    if jq == MINE:
        return "\n".join(
            str(known_issue["number"])
            for known_issue in result
            if known_issue["user"]["login"] == BOT and "pull_request" not in known_issue
        )
    return jq.strip('"').replace("\\(.html_url)", result["html_url"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
