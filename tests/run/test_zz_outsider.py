from __future__ import annotations
import json
import pytest
from tests.run.conftest import Lane, records, SLEEPS, DEPLOY
from tests.waiting import until


def at_launch(run):
    attempts = run["attempts"]
    run["attempts"] = [{key: attempts[0][key] for key in ("number", "provider", "token", "launched")}]
    run["state"] = "launching"


@pytest.mark.parametrize("how", ["running", "ended", "forgotten"])
@pytest.mark.parametrize(
    "what",
    [
        "cluster: {name: other}\n",
        "task: {cpu: 256, memory: 512, family: other}\n",
        "task: {cpu: 256, memory: 512, container: other}\n",
        "logs: {group: /other}\n",
        "task: {cpu: 512, memory: 1024}\n",
    ],
)
def test_moved(lane: Lane, how: str, what: str) -> None:
    lane.write(".dockerignore", "deploy.yaml\n.reconciler\n")
    mark = f"# {how} {what!r}\n"
    if how == "running":
        lane.program(SLEEPS + mark)
        p = lane.start("apply", "--local", "--on-interrupt", "detach")
        until(lambda: lane.tasks("RUNNING"), "running")
        p.send_signal(2)
        print(p.communicate()[0][-300:])
    else:
        lane.program("print('once')\n" + mark)
        if how == "forgotten":
            lane.behave({"do": "expire", "seconds": 1})
        n = len(lane.tasks())
        assert lane.run("apply", "--local").code == 0
        if how == "forgotten":
            until(lambda: len(lane.tasks()) <= n, "forgotten")
    lane.recorded(at_launch)
    text = DEPLOY if not what.startswith("task") else DEPLOY[: DEPLOY.index("task:")]
    lane.write("deploy.yaml", text + what)
    for n in range(3):
        p = lane.start("apply", "--local")
        if how == "running":
            import time

            try:
                out, err = p.communicate(timeout=15)
            except Exception:
                p.send_signal(2)
                out, err = p.communicate()
        else:
            out, err = p.communicate()
        print("=====", n, how, what, p.returncode)
        print("\n".join(out.splitlines()[-12:]))
        print("ERR", err[-1200:])
        if p.returncode in (0, 130):
            break
    print(json.dumps([(r["state"], [(a.get("event"), a.get("reason")) for a in r["attempts"]]) for r in records(lane)]))
    lane.bare()
