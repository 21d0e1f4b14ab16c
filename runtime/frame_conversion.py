"""Decoded video frames to upright pictures with square pixels, whatever their format."""

from fractions import Fraction

import av
import av.video.stream
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from runtime.decoded_planes import can_take, decoded_planes
from runtime.hdr import needs_mapping, to_srgb
from runtime.image import Picture, check_size, transparent, turn
from runtime.media import MediaSource, source_name
from runtime.pyramid import Pyramid

#: Pixel aspect ratios beyond this are nonsense in a header.
MAX_ASPECT = 8
#: YUV without a tag: high definition is BT.709, all else BT.601 (what players assume).
HD_HEIGHT = 720
UNSPECIFIED_COLORSPACE = 2
BT709, BT601 = 1, 6
#: Accurate rounding keeps colours within one level, for 5 ms instead of 1 ms a 1080p frame.
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
#: Signs of a display matrix (a, b, c, d; ISO 14496-12) as EXIF orientations.
ORIENTATIONS = {
    (1, 0, 0, 1): 1,
    (-1, 0, 0, 1): 2,
    (-1, 0, 0, -1): 3,
    (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5,
    (0, 1, -1, 0): 6,
    (0, -1, -1, 0): 7,
    (0, -1, 1, 0): 8,
}
#: Clockwise degrees by which each EXIF orientation turns the stored picture.
ROTATIONS = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}


def orientation(frame: av.VideoFrame) -> int:
    """Read the display matrix as an EXIF orientation; odd angles go to the nearest quarter."""
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, SideData):
        return 1
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    signs = (int(np.sign(a)), int(np.sign(b)), int(np.sign(c)), int(np.sign(d)))
    return ORIENTATIONS.get(signs, 1)


class FrameConverter:
    """Turns decoded frames into upright pictures of one size; keeps the last, for repeating."""

    def __init__(
        self, stream: av.video.stream.VideoStream, source: MediaSource, max_pixels: int
    ) -> None:
        self._aspect = stream.sample_aspect_ratio or Fraction(1)
        if not Fraction(1, MAX_ASPECT) <= self._aspect <= MAX_ASPECT:
            self._aspect = Fraction(1)
        self._name = source_name(source)
        self._max_pixels = max_pixels
        self._size: tuple[int, int] | None = None
        self._orientation = 1
        self._reformatter = VideoReformatter()
        self._last: tuple[av.VideoFrame, Picture] | None = None

    def picture(self, frame: av.VideoFrame) -> Picture:
        """Convert a frame; the same frame again costs nothing.

        Raises:
            TooLargeError: The frame has more than ``max_pixels``.
        """
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        check_size(frame.width, frame.height, self._name, self._max_pixels)
        if self._size is None:
            self._size = frame.height, max(1, round(frame.width * self._aspect))
            check_size(self._size[1], self._size[0], self._name, self._max_pixels)
            # Once: looking at a frame's side data ties it into a reference cycle, and frames
            # would pile up until the next garbage collection.
            self._orientation = orientation(frame)
        picture = self._convert(frame, self._size)
        self._last = (frame, picture)
        return picture

    def _convert(self, frame: av.VideoFrame, size: tuple[int, int]) -> Picture:
        transfer, primaries = frame.color_trc, frame.color_primaries
        if needs_mapping(transfer, primaries):
            wide = self._pixels(frame, size, "bgr48le").astype(np.uint16, copy=False)
            srgb = to_srgb(wide, transfer, primaries)
            return Picture(Pyramid(turn(srgb, self._orientation)))
        matrix = _matrix(frame)
        if size == (frame.height, frame.width) and can_take(frame, matrix):
            return Picture(Pyramid(decoded_planes(frame, matrix, self._orientation)))
        has_alpha = any(component.is_alpha for component in frame.format.components)
        pixels = self._pixels(frame, size, "bgra" if has_alpha else "bgr24")
        upright = turn(pixels.astype(np.uint8, copy=False), self._orientation)
        if has_alpha:
            return transparent(upright[:, :, :3], upright[:, :, 3])
        return Picture(Pyramid(upright))

    def _pixels(
        self, frame: av.VideoFrame, size: tuple[int, int], pixel_format: str
    ) -> NDArray[np.generic]:
        untagged = frame.colorspace == UNSPECIFIED_COLORSPACE and not frame.format.is_rgb
        hd = untagged and _matrix(frame) == BT709
        converted = self._reformatter.reformat(
            frame,
            width=size[1],
            height=size[0],
            format=pixel_format,
            src_colorspace=Colorspace.ITU709 if hd else None,
            interpolation=SCALING,
            threads=1,
        )
        return converted.to_ndarray()


def _matrix(frame: av.VideoFrame) -> int:
    """Give the ISO 23091-2 code of a frame's matrix; see ``HD_HEIGHT`` for untagged ones."""
    if frame.colorspace != UNSPECIFIED_COLORSPACE:
        return int(frame.colorspace)
    return BT709 if frame.height >= HD_HEIGHT else BT601
