"""The command line of training: ``python -m training STEP``, in the order of the steps."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from training.arguments import ARGUMENTS
from training.lips_steps import export_lips, train_lips
from training.steps import (
    dataset,
    evaluate,
    expert,
    export,
    gain,
    join,
    occlusion,
    train,
    train_audio,
    voices,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    chosen = _parser().parse_args(arguments)
    chosen.run(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for step in (
        dataset,
        voices,
        train,
        train_audio,
        train_lips,
        join,
        gain,
        expert,
        occlusion,
        evaluate,
        export,
        export_lips,
    ):
        name = step.__name__.replace("_", "-")
        own = steps.add_parser(name, help=step.__doc__, description=step.__doc__)
        own.set_defaults(run=step)
        ARGUMENTS[name](own)
    return parser
