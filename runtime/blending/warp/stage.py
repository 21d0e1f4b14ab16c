"""``warp``: the generator decides the mouth's shape, the picture's own pixels give its texture."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.blending.mesh import Mesh
from runtime.blending.options import BlendOptions
from runtime.blending.paste import Canvas
from runtime.blending.stage import Draw, KeptFrames, PasteStage, Rest, unchanged
from runtime.blending.warp.picture import WarpPicture
from runtime.blending.warp.reader import LipReader
from runtime.blending.warp.shape import yaw_of
from runtime.types import MouthCrop, Patch, ReferenceFrame

#: Weights of a frame's neighbours, oldest first: zero phase, two frames of look-ahead.
SMOOTHING = np.array([0.01, 0.16, 0.66, 0.16, 0.01], np.float32)
LOOK_AHEAD = len(SMOOTHING) // 2
#: Heads turned further than this (45 degrees) show too little of one lip corner.
MOST_YAW = 1.1
#: How fast the light inside the mouth follows the generated one, per frame.
LIGHT_PACE = 0.4


@dataclass(slots=True)
class _Waiting:
    """One frame on its way: ``motion`` and ``picture`` are ``None`` when it will be pasted."""

    reference: ReferenceFrame
    mouth: MouthCrop
    speaking: float
    picture: WarpPicture | None
    motion: NDArray[np.float32] | None


class WarpStage:
    """Warps faces that can be trusted and pastes the others by ``mesh``.

    An utterance whose first face cannot be trusted is pasted as a whole; in one that can, single
    frames with the head turned away are.
    """

    def __init__(
        self,
        options: BlendOptions,
        *,
        rest: Rest | None = None,
        draw: Draw | None = None,
        is_still: bool = True,
    ) -> None:
        """Load the lip reader.

        Args:
            options: Used by the fallback.
            rest: Gives a frame's mouth in silence; without it the first mouth stands for it.
            draw: Draws what the face says for known sounds; without it readings are believed.
            is_still: The avatar has one frame.
        """
        self._reader = LipReader()
        self._rest, self._draw, self._is_still = rest, draw, is_still
        self._paste: PasteStage[Canvas] = PasteStage(Mesh(options), rest=rest)
        self._pictures = KeptFrames[WarpPicture | None]()
        self._calibration: NDArray[np.float32] | None = None
        self._start()

    def push(
        self, reference: ReferenceFrame, mouth: MouthCrop, *, speaking: float = 1.0
    ) -> list[Patch]:
        """Take one mouth; its patch comes with the mouth two frames later. See ``BlendStage``."""
        self._queue.append(self._read(reference, mouth, speaking))
        if len(self._queue) <= LOOK_AHEAD:
            return []
        return [self._show()]

    def flush(self) -> list[Patch]:
        """Give the frames held back for their look-ahead."""
        patches = [self._show() for _ in range(len(self._queue))]
        self._start()
        return patches

    def _start(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._past: deque[NDArray[np.float32]] = deque(maxlen=LOOK_AHEAD)
        self._light = 0.35
        self._trusted: bool | None = None

    def _read(self, reference: ReferenceFrame, mouth: MouthCrop, speaking: float) -> _Waiting:
        picture = None
        if reference.has_face and self._trusted is not False:
            picture = self._pictures.get(reference, lambda: self._prepare(reference, mouth))
            if self._trusted is None:
                self._trusted = picture is not None
        if picture is None:
            return _Waiting(reference, mouth, speaking, None, None)
        if speaking == 0:
            return _Waiting(reference, mouth, speaking, picture, self._reader.no_movement)
        motion = self._reader.read(picture.rest, mouth) @ self._calibrated(picture, reference)
        return _Waiting(reference, mouth, speaking, picture, motion)

    def _prepare(self, reference: ReferenceFrame, mouth: MouthCrop) -> WarpPicture | None:
        if not can_warp(reference):
            return None
        rest = self._rest(reference) if self._rest else mouth
        return WarpPicture(reference, rest, self._reader, is_still=self._is_still)

    def _calibrated(self, picture: WarpPicture, reference: ReferenceFrame) -> NDArray[np.float32]:
        """Give what readings are multiplied by; learned once, from the first face shown."""
        if self._calibration is None:
            if self._draw is None:
                return self._reader.uncalibrated
            mouths = self._draw(reference, self._reader.probes)
            self._calibration = self._reader.calibrate(picture.rest, mouths)
        return self._calibration

    def _show(self) -> Patch:
        """Finish the oldest frame."""
        frame = self._queue[0]
        if not frame.reference.has_face:
            self._queue.popleft()
            return unchanged(frame.reference)
        if frame.picture is None or frame.motion is None:
            self._queue.popleft()
            return self._paste.push(frame.reference, frame.mouth)[0]
        motion = self._smoothed(frame.motion) * np.float32(frame.speaking)
        self._queue.popleft()
        self._past.append(frame.motion)
        if frame.speaking == 0:
            return frame.picture.at_rest
        pose = frame.picture.shape.pose(self._reader.motion(motion))
        light = frame.picture.light_of(frame.mouth, pose)
        if light is not None:
            self._light += LIGHT_PACE * (light - self._light)
        return frame.picture.render(pose, self._light)

    def _smoothed(self, motion: NDArray[np.float32]) -> NDArray[np.float32]:
        """Weigh a movement with its neighbours; the end ones stand for what is missing."""
        after = [w.motion for w in list(self._queue)[1 : LOOK_AHEAD + 1] if w.motion is not None]
        before = list(self._past)
        before = [before[0] if before else motion] * (LOOK_AHEAD - len(before)) + before
        after += [after[-1] if after else motion] * (LOOK_AHEAD - len(after))
        return np.asarray(SMOOTHING @ np.stack([*before, motion, *after]), np.float32)


def can_warp(reference: ReferenceFrame) -> bool:
    """Tell whether a frame's landmarks carry a warp: frontal, whole, nothing in front."""
    height, width = reference.size
    points = reference.landmarks
    inside = ((points >= 0) & (points < (width, height))).all(-1)
    is_whole = int(np.count_nonzero(inside)) > 0.98 * len(points)
    return is_whole and reference.cover is None and abs(yaw_of(points)) < MOST_YAW
