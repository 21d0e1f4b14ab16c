"""An upper row of teeth, for pictures that do not show their own."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import smoothstep

#: Teeth from the middle outwards: where each ends, how much shorter than the first, how bright.
#: Lengths in eye distances. Widths: mean crowns of 8.5, 6.5, 7.6 and 7.0 mm (Ash and Nelson 2003)
#: on an arch that turns away from the onlooker, outer eye corners being 90 mm apart.
_ENDS = np.array([0.094, 0.162, 0.226, 0.275], np.float32)
_SHORTER = np.array([0.0, 0.011, 0.002, 0.016], np.float32)
_BRIGHT = np.array([1.0, 0.97, 0.9, 0.78], np.float32)
_STARTS = np.concatenate([[np.float32(0)], _ENDS[:-1]])
#: How far the first teeth reach below the closed lips, and how fast the row rises outwards.
_REACH, _RISE = 0.050, 0.45
#: How much of a tooth's corner is round, the outer one more than the inner one.
_INNER_CORNER, _OUTER_CORNER = 0.006, 0.012
#: Half the width of the line between two teeth, and how dark it is.
_LINE, _LINE_DEPTH = 0.005, 0.16
#: Length over which a tooth darkens towards the gums, and how much.
_LENGTH, _NECK = 0.10, 0.12
#: The row is lost in the dark of the cheeks between these distances from the middle.
_LOST = (0.20, 0.31)

Floats = NDArray[np.float32]


class Teeth(NamedTuple):
    """A row of teeth over some columns.

    Attributes:
        edge: Lower edge below the closed lips, ``(w,)``, in eye distances.
        shade: Brightness across the teeth, ``(w,)``.
        seen: 1 in the middle of the mouth, 0 in its corners, ``(w,)``.
    """

    edge: Floats
    shade: Floats
    seen: Floats

    @classmethod
    def at(cls, away: Floats, pixel: float) -> "Teeth":
        """Draw the row.

        Args:
            away: Distances from the middle of the face, ``(w,)``, in eye distances.
            pixel: Size of a pixel in eye distances.
        """
        tooth = np.minimum(np.searchsorted(_ENDS, away), len(_ENDS) - 1)
        start, end = _STARTS[tooth], _ENDS[tooth]
        across = np.clip(2 * (away - start) / (end - start) - 1, -1, 1)
        corner = np.where(across < 0, _INNER_CORNER, _OUTER_CORNER) * across**4
        edge = _REACH - _RISE * away * away - _SHORTER[tooth] - corner
        # Lines thinner than a pixel would come and go as the face moves: wider ones are paler.
        width = max(_LINE, 1.2 * pixel)
        nearest = np.abs(away[:, None] - np.concatenate([[0], _ENDS])).min(1) / width
        line = 1 - _LINE_DEPTH * _LINE / width * np.exp(-nearest * nearest)
        # A crown is round: it faces the light in its middle, a little on the inner side.
        crown = 1.03 - 0.07 * (across + 0.2) ** 2
        shade = _BRIGHT[tooth] * crown * line
        seen = 1 - smoothstep(away, *_LOST)
        return cls(*(np.asarray(part, np.float32) for part in (edge, shade, seen)))


def neck_shade(depth: Floats) -> Floats:
    """Give the brightness of teeth at a distance above their edge, in eye distances."""
    up = np.clip(depth * np.float32(1 / _LENGTH), 0, 1)
    # The last of the edge lets the dark behind it through.
    rim = np.clip(1 - depth * np.float32(1 / 0.012), 0, 1)
    return np.asarray(1 - _NECK * up * up - np.float32(0.10) * rim, np.float32)
