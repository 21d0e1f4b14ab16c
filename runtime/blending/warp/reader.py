"""Reads how far a generated mouth has moved from the same face's mouth in silence.

A face mesh reads bearded, painted and rendered mouths badly at 96 pixels. This small network
looks at the difference of two crops of one face instead, so the face itself drops out. It was
trained on crops whose lips are known exactly; see ``training/mouth_reader.py``.

Some faces show less of a movement than others: a moustache hides it, a painting is drawn softly.
So every face first says a few sounds, the probes, whose movements are known; a linear map from
what was read to what it should have been makes all faces speak alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import LEFT_CORNER, RIGHT_CORNER, Points
from runtime.blending.warp.dense import Arrays, Dense, bundled, project
from runtime.types import MelChunk, MouthCrop

#: Width and height of the patch the network sees, and crop pixels per patch pixel.
PATCH_WH = (28, 20)
PATCH_STEP = 2.0
#: The patch's middle lies this far below the mouth, in crop pixels: the jaw opens downwards.
PATCH_DROP = 2.0
#: Share of the readings' energy by which the map of a face is held to a single factor.
_RIDGE = 0.005
#: A face that speaks so unlike the known movements (relative error of a single factor) is not
#: mapped by more than that factor; the bundled network's faces lie below 0.45.
_MOST_UNLIKE = 0.6
_FACTORS = (0.5, 2.5)
_CENTRE = [LEFT_CORNER, RIGHT_CORNER, 13, 14]


@dataclass(frozen=True, slots=True, eq=False)
class RestMouth:
    """What is known of one face before it speaks: its silent patch and the reading of no change."""

    centre: Points
    patch: NDArray[np.float32]
    face: NDArray[np.float32]
    zero: NDArray[np.float32]


class LipReader:
    """Gives lip movements as a few numbers per mouth.

    Attributes:
        probes: Sounds whose movements are known, for ``calibrate``.
        known: What is read of them on faces that show all, ``(len(probes), k)``.
    """

    def __init__(self, arrays: Arrays | None = None) -> None:
        """Take the network's arrays.

        Args:
            arrays: As ``training.mouth_reader`` writes them; ``None`` loads those that come with
                the package. A network without probes reads, but cannot calibrate.
        """
        found = bundled("reader.npz") if arrays is None else arrays
        floats = {name: np.asarray(array, np.float32) for name, array in found.items()}
        self._change_basis = floats["change_basis"]
        self._face_basis, self._face_mean = floats["face_basis"], floats["face_mean"]
        self._network = Dense(floats)
        self._motion_basis = floats["motion_basis"]
        none = np.zeros((0, len(self._motion_basis)), np.float32)
        self.known = floats.get("probe_readings", none)
        self.probes: list[MelChunk] = list(floats.get("probe_chunks", none))

    def learn(self, rest: MouthCrop, points: Points) -> RestMouth:
        """Look at a face in silence.

        Args:
            rest: Its generated mouth for a silent sound.
            points: Its face mesh in crop pixels, ``(468, 2)``.
        """
        centre = points[_CENTRE].mean(0)
        patch = mouth_patch(rest, centre)
        face = project(patch - self._face_mean, self._face_basis)
        zero = self._run(np.zeros(self._change_basis.shape[1], np.float32), face)
        return RestMouth(centre, patch, face, zero)

    def read(self, rest: RestMouth, mouth: MouthCrop) -> NDArray[np.float32]:
        """Give the movement of a mouth's lips from its closed position, as coefficients.

        Args:
            rest: The face, from ``learn``.
            mouth: A generated mouth of the same face.

        Returns:
            float32 ``(k,)``; exactly 0 for the rest mouth itself. ``motion`` turns it into points.
        """
        change = project(mouth_patch(mouth, rest.centre) - rest.patch, self._change_basis)
        return self._run(change, rest.face) - rest.zero

    def calibrate(self, rest: RestMouth, mouths: Sequence[MouthCrop]) -> NDArray[np.float32]:
        """Learn how much of its movements a face shows.

        Args:
            rest: The face, from ``learn``.
            mouths: What the generator draws for it and ``probes``.

        Returns:
            float32 ``(k, k)``: coefficients from ``read`` times this are the face's movements.
        """
        read = np.stack([self.read(rest, mouth) for mouth in mouths])
        factor = float((read * self.known).sum() / max(float((read * read).sum()), 1e-6))
        factor = min(max(factor, _FACTORS[0]), _FACTORS[1])
        alike = np.float32(factor) * np.eye(read.shape[1], dtype=np.float32)
        missing = self.known - read @ alike
        if np.linalg.norm(missing) > _MOST_UNLIKE * np.linalg.norm(self.known):
            return alike
        energy = read.T @ read
        held = _RIDGE * np.trace(energy) / len(energy) * np.eye(len(energy))
        return np.asarray(alike + np.linalg.solve(energy + held, read.T @ missing), np.float32)

    @property
    def uncalibrated(self) -> NDArray[np.float32]:
        """What ``calibrate`` gives for a face that shows all."""
        return np.eye(len(self._motion_basis), dtype=np.float32)

    def motion(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give lip movements in mouth widths, ``(4, 11, 2)``; see ``MouthShape.pose``."""
        moved = coefficients @ self._motion_basis.reshape(len(coefficients), -1)
        return np.asarray(moved.reshape(self._motion_basis.shape[1:]), np.float32)

    def _run(self, change: NDArray[np.float32], face: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._network(np.concatenate([change, face]))


def mouth_patch(crop: MouthCrop, centre: Points) -> NDArray[np.float32]:
    """Cut what the network sees: float32 ``(1680,)``, BGR in [0, 1]."""
    width, height = PATCH_WH
    left = centre[0] - PATCH_STEP * (width - 1) / 2
    top = centre[1] - PATCH_STEP * (height - 1) / 2 + PATCH_DROP
    to_crop = np.array([[PATCH_STEP, 0, left], [0, PATCH_STEP, top]], np.float32)
    # Averaging two by two first: bilinear sampling of every second pixel would alias.
    patch = cv2.warpAffine(
        cv2.blur(crop, (2, 2)),
        to_crop,
        PATCH_WH,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(patch.reshape(-1) / np.float32(255), np.float32)
