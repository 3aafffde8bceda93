"""Those who are told how runs end: a queue at the topic, and a real webhook."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any

from tests.run.conftest import Lane

ACCOUNT = "us-east-1:123456789012"
SECRET = "/services/T0/B0/hunter2"
NOTIFY = f"""\
notify:
  subscribers: arn:aws:sqs:{ACCOUNT}:ended
  webhook: arn:aws:ssm:{ACCOUNT}:parameter/tiny/hook
"""
SCHEDULE = "schedule: {when: 'cron(0 6 * * ? *)', timezone: Europe/Berlin}\n"


class Hook(http.server.ThreadingHTTPServer):
    """A webhook. answers: what it answers with, one after the other, then 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got: list[Any] = []
        self.answers: list[int] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hook(http.server.BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, self.headers["Content-Type"]) == (SECRET, "application/json")
        answer = self.server.answers.pop(0) if self.server.answers else 200
        self.server.got += [body] if answer == 200 else []
        self.send_response(answer)
        self.end_headers()

    def log_message(self, *args: object) -> None: ...


class Ears:
    """What those who are told have heard. run: the only one that is listened to; empty for all. What a function of the
    test before was doing may be heard late.
    """

    def __init__(self, lane: Lane) -> None:
        self.lane, self.hook, self.sqs = lane, Hook(), lane.client("sqs")
        self.run = ""
        self.queue = self.sqs.create_queue(QueueName="ended")["QueueUrl"]
        url = f"http://127.0.0.1:{self.hook.server_port}{SECRET}"
        lane.client("ssm").put_parameter(Name="/tiny/hook", Type="SecureString", Value=url, Overwrite=True)
        self.sns()

    def __enter__(self) -> Ears:
        return self

    def __exit__(self, *args: object) -> None:
        self.hook.shutdown()
        self.hook.server_close()

    def sns(self) -> list[Any]:
        """The messages of the topic since the last look."""
        messages = []
        while received := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                messages.append(json.loads(json.loads(message["Body"])["Message"]))
        return [message for message in messages if self.run in json.dumps(message)]

    def webhook(self) -> list[Any]:
        """What the webhook got since the last look."""
        bodies, self.hook.got = self.hook.got, []
        return [body for body in bodies if self.run in json.dumps(body)]
