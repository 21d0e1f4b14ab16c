"""Run sides in turns, A B A B, so that a busy machine slows all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter, process_time
from typing import TypedDict

#: Does about as many frames as asked for and says how many.
Side = Callable[[int], int]

#: Processor seconds of one turn: enough for the clock, short enough for many rounds.
TURN_S = 0.5
_FIRST_FRAMES = 2


class Spread(TypedDict):
    """Median and extremes over the rounds."""

    median: float
    least: float
    most: float


class SideResult(TypedDict):
    """What one side did.

    Attributes:
        frames_per_s: Wall clock.
        cpu_ms: Processor milliseconds of all threads for one frame.
        times_baseline: Frames per second over the baseline's in the same round.
    """

    frames_per_s: Spread
    cpu_ms: Spread
    times_baseline: Spread


@dataclass(frozen=True, slots=True)
class _Turn:
    frames_per_s: float
    cpu_ms: float


def take_turns(
    sides: Mapping[str, Side], *, baseline: str, rounds: int = 3
) -> dict[str, SideResult]:
    """Run every side once per round, after short turns that find its pace and warm up.

    Args:
        sides: By name, in order.
        baseline: The side that ratios refer to.
        rounds: Rounds that count.
    """
    frames = {}
    for name, side in sides.items():
        frames[name] = max(_FIRST_FRAMES, int(1000 * TURN_S / _time(side, _FIRST_FRAMES).cpu_ms))
        if frames[name] > _FIRST_FRAMES:
            side(frames[name])
    turns: dict[str, list[_Turn]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            turns[name].append(_time(side, frames[name]))
    return {
        name: SideResult(
            frames_per_s=spread([turn.frames_per_s for turn in own]),
            cpu_ms=spread([turn.cpu_ms for turn in own]),
            times_baseline=spread(
                [
                    turn.frames_per_s / base.frames_per_s
                    for turn, base in zip(own, turns[baseline], strict=True)
                ]
            ),
        )
        for name, own in turns.items()
    }


def spread(values: list[float]) -> Spread:
    """Give median and extremes."""
    return Spread(median=median(values), least=min(values), most=max(values))


def _time(side: Side, wanted: int) -> _Turn:
    start, cpu = perf_counter(), process_time()
    frames = side(wanted)
    wall = perf_counter() - start
    return _Turn(frames / wall, 1000 * (process_time() - cpu) / frames)
