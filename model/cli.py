"""The commands: ``python -m model [train | predict | score | check | compare | promote | sweep | sample]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from model import __version__, champion, harmless, log, settings, stopping, store
from model.errors import InputError, ModelError
from model.reading import ORDERS

BARS = "hourly bars: a file, or a folder or prefix of Parquet files, local or in S3"
MODEL = "OUTPUT_URI of a training run, or champion"


def _promote(commands: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        "promote", help="make a run the champion, if it forecasts the same latest hours better than the one there is"
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="OUTPUT_URI of a training run")
    parser.add_argument("--rollback", action="store_true", help="go back to the champion before")
    parser.add_argument("--models", metavar="URI", default="", help="where champion.json is (MODELS_URI)")
    parser.add_argument("--metric", choices=champion.METRICS, default="volatility", help="what decides (volatility)")
    parser.add_argument("--hours", type=int, default=champion.HOURS, help="latest common hours (default %(default)s)")
    parser.add_argument("--unless-worse", action="store_true", help="also where the test sees no difference")
    parser.add_argument("--force", action="store_true", help="without a test, as where the champion's run is gone")
    parser.add_argument("--data", metavar="URI", default="", help="newer bars, which both then forecast, too")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m model",
        description="Forecasts of the next hour. Without a command: train, "
        "as the environment says (see model/README.md).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(resample=False, date_order="")  # of commands that have no such options
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    train = commands.add_parser("train", help="train, evaluate and write model and report to OUTPUT_URI (the default)")
    sweep = commands.add_parser("sweep", help="choose hyperparameters on the data before the first test fold")
    sweep.add_argument("--grid", help='JSON such as {"max_depth": [2, 3], "eta": [0.02, 0.05]}; random without it')
    sweep.add_argument("--count", type=int, default=20, help="random candidates (default 20)")
    sweep.add_argument("--targets", default="direction,return,volatility", help="which targets (default all)")
    predict = commands.add_parser("predict", help="the next hour's forecast as JSON")
    predict.add_argument("--model", required=True, metavar="URI", help=MODEL)
    predict.add_argument("--data", required=True, metavar="URI", help=BARS)
    score = commands.add_parser("score", help="forecasts for every hour of the data, as Parquet")
    score.add_argument("--model", required=True, metavar="URI", help=MODEL)
    score.add_argument("--data", required=True, metavar="URI", help=BARS)
    score.add_argument("--out", required=True, metavar="URI", help="the Parquet file to write, local or in S3")
    check = commands.add_parser("check", help="how a finished model does on later hours than it was trained on")
    check.add_argument("--model", required=True, metavar="URI", help=MODEL)
    check.add_argument("--data", required=True, metavar="URI", help="bars that reach beyond the data of that run")
    check.add_argument("--history", metavar="URI", default="", help="earlier bars, if the data has too few before")
    check.add_argument("--json", action="store_true", help="as one JSON object")
    compare = commands.add_parser("compare", help="two training runs side by side")
    compare.add_argument("a", metavar="A", help="OUTPUT_URI of a run")
    compare.add_argument("b", metavar="B", help="OUTPUT_URI of another")
    compare.add_argument("--json", action="store_true", help="as one JSON object")
    compare.add_argument(
        "--alike", type=float, metavar="SHARE", help="end with 1 unless the losses of the same hours differ by less"
    )
    promote = _promote(commands)
    for command in (train, sweep, predict, score, check, promote):
        command.add_argument("--resample", action="store_true", help="make hours of finer bars (RESAMPLE=true)")
        command.add_argument(
            "--date-order", choices=tuple(ORDERS), default="", help="of dates such as 01/02/2023 (DATE_ORDER)"
        )
    sample = commands.add_parser("sample", help="write a synthetic price file", add_help=False)
    sample.add_argument("rest", nargs=argparse.REMAINDER)
    return parser


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """The environment, with what options say on top."""
    env = dict(os.environ)
    if options.resample:
        env["RESAMPLE"] = "true"
    if options.date_order:
        env["DATE_ORDER"] = options.date_order
    return env


def _run(options: argparse.Namespace) -> int:
    env = _environment(options)
    if options.command == "sample":
        from model import sample

        return sample.main(options.rest)
    if options.command == "predict":
        from model import predict

        model = champion.resolve(options.model, env)
        _print(harmless.dumps(predict.forecast(model, options.data, settings.reading(env)), indent=2))
        return 0
    if options.command == "score":
        from model import batch

        model = champion.resolve(options.model, env)
        batch.prepare(options.out, options.data, model)
        rows = batch.table(model, options.data, settings.reading(env))
        batch.write(rows, options.out)
        log.get().info("scored", hours=len(rows), output=options.out)
        return 0
    if options.command == "check":
        from model import later

        scores = later.check(
            champion.resolve(options.model, env), options.data, settings.reading(env), history_uri=options.history
        )
        _print(harmless.dumps(scores, indent=2) if options.json else harmless.lines(later.as_text(scores)))
        return 0
    if options.command == "compare":
        from model import compare

        result = compare.compare(options.a, options.b)
        _print(harmless.dumps(result, indent=2) if options.json else harmless.lines(compare.as_text(result)))
        return 0 if options.alike is None or compare.alike(result, options.alike) else 1
    if options.command == "promote":
        from model import promotion

        result = _promoted(options, env)
        _print(harmless.dumps(result, indent=2) if options.json else harmless.lines(promotion.as_text(result)))
        return 0
    if options.command == "sweep":
        from model import sweep

        sweep.sweep(
            settings.load(env), sweep.parse_targets(options.targets), sweep.parse_grid(options.grid), options.count
        )
        return 0
    return _train(settings.load(env), env)


def _train(run_settings: settings.Settings, env: dict[str, str]) -> int:
    """Train; then promote, if that is asked for."""
    from model import promotion
    from model.train import train_tracked

    models = champion.place(env, run_settings.output)
    if run_settings.promote:
        promotion.before_training(run_settings, models)
    train_tracked(run_settings, env)
    if run_settings.promote:
        for text in promotion.after_training(run_settings, models):
            log.get().info(text)
    return 0


def _promoted(options: argparse.Namespace, env: dict[str, str]) -> dict[str, Any]:
    from model import promotion

    if options.rollback == bool(options.run):
        raise InputError("give promote a RUN, or --rollback")
    models = champion.place(env, options.run or "", options.models)
    if options.rollback:
        return champion.rollback(models)
    if options.hours < champion.MINIMUM:
        raise InputError(f"--hours is {options.hours}: at least {champion.MINIMUM} are needed to tell two models apart")
    return promotion.promote(
        options.run,
        models,
        options.metric,
        hours=options.hours,
        unless_worse=options.unless_worse,
        force=options.force,
        data_uri=options.data,
        how=settings.reading(env),
    )


def _print(text: str) -> None:
    if sys.stdout is None:
        raise ModelError("can't write to standard output: it is closed")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # or Python would write what is left at its end, and say so
        raise ModelError(f"can't write to standard output: {error.strerror}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, 1 (failure), 2 (bad input or configuration) or 143 (SIGTERM)."""
    options = _parser().parse_args(arguments)
    try:
        log.configure(os.environ)
    except ModelError as error:
        sys.stderr.write(f"ERROR: {harmless.line(str(error))}\n")
        return error.exit_code
    try:
        return _run(options)
    except stopping.Stopped:
        out = store.Output.latest
        log.get().warning("stopped by SIGTERM", note=out.standing() if out else "nothing had been written or removed")
        return stopping.EXIT_CODE
    except ModelError as error:
        log.get().error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        log.get().warning("stopped by Ctrl-C")
        return 130
    except MemoryError:
        log.get().error("out of memory: give the task more memory, or fewer threads with NTHREADS=1")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
