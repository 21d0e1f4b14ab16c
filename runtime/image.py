"""Still images: upright, 8-bit BGR, opacity apart; the header is read before the pixels."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import TooLargeError, UnsupportedFormatError, VideoDecodeError
from runtime.image_header import ImageHeader, read_header
from runtime.media import MediaSource, source_name
from runtime.opacity import Alpha, continued
from runtime.pyramid import Pyramid
from runtime.types import Frame, Planes

#: 8K video has 33 million pixels; more is a mistake or an attack.
MAX_PIXELS = 64_000_000
EXPECTED = "an image or a video"


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture of an image or a video.

    Attributes:
        pyramid: Its pixels; where they are not seen, the colours of those that are go on.
        alpha: Opacity, ``None`` when the source has none.
    """

    pyramid: Pyramid
    alpha: Alpha | None = None

    @property
    def frame(self) -> Frame:
        """Its pixels as BGR, uint8 ``(h, w, 3)``; made from its planes when first asked for."""
        return self.pyramid.whole

    @property
    def planes(self) -> Planes | None:
        """The same picture as I420 planes, ``None`` where the source holds none."""
        return self.pyramid.planes

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pyramid.size


def transparent(colours: Frame, alpha: Alpha) -> Picture:
    """Give a picture with opacity; both parts may be views."""
    alpha = np.ascontiguousarray(alpha)
    return Picture(Pyramid(continued(np.ascontiguousarray(colours), alpha)), alpha)


def decode_image(
    content: bytes, *, name: str = "the image", max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode a still image upright; of an animation the first frame.

    Args:
        content: The file's bytes.
        name: What messages call it.
        max_pixels: Limit on height times width, checked before decoding.

    Raises:
        TooLargeError: The header says more than ``max_pixels``.
        UnsupportedFormatError: It is a HEIC image.
        VideoDecodeError: The image is damaged.
    """
    try:
        header = read_header(content)
    except (UnsupportedFormatError, VideoDecodeError) as error:
        found = f"cannot read {name}: expected {EXPECTED}, found a {error}"
        raise type(error)(found) from error
    check_size(header.width, header.height, name, max_pixels)
    picture = _decode_pixels(content, header)
    if picture is None:
        raise VideoDecodeError(
            f"cannot read {name}: expected {EXPECTED}, found damaged {header.codec} data"
        )
    frame = turn(picture.frame, header.orientation)
    alpha = None if picture.alpha is None else turn(picture.alpha, header.orientation)
    return Picture(Pyramid(frame), alpha)


def check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    """Raise ``TooLargeError`` when a picture has more than ``max_pixels`` pixels."""
    if width * height > max_pixels:
        raise TooLargeError(
            f"{name} is too large: expected at most {max_pixels} pixels, found {width} x {height}"
        )


def turn(picture: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (Exif 2.32, tag 0x0112): 1 is upright already."""
    if orientation in {5, 6, 7, 8}:
        picture = picture.swapaxes(0, 1)
    if orientation in {2, 3, 6, 7}:
        picture = picture[:, ::-1]
    if orientation in {3, 4, 7, 8}:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def read_content(source: MediaSource) -> bytes:
    """Give a source's bytes.

    Raises:
        VideoDecodeError: The file cannot be opened.
    """
    if isinstance(source, bytes):
        return source
    try:
        return source.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise VideoDecodeError(
            f"cannot read {source_name(source)}: expected {EXPECTED}, found: {reason}"
        ) from error


def _decode_pixels(content: bytes, header: ImageHeader) -> Picture | None:
    # JPEG is decoded as colour because OpenCV leaves CMYK as it is otherwise.
    mode = cv2.IMREAD_COLOR if header.codec == "jpeg" else cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(
            np.frombuffer(content, np.uint8), mode | cv2.IMREAD_IGNORE_ORIENTATION
        )
    except cv2.error:
        return None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        return None
    return _split_channels(_to_8_bit(np.asarray(pixels)))


def _to_8_bit(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint16:
        return ((pixels.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if pixels.dtype != np.uint8:
        return np.asarray(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)


def _split_channels(pixels: NDArray[np.uint8]) -> Picture:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels in {2, 4}:
        colours = np.broadcast_to(pixels[:, :, :-1], (*pixels.shape[:2], 3))
        return transparent(colours, pixels[:, :, -1])
    if channels == 3:
        return Picture(Pyramid(pixels))
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    return Picture(Pyramid(np.repeat(grey[:, :, None], 3, axis=2)))
