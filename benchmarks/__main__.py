"""``python -m benchmarks``: measure, write JSON, and write docs/benchmarks.md from it."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from benchmarks.detector import SIZE, measure_detector
from benchmarks.endtoend import Media, measure_end_to_end
from benchmarks.exactness import measure_exactness
from benchmarks.footprint import measure_cold, measure_long, measure_memory
from benchmarks.infer import measure_infer
from benchmarks.machine import describe_machine
from benchmarks.report import write_report
from runtime.threads import keep_to_one_thread
from runtime.types import Frame
from runtime.video import read_image

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MOUTHPIECE_SHARED", ROOT.parent / "shared")) / "media"
AXES = ("infer", "animate", "exactness", "detector", "cold", "memory")
#: Run only when named: they take long. What they found last stays in the JSON and on the page.
LONG_AXES = ("long",)


_AXES_HELP = f"of {', '.join(AXES)} (default: all of these), {', '.join(LONG_AXES)} (minutes)"


def main() -> None:
    """Read the command line and run the axes asked for."""
    options = _options()
    # As the service does.
    keep_to_one_thread()
    media = Media(options.portrait, options.speech)
    measures: dict[str, Callable[[], Any]] = {
        "infer": lambda: {
            size: measure_infer(size, rounds=options.rounds) for size in ("bundled", "full")
        },
        "animate": lambda: measure_end_to_end(media, rounds=options.rounds),
        "exactness": measure_exactness,
        "detector": lambda: measure_detector(_small_frame(options.portrait)),
        "cold": lambda: measure_cold(media),
        "memory": lambda: measure_memory(media),
        "long": lambda: measure_long(media),
    }
    results: dict[str, Any] = {}
    if options.json.is_file():
        results = json.loads(options.json.read_text(encoding="utf-8"))
    for axis in options.axes or AXES:
        start = perf_counter()
        measured = measures[axis]()
        results[axis] = {"machine": _circumstances(), "results": measured}
        options.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
        print(f"{axis}: {perf_counter() - start:.0f} s", file=sys.stderr)
    write_report(results, options.docs)
    print(f"{options.json} and {options.docs}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=main.__doc__)
    parser.add_argument("axes", nargs="*", metavar="axis", help=_AXES_HELP)
    parser.add_argument("--portrait", type=Path, default=_portrait(), help="picture of a face")
    parser.add_argument(
        "--speech", type=Path, default=SHARED / "speech/tts_10s_24k.wav", help="a recording"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of every side")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results.json")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.axes) - {*AXES, *LONG_AXES}:
        parser.error(f"no axis {', '.join(sorted(unknown))}; choose {_AXES_HELP}")
    return options


def _small_frame(portrait: Path) -> Frame:
    height, width = SIZE
    return np.asarray(cv2.resize(read_image(portrait), (width, height)), np.uint8)


def _portrait() -> Path:
    return SHARED / "portraits/generated_woman_1.jpg"


def _circumstances() -> dict[str, Any]:
    return {
        **describe_machine(),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()
