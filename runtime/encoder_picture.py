"""The one picture that an encoder is given again and again, and what a patch changes in it."""

import av
import av.video.plane
import numpy as np
from numpy.typing import NDArray

from runtime.opacity import on_black
from runtime.planes import cut_planes, shown_planes, write_patch
from runtime.types import FaceBox, Patch, Planes

#: SMPTE 170M = BT.601 in primaries, transfer and matrix (ISO 23091-2); 1 is limited range.
BT601 = 6
LIMITED_RANGE = 1


class EncoderPicture:
    """One reusable frame; the encoders copy it, so each picture may overwrite the last."""

    def __init__(self, size: tuple[int, int], *, alpha: bool) -> None:
        """Make room for one frame.

        Args:
            size: Height and width in pixels, both even.
            alpha: With opacity; without it transparent frames are shown before black.
        """
        height, width = size
        self._frame = av.VideoFrame(width, height, "yuva420p" if alpha else "yuv420p")
        self._frame.colorspace = self._frame.color_primaries = self._frame.color_trc = BT601
        self._frame.color_range = LIMITED_RANGE
        views = [_plane_view(plane) for plane in self._frame.planes]
        self._luma, self._u, self._v = views[:3]
        self._alpha = views[3] if alpha else None
        self._last: Patch | None = None

    def show(self, patch: Patch) -> av.VideoFrame:
        """Give the frame that a patch makes; a reference shown last is not copied again."""
        reference, last = patch.reference, self._last
        height, width = reference.size
        whole = FaceBox(0, 0, width, height)
        if reference.alpha is not None and self._alpha is None:
            self._copy(on_black(shown_planes(patch), reference.alpha), whole)
            self._last = None
            return self._frame
        if last is not None and last.reference.planes is reference.planes:
            self._copy(reference.planes, last.region)
        else:
            self._copy(reference.planes, whole)
            if self._alpha is not None:
                self._alpha[:] = 255 if reference.alpha is None else reference.alpha
        write_patch(patch, self._luma, self._u, self._v)
        self._last = patch
        return self._frame

    def _copy(self, planes: Planes, region: FaceBox) -> None:
        x1, y1, x2, y2 = region
        half = np.s_[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2]
        targets = self._luma[y1:y2, x1:x2], self._u[half], self._v[half]
        for target, plane in zip(targets, cut_planes(planes, region), strict=True):
            np.copyto(target, plane)


def _plane_view(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
