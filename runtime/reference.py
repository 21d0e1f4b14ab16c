"""The order in which an avatar's frames are shown while speech outlasts them."""

from collections.abc import Iterator
from itertools import chain, count, cycle, repeat
from typing import Literal

Loop = Literal["pingpong", "repeat", "hold"]


def reference_order(frame_count: int, loop: Loop = "pingpong") -> Iterator[int]:
    """Yield frame indices without end.

    Args:
        frame_count: Number of frames the avatar has, at least 1.
        loop: ``pingpong`` plays forward and back without showing an end frame twice, ``repeat``
            starts over, ``hold`` stays on the last frame.

    Yields:
        Indices in ``[0, frame_count)``.
    """
    if frame_count == 1:
        return repeat(0)
    if loop == "hold":
        return (min(i, frame_count - 1) for i in count())
    forward = range(frame_count)
    back = range(frame_count - 2, 0, -1) if loop == "pingpong" else range(0)
    return _cycle(forward, back)


def _cycle(forward: range, back: range) -> Iterator[int]:
    # itertools.cycle would keep every index in memory; ranges cost nothing to walk again.
    for _ in cycle((None,)):
        yield from chain(forward, back)
