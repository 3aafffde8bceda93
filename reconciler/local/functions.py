"""AWS Lambda of the embedded AWS, as far as EventBridge, its Scheduler and a client with InvocationType Event call it:
a process, with its role.

It is called without waiting, as they do it: again at once, twice, when it fails (AWS waits a minute, then two),
and what then failed goes to its dead-letter queue. What it prints is in its log group. It has its time limit, but not
AWS's Python nor a limit of memory, and each call is a new process, where AWS keeps one for the next call. It ends with
the server, even when that is killed.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends
from moto.logs.models import logs_backends
from moto.utilities.utils import get_partition

from reconciler.local import server_log
from reconciler.local.clients import client
from reconciler.local.correction import Correction
from reconciler.local.identities import Identities, Identity, refusal, why_not_assumable
from reconciler.local.keys import Keys

SERVICE = "lambda.amazonaws.com"
TRIES = 3
BOOT = """\
import importlib, json, os, sys, threading, types
threading.Thread(target=lambda: (os.read(int(sys.argv[3]), 1), os._exit(137)), daemon=True).start()
sys.path.insert(0, sys.argv[1])
module, _, name = sys.argv[2].rpartition(".")
context = types.SimpleNamespace(aws_request_id=sys.argv[4])
getattr(importlib.import_module(module), name)(json.load(sys.stdin), context)
"""


class Functions:
    """Runs functions. home: where their files are while they run."""

    def __init__(self, home: Path, endpoint_url: str, identities: Identities, keys: Keys) -> None:
        self._home, self._endpoint_url, self._identities, self._keys = home, endpoint_url, identities, keys
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = 0  # how often: what was called before isn't called again after
        shutil.rmtree(home, ignore_errors=True)

    def call(self, arn: str, event: dict[str, Any], rule: str = "") -> str:
        """Have a function called with an event, for a rule where it is one that does. Returns why not, or nothing."""
        function: LambdaFunction | None = lambda_backends[arn.split(":")[4]][arn.split(":")[3]].get_function_by_arn(arn)
        if function is None:
            return f"the function {arn} is not there"
        if rule and not _may_call(function, rule):
            return f"the function {arn} has no policy that lets {rule} call it"
        arguments = function, event, self._stopped
        threading.Thread(target=self._see_through, args=arguments, name=arn, daemon=True).start()
        return ""

    def running(self) -> bool:
        """Whether one is under way."""
        return bool(self._running)

    def stop(self) -> None:
        """Kill what runs, for good."""
        self._stopped += 1
        for process in list(self._running):
            process.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _see_through(self, function: LambdaFunction, event: dict[str, Any], stopped: int) -> None:
        why, call_id = "", str(uuid.uuid4())  # the same each time, as AWS has it
        for _ in range(TRIES):
            why = self._run(function, event, call_id, stopped)
            if not why or self._stopped != stopped:
                return
            server_log.tell(f"function {function.function_name}: {why}")
        self._dead_letter(function, event, why)

    def _run(self, function: LambdaFunction, event: dict[str, Any], call_id: str, stopped: int) -> str:
        """Run it once. Returns why it failed, or nothing."""
        if why_not_assumable(str(function.role), SERVICE):
            return f"The role defined for the function cannot be assumed by Lambda: {function.role}"
        request = str(uuid.uuid4())
        folder = self._home / request
        try:
            zipfile.ZipFile(io.BytesIO(function.code_bytes)).extractall(folder)
            began = time.time()
            output, code = self._process(function, event, folder, call_id, stopped)
            _log(function, request, output, began)
            lines = output.decode("utf-8", "replace").strip().splitlines()
            return "" if code == 0 else lines[-1] if lines else f"it ended with exit code {code}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _process(
        self, function: LambdaFunction, event: dict[str, Any], folder: Path, call_id: str, stopped: int
    ) -> tuple[bytes, int]:
        """(what it printed, exit code)."""
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "AWS_REGION": function.region,
            "AWS_DEFAULT_REGION": function.region,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_ENDPOINT_URL": self._endpoint_url,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **self._identities.assume(str(function.role), folder.name),
            **function.environment_vars,
        }
        alive, write_end = os.pipe()  # which closes when the server ends, however abruptly
        try:
            process = subprocess.Popen(  # noqa: S603 - this very Python, with our own arguments
                [sys.executable, "-c", BOOT, str(folder), str(function.handler), str(alive), call_id],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=folder,
                start_new_session=True,
                pass_fds=(alive,),
            )
            self._running.add(process)
            if self._stopped != stopped:
                process.kill()
            try:
                output, _ = process.communicate(json.dumps(event).encode(), timeout=int(function.timeout))
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                output += f"Task timed out after {function.timeout} seconds".encode()
            finally:
                self._running.discard(process)
        finally:
            os.close(alive)
            os.close(write_end)
            self._identities.release(folder.name)
        return output, process.returncode

    def _dead_letter(self, function: LambdaFunction, event: dict[str, Any], why: str) -> None:
        """Send it as the function's role, if that may."""
        queue = str(function.get_configuration().get("DeadLetterConfig", {}).get("TargetArn", ""))
        if not queue or refusal(_identity(function), "sqs:SendMessage", queue):
            return
        sqs = client("sqs", queue.split(":")[3], self._endpoint_url, self._keys)
        attributes = {"ErrorMessage": {"DataType": "String", "StringValue": why or "it gave no reason"}}
        try:
            url = sqs.get_queue_url(QueueName=queue.split(":")[5])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=json.dumps(event), MessageAttributes=attributes)
        except (ClientError, BotoCoreError) as error:
            server_log.tell(f"function {function.function_name}: dead-letter queue: {error}")


def _invoke_calls(functions: Functions) -> None:
    def invoke(
        self: LambdaBackend, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> str | None:
        function = self.get_function(function_name, qualifier)
        if headers.get("X-Amz-Invocation-Type") != "Event":
            raise InvalidParameterValueException("the embedded AWS calls functions with InvocationType Event only")
        functions.call(str(function.function_arn), json.loads(body or "{}"))
        return ""

    LambdaBackend.invoke = invoke  # type: ignore[method-assign]


def corrections(functions: Functions) -> tuple[Correction, ...]:
    """The corrections of Lambda that are made here. functions: what calls them."""
    source = "https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html"
    return (Correction("functions run without Docker", source, functools.partial(_invoke_calls, functions)),)


def _may_call(function: LambdaFunction, rule: str) -> bool:
    """Whether a statement of its policy lets EventBridge call it for this rule, or for all."""
    for statement in function.policy.statements:
        source = (statement.get("Condition") or {}).get("ArnLike", {}).get("AWS:SourceArn", rule)
        if statement["Principal"] == {"Service": "events.amazonaws.com"} and source == rule:
            return True
    return False


def _log(function: LambdaFunction, request: str, output: bytes, began: float) -> None:
    """Into its log group, if that is there and its role may."""
    backend, group = logs_backends[function.account_id][function.region], str(function.logs_group_name)
    stream = f"{time.strftime('%Y/%m/%d', time.gmtime(began))}/[$LATEST]{request.replace('-', '')}"
    prefix = f"arn:{get_partition(function.region)}:logs:{function.region}:{function.account_id}"
    stream_arn = f"{prefix}:log-group:{group}:log-stream:{stream}"
    if group not in backend.groups or refusal(_identity(function), "logs:PutLogEvents", stream_arn):
        return
    with contextlib.suppress(Exception):  # the group is deleted at this moment
        backend.create_log_stream(group, stream)
        lines = output.decode("utf-8", "replace").splitlines() or ["(it printed nothing)"]
        moment = int(began * 1000)
        backend.put_log_events(group, stream, [{"timestamp": moment, "message": line} for line in lines])


def _identity(function: LambdaFunction) -> Identity:
    return Identity(str(function.account_id), str(function.role), str(function.function_name))
