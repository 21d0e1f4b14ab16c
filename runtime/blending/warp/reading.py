"""What one avatar's generated mouths say its lips do."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from runtime.blending.paste import crop_points
from runtime.blending.stage import Draw, KeptFrames, Rest
from runtime.blending.warp.reader import LipReader, RestMouth
from runtime.types import MouthCrop, ReferenceFrame


class Reading:
    """Reads the movements of an avatar's mouths; the first face shown calibrates them all."""

    def __init__(self, *, rest: Rest | None = None, draw: Draw | None = None) -> None:
        """Load nothing yet: an avatar whose lips are heard needs no reader.

        Args:
            rest: Gives a frame's mouth in silence; without it the first mouth stands for it.
            draw: Draws what the face says for known sounds; without it readings are believed.
        """
        self._rest, self._draw = rest, draw
        self._faces = KeptFrames[RestMouth]()
        self._calibration: NDArray[np.float32] | None = None

    @cached_property
    def _reader(self) -> LipReader:
        return LipReader()

    def motion(self, reference: ReferenceFrame, mouth: MouthCrop) -> NDArray[np.float32]:
        """Read a mouth's movement, ``(4, 11, 2)`` as in ``LipMovement``."""
        face = self._face(reference, mouth)
        read = self._reader.read(face, mouth)
        return self._reader.motion(read @ self._calibrated(reference, face))

    def _face(self, reference: ReferenceFrame, mouth: MouthCrop) -> RestMouth:
        def learn() -> RestMouth:
            rest = self._rest(reference) if self._rest else mouth
            return self._reader.learn(rest, crop_points(reference))

        return self._faces.get(reference, learn)

    def _calibrated(self, reference: ReferenceFrame, face: RestMouth) -> NDArray[np.float32]:
        if self._calibration is None:
            if self._draw is None:
                return self._reader.uncalibrated
            mouths = self._draw(reference, self._reader.probes)
            self._calibration = self._reader.calibrate(face, mouths)
        return self._calibration
