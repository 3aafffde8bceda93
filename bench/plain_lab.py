"""The lab around moto as it is, without our corrections but for two that only save time: for a peer whose configuration
real ECS would refuse.

python -m bench.plain_lab 0 --home DIR --until-eof      as `tests.lab`, whose wire and control requests it has
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from reconciler.local import iam_corrections
from reconciler.local.embedded import RequestHandler
from tests.lab import Lab


class Plain:
    """moto, and the one thing that the lab asks of what is inside it."""

    def __init__(self) -> None:
        self._moto: Any = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        answer: Iterable[bytes] = self._moto(environ, start)
        return answer

    def knows(self, environ: dict[str, Any]) -> bool:
        """moto takes a body of any size from anybody."""
        return True

    def reset(self) -> None:
        """Forget every resource."""
        moto_api_backend.reset()


def main() -> None:
    """Serve until standard input closes."""
    iam_corrections.policies_of_aws_are_made_once()
    iam_corrections.keys_are_looked_for_where_there_are_any()
    lab: Any = Lab(Plain())  # type: ignore[arg-type]  # it only calls it
    server = make_server("127.0.0.1", 0, lab, threaded=True, request_handler=RequestHandler)
    server.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()
    os._exit(0)  # threads of open connections have nothing left to do


if __name__ == "__main__":
    main()
