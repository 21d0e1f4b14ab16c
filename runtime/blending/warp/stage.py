"""``warp``: the generator decides the mouth's shape, the picture's own pixels give its texture."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runtime.blending.mesh import Mesh
from runtime.blending.options import BlendOptions
from runtime.blending.paste import Canvas
from runtime.blending.stage import KeptFrames, PasteStage, Rest, unchanged
from runtime.blending.warp.picture import WarpPicture
from runtime.blending.warp.reader import LipReader
from runtime.blending.warp.shape import MouthShape
from runtime.types import MouthCrop, Patch, ReferenceFrame

#: Weights of a frame's neighbours, oldest first: zero phase, two frames of look-ahead.
SMOOTHING = np.array([0.01, 0.16, 0.66, 0.16, 0.01], np.float32)
LOOK_AHEAD = len(SMOOTHING) // 2
#: Reading by least squares shrinks movements (slope 0.8 on faces never trained on); undo that.
EXPRESSION = 1.2
#: Heads turned further than this show too little of one lip corner.
MOST_YAW = 0.55
#: How fast the light inside the mouth follows the generated one, per frame.
LIGHT_PACE = 0.4
#: Prepared frames hold grids and pictures: fewer of them than of the pasted kind.
KEPT_PICTURES = 12


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

    def __init__(self, options: BlendOptions, *, rest: Rest | None = None) -> None:
        """Load the lip reader.

        Args:
            options: Used by the fallback.
            rest: Gives a frame's mouth in silence; without it the first mouth stands for it.
        """
        self._reader = LipReader()
        self._rest = rest
        self._paste: PasteStage[Canvas] = PasteStage(Mesh(options), rest=rest)
        self._pictures = KeptFrames[WarpPicture](KEPT_PICTURES)
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
        if not reference.has_face or not self._can_warp(reference):
            return _Waiting(reference, mouth, speaking, None, None)
        picture = self._pictures.get(reference, lambda: self._prepare(reference, mouth))
        motion = self._reader.read(picture.rest, mouth)
        return _Waiting(reference, mouth, speaking, picture, motion)

    def _prepare(self, reference: ReferenceFrame, mouth: MouthCrop) -> WarpPicture:
        rest = self._rest(reference) if self._rest else mouth
        return WarpPicture(reference, rest, self._reader)

    def _can_warp(self, reference: ReferenceFrame) -> bool:
        if self._trusted is None:
            self._trusted = can_warp(reference)
        return self._trusted and can_warp(reference)

    def _show(self) -> Patch:
        """Finish the oldest frame."""
        frame = self._queue[0]
        if not frame.reference.has_face:
            self._queue.popleft()
            return unchanged(frame.reference)
        if frame.picture is None or frame.motion is None:
            self._queue.popleft()
            return self._paste.push(frame.reference, frame.mouth)[0]
        motion = self._smoothed(frame.motion) * np.float32(EXPRESSION * frame.speaking)
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
    """Tell whether a frame's landmarks carry a warp: upright, frontal, wholly in the picture."""
    if reference.angle != 0:
        return False
    height, width = reference.size
    points = reference.landmarks
    inside = ((points >= 0) & (points < (width, height))).all(-1).mean() > 0.98
    return bool(inside) and abs(MouthShape(points).yaw) < MOST_YAW
