"""``warp``: sound or a drawn mouth gives the lips' shape, the picture's own pixels their look."""

from collections import deque
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import INNER_LOWER, INNER_UPPER, LIPS
from runtime.blending.mesh import Mesh
from runtime.blending.options import BlendOptions
from runtime.blending.paste import Canvas
from runtime.blending.stage import Draw, KeptFrames, PasteStage, Rest, unchanged
from runtime.blending.warp.front import hidden_lips
from runtime.blending.warp.inside import InsideLight
from runtime.blending.warp.own_teeth import OwnTeeth
from runtime.blending.warp.picture import WarpPicture
from runtime.blending.warp.reading import Reading
from runtime.blending.warp.shape import yaw_of
from runtime.types import STILL, LipMovement, MouthCrop, Patch, ReferenceFrame

Motion = NDArray[np.float32]

#: Weights of a frame's neighbours, oldest first: zero phase, two frames of look-ahead.
SMOOTHING = np.array([0.01, 0.16, 0.66, 0.16, 0.01], np.float32)
#: The same for movements that are heard: they are smoother than what is read off mouths, and lips
#: that meet for a single frame must meet.
HEARD_SMOOTHING = np.array([0.0, 0.1, 0.8, 0.1, 0.0], np.float32)
LOOK_AHEAD = len(SMOOTHING) // 2
#: Heads turned further than this (45 degrees) show too little of one lip corner.
MOST_YAW = 1.1
#: Share of the lips that may be hidden: what is not seen is guessed.
MOST_HIDDEN = 0.8
#: Share of a face's points that must lie in the frame.
LEAST_INSIDE = 0.85


class _Waiting(NamedTuple):
    """One frame on its way: ``motion`` and ``picture`` are ``None`` when it will be pasted."""

    reference: ReferenceFrame
    mouth: MouthCrop | LipMovement
    speaking: float
    picture: WarpPicture | None
    motion: Motion | None


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
        teeth: ReferenceFrame | None = None,
    ) -> None:
        """Begin an utterance.

        Args:
            options: Used by the fallback.
            rest: Gives a frame's mouth in silence; without it the first mouth stands for it.
            draw: Draws what the face says for known sounds; without it readings are believed.
            teeth: A frame that shows the avatar's own teeth; without one they are drawn.
        """
        self._reading = Reading(rest=rest, draw=draw)
        self._inside = InsideLight()
        self._own_teeth = OwnTeeth(teeth) if teeth is not None and can_warp(teeth) else None
        self._paste: PasteStage[Canvas] = PasteStage(Mesh(options), rest=rest)
        self._pictures = KeptFrames[WarpPicture]()
        self._fit = KeptFrames[bool]()
        self._trusted: bool | None = None
        self._start()

    def takes_movement(self, reference: ReferenceFrame) -> bool:
        """Tell whether a frame will be warped; see ``BlendStage``."""
        if not reference.has_face or self._trusted is False:
            return False
        is_fit = self._fit.get(reference, lambda: can_warp(reference))
        if self._trusted is None:
            self._trusted = is_fit
        return is_fit

    def push(
        self, reference: ReferenceFrame, mouth: MouthCrop | LipMovement, *, speaking: float = 1.0
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
        self._trusted = None
        return patches

    def _start(self) -> None:
        self._queue: deque[_Waiting] = deque()
        self._past: deque[Motion] = deque(maxlen=LOOK_AHEAD)

    def _read(
        self, reference: ReferenceFrame, mouth: MouthCrop | LipMovement, speaking: float
    ) -> _Waiting:
        picture = None
        if isinstance(mouth, LipMovement) or self.takes_movement(reference):
            picture = self._pictures.get(reference, lambda: self._prepare(reference))
        if picture is None:
            return _Waiting(reference, mouth, speaking, None, None)
        if speaking == 0:
            motion = STILL.motion
        elif isinstance(mouth, LipMovement):
            motion = mouth.motion
        else:
            motion = self._reading.motion(reference, mouth)
        return _Waiting(reference, mouth, speaking, picture, motion)

    def _prepare(self, reference: ReferenceFrame) -> WarpPicture:
        return WarpPicture(reference, self._own_teeth)

    def _show(self) -> Patch:
        """Finish the oldest frame."""
        reference, mouth, speaking, picture, motion = self._queue.popleft()
        if not reference.has_face:
            return unchanged(reference)
        if picture is None or motion is None:
            return self._paste.push(reference, mouth)[0]
        weights = HEARD_SMOOTHING if isinstance(mouth, LipMovement) else SMOOTHING
        smooth = self._smoothed(motion, weights) * np.float32(speaking)
        self._past.append(motion)
        if speaking == 0:
            return picture.at_rest
        pose = picture.shape.pose(smooth)
        return picture.render(pose, self._inside.of(smooth))

    def _smoothed(self, motion: Motion, weights: NDArray[np.float32]) -> Motion:
        """Weigh a movement with its neighbours; the end ones stand for what is missing."""
        after = [w.motion for w in islice(self._queue, LOOK_AHEAD) if w.motion is not None]
        before = list(self._past)
        before = [before[0] if before else motion] * (LOOK_AHEAD - len(before)) + before
        after += [after[-1] if after else motion] * (LOOK_AHEAD - len(after))
        return np.asarray(np.tensordot(weights, [*before, motion, *after], 1), np.float32)


def can_warp(reference: ReferenceFrame) -> bool:
    """Tell whether landmarks carry a warp: a frontal face's, half of its mouth seen."""
    height, width = reference.size
    points = reference.landmarks
    inside = np.all((points >= 0) & (points < (width, height)), axis=-1)
    # Where a chin or a cheek is cut off, what is left of it moves; points beyond are guessed. An
    # open mouth closes with what lies as far below its lips as it is open.
    lips = points[LIPS]
    lift = points[INNER_LOWER].mean(0) - points[INNER_UPPER].mean(0)
    has_room = ((lips + lift >= 0) & (lips + lift < (width, height))).all()
    is_seen = bool(inside[LIPS].all() and has_room and inside.mean() >= LEAST_INSIDE)
    is_clear = reference.is_known and is_seen and hidden_lips(reference) < MOST_HIDDEN
    return is_clear and abs(yaw_of(points)) < MOST_YAW
