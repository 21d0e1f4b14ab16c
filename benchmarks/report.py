"""docs/benchmarks.md from the measured JSON; no figure in it is typed by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Results = dict[str, Any]

_OPENING = """# Benchmarks

Written by `python -m benchmarks` from `benchmarks/results.json`; do not edit. All sides of a
comparison run in turns in one process, so a busy machine slows them alike: read the ratios first.
Figures are medians with least and most in parentheses. *Processor ms* is the time of all threads
for one frame; divided by the number of cores it is the wall time of a machine with nothing else to
do.
"""
_INFER_NOTE = """PyTorch (channels last), the notebook loop (plain OpenVINO f32, synchronous,
default settings, batch 16) and every other side use the same random weights. *Rows*: the decoder
computes only rows 48 to 95 of the mouth and their halo. *Cached features*: the face encoder ran
when the avatar was prepared. *Unrolled*: upsampling as plain convolutions. *Share of peak* is the
rate of multiply-accumulates over that of a large matrix product on the same core and precision.
"""
_ANIMATE_NOTE = """10 s of speech, warm networks, cached avatar, 25 frames/s. *Real time* is wall
seconds per second of video; *at full load* is processor seconds per second of video and core, which
the wall time reaches when the machine does nothing else and never waits. With `warp` the bundled
network hears lips and draws no mouth (its arithmetic is that of frames that must be pasted). The
full-size network draws the bundled one's mouths (its weights, padded with zeros) at the cost of
width 1, and lips are read off them.
"""
_EXACT_NOTE = """Largest difference in levels of 255, and share of values that differ, in the
rows that both compute. Features of f32 networks are kept as float16, which turns a rounding here
and there; those of INT8 networks are kept as the bytes that the network computes with.
"""


def write_report(results: Results, path: Path) -> None:
    """Write the page.

    Args:
        results: By axis, ``machine`` and ``results``; axes not measured are left out.
        path: The Markdown file.
    """
    sections: dict[str, Callable[[Results], Iterable[str]]] = {
        "infer": _infer,
        "animate": _animate,
        "exactness": _exactness,
        "detector": _detector,
        "cold": _cold,
        "memory": _memory,
        "long": _long,
    }
    lines = [_OPENING]
    for axis, section in sections.items():
        if axis in results:
            lines += section(results[axis]["results"])
            lines += [_circumstances(results[axis]["machine"]), ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _infer(found: Results) -> Iterable[str]:
    yield "## The generator alone\n"
    yield _INFER_NOTE
    for size, result in found.items():
        yield f"### {size.capitalize()} network\n"
        yield from _table(
            ("side", "frames/s", "processor ms", "times INT8 dense", "share of peak"),
            [
                (
                    name,
                    _spread(side["frames_per_s"], 1),
                    _spread(side["cpu_ms"], 1),
                    _spread(side["times_baseline"], 2),
                    _share(name, side, result),
                )
                for name, side in result["sides"].items()
            ],
        )
        work = ", ".join(f"{name} {value:.2f}" for name, value in result["gmacs"].items())
        peaks = ", ".join(
            f"{name} {value:.0f}" for name, value in result["peak_gmacs_per_core"].items()
        )
        yield f"10^9 multiply-accumulates a frame: {work}. Peak of one core a second: {peaks}.\n"


def _share(name: str, side: Results, result: Results) -> str:
    precision = "int8" if name.startswith("int8") else "f32"
    if "bf16" in name:
        return ""
    kinds = ("rows, cached features", "cached features", "dense")
    kind = next((kind for kind in kinds if kind in name), "dense")
    rate = result["gmacs"][kind] / side["cpu_ms"]["median"] * 1000
    return f"{rate / result['peak_gmacs_per_core'][precision]:.0%}"


def _animate(found: Results) -> Iterable[str]:
    yield "## Whole animations\n"
    yield _ANIMATE_NOTE
    yield from _table(
        ("case", "real time", "at full load", "cores busy", "processor ms a frame", "arithmetic"),
        [
            (
                name,
                _spread(case["real_time_factor"], 3),
                _spread(case["processor_factor"], 3),
                _spread(case["busy"], 2),
                _spread(case["processor_ms_per_frame"], 1),
                f"{case['precision']}, {case['blend']}",
            )
            for name, case in found["cases"].items()
        ],
    )
    stages = list(next(iter(found["cases"].values()))["stages_s"])
    yield "Milliseconds a frame that each stage's own thread was inside it; stages overlap:\n"
    yield from _table(
        ("case", *stages),
        [
            (name, *(f"{1000 * case['stages_s'][s] / case['frames']:.1f}" for s in stages))
            for name, case in found["cases"].items()
        ],
    )
    growth = ", ".join(f"{seconds} s: {cost:.1f}" for seconds, cost in found["growth"].items())
    yield f"Processor milliseconds a frame by length of the sound: {growth}.\n"
    prepared = found["prepare_720p"]
    yield (
        f"Preparing a 1280x720 video avatar costs {prepared['cpu_ms_per_frame']:.1f} processor "
        f"milliseconds a frame ({prepared['wall_ms_per_frame']:.1f} wall).\n"
    )


def _exactness(found: Results) -> Iterable[str]:
    yield "## Exactness\n"
    yield _EXACT_NOTE
    savings = list(next(iter(found.values())))
    yield from _table(
        ("network", *savings),
        [
            (name, *(f"{row[s]['largest']} ({row[s]['share']:.2%})" for s in savings))
            for name, row in found.items()
        ],
    )


def _detector(found: Results) -> Iterable[str]:
    height, width = found["size"]
    yield "## S3FD, the optional detector\n"
    yield (
        f"One picture of {width}x{height} at a time, random weights: they have its cost but find "
        f"no faces, so boxes cannot be compared. INT8 moves the raw outputs by "
        f"{found['int8_error']:.0%} of their spread; `mouthpiece convert detector` compares boxes "
        f"with real weights and refuses INT8 that loses faces.\n"
    )
    yield from _table(
        ("side", "processor ms", "times PyTorch"),
        [
            (name, _spread(side["cpu_ms"], 0), _spread(side["times_baseline"], 2))
            for name, side in found["sides"].items()
        ],
    )


def _long(found: Results) -> Iterable[str]:
    yield "## Memory at full length\n"
    names = {
        "sound": f"seconds of sound over a still, {found['fps']:g} frames/s",
        "prepare": "seconds of avatar video, preparing",
        "animate": "seconds of avatar video, animating",
    }
    yield from _table(
        ("process", "shorter", "longer"),
        [
            (name, *(f"{seconds} s: {peak:.0f} MB" for seconds, peak in found[kind].items()))
            for kind, name in names.items()
        ],
    )


def _cold(found: Results) -> Iterable[str]:
    yield "## Cold start\n"
    first, *warm = found["animation"]["wall_s"]
    yield from _table(
        ("what", "figure"),
        [
            ("`mouthpiece --help`", f"{found['help_s']:.2f} s"),
            ("`mouthpiece serve` until ready", f"{found['serve_ready_s']:.2f} s"),
            ("first animation over a warm one", f"{first / min(warm):.2f} times"),
        ],
    )


def _memory(found: Results) -> Iterable[str]:
    yield "## Memory\n"
    rows = [(name, f"{mb:.0f} MB") for name, mb in found["sound"].items()]
    rows += [(name, f"{mb:.0f} MB") for name, mb in found["video"].items()]
    rows += [
        ("animating 1920x1080", f"{found['animate_1080p']:.0f} MB"),
        ("`serve`, idle", f"{found['serve_idle']:.0f} MB"),
    ]
    yield from _table(("process", "highest resident memory"), rows)


def _circumstances(machine: Results) -> str:
    return (
        f"*`{machine['command']}`, {machine['date']}, {machine['words']}, OpenVINO "
        f"{machine['openvino']}, Python {machine['python']}, revision {machine['revision']}, load "
        f"{machine['load']} at the end.*"
    )


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(heading) + " |"
    yield "|---" * len(heading) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _spread(value: Results, digits: int) -> str:
    least, most = (f"{value[name]:.{digits}f}" for name in ("least", "most"))
    return f"{value['median']:.{digits}f} ({least} to {most})"
