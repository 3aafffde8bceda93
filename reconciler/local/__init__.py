"""An AWS on this machine: moto's server on a loopback port, with an ECS agent that runs tasks for real.

The rest of the project sees only an endpoint URL. This package imports neither moto nor boto3: it starts, finds
and stops the server process, which is :mod:`reconciler.local.server`.
"""

from reconciler.local.lifecycle import LocalAws, LocalError, ensure_running, homes, reset, status, stop
from reconciler.local.seal import keeps

__all__ = ["LocalAws", "LocalError", "ensure_running", "homes", "keeps", "reset", "status", "stop"]
