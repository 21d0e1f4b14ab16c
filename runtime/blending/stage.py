"""The stage between generator and video writer: mouths in, patches out, order kept."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from runtime.types import (
    FaceBox,
    Frame,
    LipMovement,
    MelChunk,
    MouthCrop,
    Patch,
    ReferenceFrame,
)

Prepared = TypeVar("Prepared")
#: Gives the mouth that a generator makes of a silent sound, for the colour match and closed lips.
Rest = Callable[[ReferenceFrame], MouthCrop]
#: Draws the mouths of one frame for a few sounds, in order.
Draw = Callable[[ReferenceFrame, Sequence[MelChunk]], Sequence[MouthCrop]]
#: Prepared frames kept: a still avatar needs one, a video avatar those around the turn of its loop.
#: Each holds float pictures of the face: 32 of them took 260 MB more at 1920x1080.
KEPT_FRAMES = 4


class BlendStage(Protocol):
    """Blends mouths into their frames; it may hold frames back until it has seen the next ones."""

    def takes_movement(self, reference: ReferenceFrame) -> bool:
        """Tell whether a frame's lips can be moved without a drawn mouth.

        Asked for each frame, in order, before it is pushed.
        """

    def push(
        self, reference: ReferenceFrame, mouth: MouthCrop | LipMovement, *, speaking: float = 1.0
    ) -> list[Patch]:
        """Take one mouth and give the patches that are ready, oldest first.

        Args:
            reference: Frame to blend into.
            mouth: uint8 ``(96, 96, 3)`` BGR, as returned by ``Generator``; or a movement, as
                returned by ``AudioLips``, for a frame that takes one.
            speaking: Weight of speech in this frame, 0 to 1; methods that know the lips close
                them by it.
        """

    def flush(self) -> list[Patch]:
        """Give all patches held back; the stage is then as new."""


class Method(Protocol[Prepared]):
    """One way to blend: what is done once per reference frame, and what once per mouth."""

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> Prepared:
        """Do everything that does not depend on the sound.

        Args:
            reference: Frame with a face.
            rest: A mouth generated for it, closed if possible, for matching colours.
        """

    def blend(self, prepared: Prepared, mouth: MouthCrop) -> Patch:
        """Blend one mouth."""


class PasteStage(Generic[Prepared]):
    """Runs a method that needs no look at neighbouring frames."""

    def __init__(self, method: Method[Prepared], *, rest: Rest | None = None) -> None:
        """Bring method and rest mouth together.

        Args:
            method: How to blend.
            rest: Gives the closed mouth of a frame; without it the first mouth seen stands for it.
        """
        self._method = method
        self._rest = rest
        self._kept = KeptFrames[Prepared]()

    def takes_movement(self, reference: ReferenceFrame) -> bool:  # noqa: ARG002 - none does
        """Say no: pasting needs a drawn mouth."""
        return False

    def push(
        self,
        reference: ReferenceFrame,
        mouth: MouthCrop | LipMovement,
        *,
        speaking: float = 1.0,  # noqa: ARG002 - pasted pixels are faded by the caller
    ) -> list[Patch]:
        """Give the one patch of this mouth; see ``BlendStage``.

        Raises:
            TypeError: It is a movement.
        """
        if not reference.has_face:
            return [unchanged(reference)]
        if isinstance(mouth, LipMovement):
            raise TypeError("a movement cannot be pasted")
        prepared = self._kept.get(reference, lambda: self._prepare(reference, mouth))
        return [self._method.blend(prepared, mouth)]

    def flush(self) -> list[Patch]:
        """Give nothing: no patch is ever held back."""
        return []

    def _prepare(self, reference: ReferenceFrame, mouth: MouthCrop) -> Prepared:
        rest = self._rest(reference) if self._rest else mouth
        return self._method.prepare(reference, rest)


class KeptFrames(Generic[Prepared]):
    """What was prepared for the last few reference frames.

    A frame is known by its planes, which are held so that their identity stays theirs: an avatar
    may build a new ``ReferenceFrame`` around the same picture every time.
    """

    def __init__(self, capacity: int = KEPT_FRAMES) -> None:
        """Keep at most ``capacity`` frames, the longest unused goes first."""
        self._capacity = capacity
        self._kept: OrderedDict[int, tuple[object, Prepared]] = OrderedDict()

    def get(self, reference: ReferenceFrame, prepare: Callable[[], Prepared]) -> Prepared:
        """Give what was prepared for this frame, preparing it when it is not there."""
        key = id(reference.planes)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key][1]
        prepared = prepare()
        self._kept[key] = (reference.planes, prepared)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
        return prepared


def unchanged(reference: ReferenceFrame) -> Patch:
    """Give the patch that shows a reference frame as it is."""
    nothing = np.zeros((0, 0), bool)
    return Patch(reference, FaceBox(0, 0, 0, 0), _no_pixels(), nothing)


def _no_pixels() -> Frame:
    return np.zeros((0, 0, 3), np.uint8)
