"""A talking clip: its pictures, and the motion of its face in the head frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from runtime.types import Frame
from runtime.video import read_frames
from training.errors import RejectedError
from training.lips import from_mesh, openings
from training.mesh_tracking import FaceTracker
from training.retarget.geometry import Affine, Points, apply, fit_similarity, invert
from training.retarget.points import (
    LIPS,
    LOWER_RINGS,
    MOUTH_CORNERS,
    STABLE,
    UPPER_RINGS,
)
from training.retarget.reference import reference_head

_LEAST_FRAMES = 25
_MOST_LOST = 3
#: A picture that changes by this many grey levels, and by so many times the median change, is cut.
_JUMP, _JUMP_RATIO = 1.9, 3.2
#: Smoothing in frames: of the head's pose, of the face, and of the lips, which are fast.
_POSE_SIGMA, _FACE_SIGMA, _LIP_SIGMA = 1.5, 1.0, 0.45
_CLOSED_SHARE = 0.12


class Speaker:
    """A talking clip, measured.

    Attributes:
        name: Of the file, without its ending.
        frames: uint8 ``(n, h, w, 3)``.
        to_head: ``(n, 2, 3)`` from pixels of each frame to the head frame.
        meshes: ``(n, 468, 2)`` smoothed, head frame.
        opening: ``(n,)`` of the inner lips, in parts of the mouth's width.
        rest: ``(468, 2)``: mouth closed, not pursed.
        shading: ``(n, 468)`` logarithm of how much brighter skin and lips are than at rest.
    """

    def __init__(self, path: Path, tracker: FaceTracker) -> None:
        """Read and track a clip.

        Raises:
            RejectedError: Too short, cut or corrupt, or the face is lost.
        """
        self.name = path.stem
        self.frames = np.stack(list(read_frames(path)))
        if len(self.frames) < _LEAST_FRAMES:
            raise RejectedError(f"{path.name}: {len(self.frames)} frames, need {_LEAST_FRAMES}")
        _refuse_jumps(self.frames, path.name)
        raw = _tracked(self.frames, tracker, path.name)
        self.to_head = _poses(raw)
        in_head = np.stack([apply(m, p) for m, p in zip(self.to_head, raw, strict=True)])
        self.meshes = _smooth(in_head, _FACE_SIGMA)
        self.meshes[:, LIPS] = _smooth(in_head, _LIP_SIGMA)[:, LIPS]
        self.opening = openings(from_mesh(self.meshes.astype(np.float32)))
        resting = self._resting_frames()
        self.rest = np.median(self.meshes[resting], axis=0)
        self.shading = self._measure_shading(resting)

    @property
    def mouth_width(self) -> float:
        """Width of the mouth at rest, in the head frame."""
        left, right = self.rest[MOUTH_CORNERS]
        return float(np.linalg.norm(right - left))

    def _resting_frames(self) -> NDArray[np.intp]:
        """Give closed frames whose mouth is as wide as usual."""
        closed = max(0.02, float(np.quantile(self.opening, _CLOSED_SHARE)))
        frames = np.flatnonzero(self.opening <= closed)
        left, right = MOUTH_CORNERS
        widths = np.linalg.norm(self.meshes[frames, right] - self.meshes[frames, left], axis=1)
        usual = np.argsort(np.abs(widths - np.median(widths)))
        return frames[usual[: max(5, len(frames) * 2 // 3)]]

    def _measure_shading(self, resting: NDArray[np.intp]) -> NDArray[np.float64]:
        """Follow wrinkles, stretched lips and the shadow under them, point by point."""
        levels = np.stack(
            [
                _levels_at(frame, apply(invert(pose), mesh))
                for frame, pose, mesh in zip(self.frames, self.to_head, self.meshes, strict=True)
            ]
        )
        # The inner rings see the shadow of the mouth, not of the skin: take the ring outside.
        for ring in (2, 3):
            levels[:, UPPER_RINGS[ring]] = levels[:, UPPER_RINGS[1]]
            levels[:, LOWER_RINGS[ring]] = levels[:, LOWER_RINGS[1]]
        levels = _smooth(levels, 0.8)
        change = np.log((levels + 8) / (np.median(levels[resting], axis=0) + 8))
        everywhere = np.median(change[:, STABLE], axis=1, keepdims=True)
        return np.asarray(np.clip(change - everywhere, -0.30, 0.25))


def _refuse_jumps(frames: Frame, name: str) -> None:
    small = [
        cv2.resize(cv2.cvtColor(f, cv2.COLOR_BGR2GRAY), (90, 72), interpolation=cv2.INTER_AREA)
        for f in frames
    ]
    changes = np.abs(np.diff(np.stack(small).astype(np.float32), axis=0)).mean(axis=(1, 2))
    highest = float(changes.max())
    if highest > _JUMP and highest > _JUMP_RATIO * max(float(np.median(changes)), 0.1):
        raise RejectedError(f"{name}: the picture jumps by {highest:.1f} grey levels")


def _tracked(frames: Frame, tracker: FaceTracker, name: str) -> Points:
    found = tracker.track(list(frames))
    seen = [index for index, mesh in enumerate(found) if mesh is not None]
    if len(found) - len(seen) > _MOST_LOST or not seen:
        raise RejectedError(f"{name}: face lost in {len(found) - len(seen)} frames")
    nearest = [min(seen, key=lambda other: abs(other - index)) for index in range(len(found))]
    return np.stack([np.asarray(found[index], np.float64) for index in nearest])


def _poses(raw: Points) -> Affine:
    reference = reference_head().mesh
    poses = [fit_similarity(mesh[STABLE], reference[STABLE]) for mesh in raw]
    return _smooth(np.stack(poses), _POSE_SIGMA)


def _smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter1d(values, sigma, axis=0, mode="nearest"))


def _levels_at(frame: Frame, points: Points) -> NDArray[np.float64]:
    grey = cv2.GaussianBlur(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32), (0, 0), 1.6)
    x, y = points.astype(np.float32).T
    read = cv2.remap(grey, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read[0], np.float64)
