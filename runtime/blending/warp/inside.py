"""The light inside a mouth, learned: where teeth are lit and where it is dark, by how lips stand.

Who opens the mouth wide shows lit teeth in its middle, who speaks through hardly parted lips a
dim grey, and the corners are dark. A small network tells that light from the movement of the
lips; it was trained on the mouth of a real speaker, see ``training/mouth_inside.py``.
"""

import numpy as np

from runtime.blending.lips import smoothstep
from runtime.blending.warp.dense import Arrays, Dense, Floats, bundled, project

#: Rows from the upper lip to the lower one, columns from corner to corner.
GRID = (8, 20)
#: What the network tells of a dark place: lips blur into the data set's small mouths. And of lit
#: teeth; brightness in units of the brightest teeth.
_DARK, _LIT = 0.5, 0.95
#: Below 1, teeth at the sides are lit more than the one speaker's, whose face is lit from one side.
_SOFT = 0.7
#: What is behind lips parted this far, in mouth widths, was seen; between closed ones it is dark.
_PARTED = 0.055


class InsideLight:
    """Tells light from movement; safe to share between threads."""

    def __init__(self, arrays: Arrays | None = None) -> None:
        """Take the network's arrays.

        Args:
            arrays: As ``training.mouth_inside`` writes them; ``None`` loads those that come with
                the package.
        """
        found = bundled("inside.npz") if arrays is None else arrays
        floats = {name: np.asarray(array, np.float32) for name, array in found.items()}
        self._basis, self._network = floats["basis"], Dense(floats)

    def of(self, motion: Floats) -> Floats:
        """Give the light of a movement.

        Args:
            motion: ``(4, 11, 2)``, see ``LipMovement``.

        Returns:
            float32 ``GRID``: teeth are as bright as they can be where it is 1; 0 is dark.
        """
        told = self._network(project(motion.reshape(-1), self._basis)).reshape(GRID)
        lit = np.clip((told - _DARK) * np.float32(1 / (_LIT - _DARK)), 0, 1)
        parted = smoothstep(float((motion[3] - motion[2])[3:8, 1].mean()), 0, _PARTED)
        return np.asarray(lit ** np.float32(_SOFT) * parted, np.float32)
