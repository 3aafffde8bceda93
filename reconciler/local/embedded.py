"""moto with our corrections, the ECS agent and the control endpoint: what the server answers with once it is loaded."""

from __future__ import annotations

import gc
import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # 1,300 objects at each start and reset, which no task needs
gc.disable()  # moto makes very many objects while it loads, and none of them is garbage

from reconciler.local import later  # noqa: E402

later.install()

from moto.core.models import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.moto_api._internal.models import moto_api_backend  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

from reconciler.local import (  # noqa: E402
    authorize,
    corrections,
    plain_requests,
    request_judge,
    signatures,
)
from reconciler.local.agent import Agent  # noqa: E402
from reconciler.local.behaviour import Behaviour  # noqa: E402
from reconciler.local.docker_runner import LocalRunner  # noqa: E402
from reconciler.local.ecs_services import ServiceOperations  # noqa: E402
from reconciler.local.ecs_tasks import TaskOperations  # noqa: E402
from reconciler.local.functions import Functions  # noqa: E402
from reconciler.local.identities import Identities, Identity  # noqa: E402
from reconciler.local.json_answer import json_answer  # noqa: E402
from reconciler.local.keep_alive import KeepAliveHandler  # noqa: E402
from reconciler.local.kept import Kept  # noqa: E402
from reconciler.local.keys import Keys  # noqa: E402
from reconciler.local.schedules import Schedules  # noqa: E402
from reconciler.local.task import Task  # noqa: E402
from reconciler.local.task_events import TaskEvents  # noqa: E402

gc.freeze()
gc.enable()

MAX_CONTROL_BYTES = 2**20


class RequestHandler(KeepAliveHandler, MotoRequestHandler):
    """moto's way to read a request, with connections kept open."""


class Embedded:
    """The embedded AWS as a WSGI application. There is one in a process, since moto's state is global."""

    handler: ClassVar[type[KeepAliveHandler]] = RequestHandler

    def __init__(self, home: Path, endpoint_url: str, keys: Keys) -> None:
        self._home = home
        self._keys = keys
        self._moto = DomainDispatcherApplication(create_backend_app)
        self.behaviour = Behaviour()
        self._identities = Identities()
        runner = LocalRunner(home / "images", corrections.find_digest)
        self._events = TaskEvents()
        self._functions = Functions(home / "functions", endpoint_url, self._identities, keys)
        self._schedules = Schedules(endpoint_url, self._functions, keys)
        self.agent = Agent(home / "tasks", endpoint_url, runner, self._identities, self._task_changed, keys)
        self.runner_name = "process"  # until `warm` has asked: a Docker engine takes a while to answer
        self._operations = TaskOperations(self.agent, self.behaviour)
        self._operations.install()
        self._service_operations = ServiceOperations(self._operations)
        self._service_operations.install()
        plain_requests.install()
        for correction in corrections.every(self._functions):
            correction.install()
        self._kept = Kept(home)
        self._kept.load(DEFAULT_ACCOUNT_ID)
        self._schedules.start()

    def _task_changed(self, task: Task) -> None:
        self._events.put(task.launch.account_id, task.launch.region, task.response())

    def warm(self) -> None:
        """Do what the first request of a kind would otherwise wait for."""
        from moto.backends import get_backend

        self.runner_name = self.agent.runner.name
        for service, region in (("iam", "aws"), ("ec2", "us-east-1")):
            get_backend(service)[DEFAULT_ACCOUNT_ID][region]  # type: ignore[call-overload]

    def working(self) -> bool:
        """Whether a task or function runs."""
        return self.agent.running() > 0 or self._functions.running()

    def busy(self) -> bool:
        """Whether a task or function runs, or a schedule is still to come."""
        return self.working() or self._schedules.waiting()

    def close(self) -> None:
        """End the tasks that run."""
        self._schedules.close()
        self._functions.stop()
        self._service_operations.services.reset()
        self.agent.kill_all()
        self._kept.save(DEFAULT_ACCOUNT_ID, last=True)

    def keep(self) -> None:
        """Write what is to outlive this process, so that nothing is lost with it."""
        self._kept.save(DEFAULT_ACCOUNT_ID)

    def reset(self) -> None:
        """Forget everything: tasks (ended first), resources, client tokens, rules, images."""
        self._functions.stop()
        self._service_operations.services.reset()
        self.agent.kill_all()
        self._operations.reset()
        self.behaviour.replace([])
        moto_api_backend.reset()
        self._kept.forget(DEFAULT_ACCOUNT_ID)
        shutil.rmtree(self._home / "images", ignore_errors=True)
        threading.Thread(target=self.warm, name="warm", daemon=True).start()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        """Answer a request that is signed with a key of this AWS."""
        try:
            signed = signatures.check(environ, self._find_keys)
        except signatures.BadSignature as error:
            return _refuse(start, authorize.unproved(environ, error.service, error.code, str(error)))
        if not str(environ.get("HTTP_AUTHORIZATION", "")).strip():  # moto goes by it to the service
            environ["HTTP_AUTHORIZATION"] = signatures.as_header(signed)
        owner = signed.access_key_id == self._keys.access_key_id
        if environ["PATH_INFO"].startswith("/_reconciler/") and owner:
            return self._control(environ, start)
        if (refused := authorize.no_simulator(environ)) is not None:
            return _refuse(start, refused)
        if owner:
            return self._answered(environ, start, signed.service)
        identity = self._identities.find(signed.access_key_id)
        if identity is None or environ["PATH_INFO"].startswith(authorize.OWNERS_PATHS):
            return _refuse(
                start, authorize.unproved(environ, signed.service, "AccessDenied", "only its owner may do this")
            )
        return self._as_identity(environ, start, identity, signed.service)

    def knows(self, access_key_id: str) -> bool:
        """Whether this is an access key of this AWS."""
        return self._find_keys(access_key_id) is not None

    def _find_keys(self, access_key_id: str) -> Keys | None:
        return self._keys if access_key_id == self._keys.access_key_id else self._identities.keys(access_key_id)

    def _as_identity(self, environ: dict[str, Any], start: Callable[..., Any], identity: Identity, service: str) -> Any:
        """Answer a request that a task, a user or an assumed role makes."""
        judged = authorize.judged(environ, identity, service)
        if isinstance(judged, authorize.Refused):
            return _refuse(start, judged)
        status_and_headers: list[Any] = []
        with plain_requests.Judged(judged):
            parts = self._answered(environ, lambda *answer: status_and_headers.extend(answer), service)
        if service == "s3" and str(status_and_headers[0]).startswith("404"):
            refused = authorize.hides_missing_key(environ, identity)
            if refused is not None:
                return _refuse(start, refused)
        start(*status_and_headers[:2])
        return parts

    def _answered(self, environ: dict[str, Any], start: Callable[..., Any], service: str) -> Any:
        """moto's answer to what AWS would take."""
        is_owners = environ["PATH_INFO"].startswith(authorize.OWNERS_PATHS)
        refused = None if is_owners else request_judge.refusal(environ, service)
        return self._moto(environ, start) if refused is None else _refuse(start, refused)

    def _control(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        name = environ["PATH_INFO"].removeprefix("/_reconciler/")
        method = environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), MAX_CONTROL_BYTES))
        if (name, method) == ("reset", "POST"):
            self.reset()
            return json_answer(start, "200 OK", {"reset": True})
        if (name, method) == ("inside", "POST"):
            order = json.loads(body)
            inside = self.agent.inside(order["task"], order["container"], order["words"], terminal=order["terminal"])
            return json_answer(start, "200 OK", asdict(inside) if inside else None)
        if (name, method) == ("behaviour", "GET"):
            return json_answer(start, "200 OK", self.behaviour.rules())
        if (name, method) == ("behaviour", "POST"):
            try:
                self.behaviour.replace(json.loads(body))
            except ValueError as error:
                return json_answer(start, "400 Bad Request", {"message": str(error)})
            return json_answer(start, "200 OK", self.behaviour.rules())
        if name.startswith("schedules/") and method == "POST":
            group, _, schedule = name.removeprefix("schedules/").rpartition("/")
            fired = self._schedules.fire(schedule, group or "default")
            return json_answer(start, "200 OK" if fired else "404 Not Found", {"fired": fired})
        if (name, method) == ("tasks", "GET"):
            return json_answer(start, "200 OK", {"running": self.agent.running()})
        return json_answer(start, "404 Not Found", {"message": f"no {method} {environ['PATH_INFO']} here"})


def _refuse(start: Callable[..., Any], refused: authorize.Refused) -> list[bytes]:
    start(refused.status, [("Content-Type", refused.content_type)])
    return [refused.body]
