"""Array aliases with their shapes, and the data that travels between the engine's stages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

#: float32 ``(n,)``, mono, 16 000 Hz, [-1, 1].
Waveform = NDArray[np.float32]
#: float32 ``(80, t)``, one column per 200 samples (12.5 ms), [-4, 4].
MelSpectrogram = NDArray[np.float32]
#: float32 ``(80, 16)``, the 200 ms of one video frame; more on both sides for ``AudioLips``.
MelChunk = NDArray[np.float32]
#: uint8 ``(h, w, 3)``, BGR.
Frame = NDArray[np.uint8]
#: uint8 ``(h * 3 // 2, w)``, I420 planes stacked, BT.601 limited range, h and w even.
Planes = NDArray[np.uint8]
#: uint8 ``(96, 96, 3)``, BGR, cut from the reference frame.
FaceCrop = NDArray[np.uint8]
#: uint8 ``(96, 96, 3)``, BGR, returned by the generator.
MouthCrop = NDArray[np.uint8]
#: float32 ``(468, 2)`` face mesh or ``(5, 2)`` points, x and y in pixels of the frame.
Landmarks = NDArray[np.float32]
#: float32 ``(h, w)``, 0 keeps the reference frame, 1 takes the new pixel.
Mask = NDArray[np.float32]
#: uint8 ``(48, 48)``, how much of each 2 x 2 pixels of a crop is covered by something in front.
Cover = NDArray[np.uint8]

SAMPLE_RATE = 16_000
CROP_SIZE = 96
COVER_SIZE = 48


class FaceBox(NamedTuple):
    """A half-open rectangle in integer pixels: ``frame[y1:y2, x1:x2]``."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.y2 - self.y1


@dataclass(frozen=True, slots=True)
class Detection:
    """One face found in one frame.

    Attributes:
        box: Face box in pixels, inside the frame.
        score: Confidence, 0 to 1.
        landmarks: Face mesh ``(468, 2)`` or five points ``(5, 2)``, in pixels.
        angle: Roll of the head in degrees, positive when the picture's right eye is lower.
        face_id: Which face this is within one video, 0-based.
        was_read: False where it was put between readings of frames that look the same.
    """

    box: FaceBox
    score: float
    landmarks: Landmarks
    angle: float = 0.0
    face_id: int = 0
    was_read: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceFrame:
    """One frame of an avatar with everything prepared for animating it.

    Attributes:
        index: Position in the avatar, 0-based.
        planes: The picture as I420 planes.
        box: Face box. With a non-zero ``angle``: the box in the frame turned upright around the
            box's centre.
        angle: Roll in degrees; 0 for nearly upright faces, which take the exact unrotated path.
        crop: The face, upright, 96 x 96.
        landmarks: Face mesh in pixels of the frame, ``(468, 2)``.
        features: Face-encoder features of ``crop`` for one generator, or ``None``.
        has_face: False where the frame is shown as it is.
        alpha: uint8 ``(h, w)`` opacity, or ``None`` for opaque frames.
        cover: What is in front of the face, in ``crop``; ``None`` where nothing is.
        is_known: False where no face was recognized, as in a given box round an animal's: its
            landmarks are those of a typical face.
    """

    index: int
    planes: Planes
    box: FaceBox
    angle: float
    crop: FaceCrop
    landmarks: Landmarks
    features: tuple[NDArray[np.float16 | np.uint8], ...] | None = None
    has_face: bool = True
    alpha: NDArray[np.uint8] | None = None
    cover: Cover | None = None
    is_known: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.planes.shape[0] * 2 // 3, self.planes.shape[1]


class LipMovement(NamedTuple):
    """How the lips of one frame move, whoever's they are.

    Attributes:
        motion: From the closed mouth, in mouth widths, float32 ``(4, 11, 2)``: outer upper, outer
            lower, inner upper and inner lower contour, each from the left corner to the right.
    """

    motion: NDArray[np.float32]


#: Of lips that do not move.
STILL = LipMovement(np.zeros((4, 11, 2), np.float32))


class Patch(NamedTuple):
    """The changed part of one output frame.

    Attributes:
        reference: The frame below.
        region: Where ``pixels`` go; all four numbers even, so that chroma is exact. Empty
            (``0, 0, 0, 0``) when the reference frame is shown as it is.
        pixels: Already blended: uint8 ``(h, w, 3)`` BGR, or the same as I420 planes
            ``(h * 3 // 2, w)``, which need no conversion; ``runtime.planes`` reads both.
        touched: bool ``(h, w)``; only these pixels are written, the rest keeps its bits.
    """

    reference: ReferenceFrame
    region: FaceBox
    pixels: Frame | Planes
    touched: NDArray[np.bool_]


class Avatar(Protocol):
    """A prepared avatar: what ``Animator`` needs of it; one frame for a still image."""

    @property
    def avatar_id(self) -> str:
        """Its id in the store."""

    @property
    def fps(self) -> float:
        """Frames per second; for a still image the rate asked for."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, both even."""

    @property
    def has_alpha(self) -> bool:
        """Whether its frames carry opacity."""

    @property
    def teeth_frame(self) -> ReferenceFrame | None:
        """The frame that shows its own upper teeth best; ``None`` when none does."""

    def __len__(self) -> int:
        """Number of reference frames."""

    def frames(self, order: Iterator[int]) -> Iterator[ReferenceFrame]:
        """Yield the reference frames in ``order``, reading ahead with bounded memory."""
