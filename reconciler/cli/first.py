"""What can be said to the commands that come first, `init` and `cost`."""

from __future__ import annotations

from reconciler.cli.parser import Parser, number


def init(command: Parser) -> None:
    """The arguments of `init`."""
    command.add_argument("folder", nargs="?", default=".", help="(default: this one)")
    command.add_argument("--name", metavar="N", help="(default: from the folder's)")
    command.add_argument(
        "--data", metavar="FILE", help="the data to train on, or its S3 URI (default: the folder's only data file)"
    )
    command.add_argument("--region", metavar="R", help="(default: the AWS CLI's, else us-east-1)")
    command.add_argument("--account", metavar="ID", help="refuse the credentials of any other account")
    command.add_argument("--image", metavar="URI", help="use this existing image, instead of a Dockerfile")
    command.add_argument("--github", metavar="OWNER/NAME", help="(default: the remote `origin`)")
    command.add_argument("--gitlab", metavar="GROUP/PROJECT", help="or its address (default: the remote `origin`)")
    command.add_argument("--install", metavar="REQUIREMENT", help="what pip installs in the workflow")
    command.add_argument("-y", "--yes", action="store_true", help="don't ask")
    command.set_defaults(module="init")


def cost(command: Parser) -> None:
    """The arguments of `cost`."""
    command.add_argument(
        "--minutes", type=number(0), metavar="N", help="a run's duration (default: as the last runs, else 10)"
    )
    command.add_argument("--runs-per-month", type=number(0), metavar="N", help="(default: from the schedule)")
    command.add_argument(
        "--image-gb", type=number(0), metavar="N", help="size of the image (default: as it is, else 0.5)"
    )
    command.add_argument("--log-mb", type=number(0), metavar="N", help="size of a task's log (default: 1)")
    command.add_argument("--offline", action="store_true", help="don't ask AWS for anything")
