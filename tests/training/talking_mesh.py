"""A face that talks by arithmetic: the reference head, its lower lip moved up and down."""

from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.types import Frame, Landmarks
from training.retarget.points import INSIDE, LOWER_RINGS, OUTLINE
from training.retarget.reference import reference_head

SIDE = 256
EYE_DISTANCE_PX = 90.0


def mesh_in_pixels(gap: float = 0.0) -> np.ndarray:
    """Give the reference mesh in a picture of 256 pixels, its lips parted by ``gap`` pixels."""
    mesh = reference_head().mesh * EYE_DISTANCE_PX + np.array([SIDE / 2, SIDE * 0.4])
    mesh[LOWER_RINGS[:, 1:-1], 1] += gap
    return np.asarray(mesh)


def picture(mesh: np.ndarray) -> np.ndarray:
    """Draw a face with red lips, dark inside."""
    frame = np.full((SIDE, SIDE, 3), (150, 180, 215), np.uint8)
    cv2.fillPoly(frame, [np.rint(mesh[OUTLINE]).astype(np.int32)], (90, 80, 200))
    cv2.fillPoly(frame, [np.rint(mesh[INSIDE]).astype(np.int32)], (40, 30, 60))
    return frame


class TalkingTracker:
    """Tracks the face that it was told of."""

    def __init__(self, meshes: list[np.ndarray]) -> None:
        self._meshes = meshes

    def track(self, frames: Sequence[Frame]) -> list[Landmarks | None]:
        return [mesh.astype(np.float32) for mesh in self._meshes[: len(frames)]]

    def settle(self, image: Frame) -> NDArray[np.float64] | None:
        return mesh_in_pixels()


def write_film(path: Path, meshes: list[np.ndarray], *, fps: int = 25) -> None:
    """Write a film of the face with a second of noise as its sound."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps)
        video.height = video.width = SIDE
        video.pix_fmt = "yuv420p"
        video.options = {"crf": "10", "threads": "1"}
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for mesh in meshes:
            frame = av.VideoFrame.from_ndarray(picture(mesh), format="bgr24")
            container.mux(video.encode(frame))
        samples = rng.normal(0, 0.1, (1, 16000 * len(meshes) // fps)).astype(np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())
