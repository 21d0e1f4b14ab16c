"""Mouths for the evaluation as ``warp`` shows them: moved by the network that hears lips."""

from __future__ import annotations

import cv2
import numpy as np

from runtime.audio_lips import AudioLips
from runtime.blending import BlendOptions, make_blender
from runtime.crops import cut_crop
from runtime.host import HostPlan
from runtime.models import ModelSource
from runtime.planes import render, to_planes
from runtime.types import FaceBox, Frame, MelSpectrogram, MouthCrop, ReferenceFrame
from training.audio_lips import MEL_OFFSET
from training.cases import Case
from training.corpus import MARGIN, VIDEO_SIZE, crop_from_video, cut_face, mel_chunks
from training.errors import RejectedError
from training.mesh_tracking import FaceTracker

#: Pictures of a data set are small: warped twice as large, drawn lips are as exact as users see.
_ENLARGED = 2


class WarpedMouths:
    """Mouths of the case's own pixels, through the engine's own blending."""

    def __init__(self, model: ModelSource, tracker: FaceTracker, *, threads: int = 2) -> None:
        """Compile.

        Args:
            model: The network that hears lips.
            tracker: Reads the mesh of the faces.
            threads: Threads to use.
        """
        plan = HostPlan(threads=threads, batch=8)
        self._lips = AudioLips(model, plan, mel_offset=MEL_OFFSET)
        self._tracker = tracker
        self.name = f"{model.path.stem} (warp)"

    def draw(self, case: Case, mel: MelSpectrogram) -> MouthCrop:
        """Draw a case's mouths, see ``evaluation.MouthSource``.

        Raises:
            RejectedError: No face is found in the case's picture.
        """
        reference = self._reference(case)
        chunks = mel_chunks(mel, range(len(case.goal)), MEL_OFFSET, around=self._lips.around)
        blender = make_blender(BlendOptions(method="warp"))
        patches = [
            patch
            for movement in self._lips.movements(chunks)
            for patch in blender.push(reference, movement)
        ]
        shown = (_shrunk(render(patch)) for patch in (*patches, *blender.flush()))
        return np.stack([cut_face(frame, crop_from_video()) for frame in shown])

    def _reference(self, case: Case) -> ReferenceFrame:
        side = VIDEO_SIZE * _ENLARGED
        size_wh = (side, side)
        face = np.asarray(cv2.resize(case.face, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
        landmarks = self._tracker.settle(face)
        if landmarks is None:
            raise RejectedError(f"{case.name}: no face in its picture")
        room = round(side * (1 - 1 / MARGIN) / 2)
        box = FaceBox(room, room, side - room, side - room)
        points = landmarks.astype(np.float32)
        return ReferenceFrame(0, to_planes(face), box, 0.0, cut_crop(face, box, 0.0), points)


def _shrunk(frame: Frame) -> Frame:
    small = cv2.resize(frame, (VIDEO_SIZE, VIDEO_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
