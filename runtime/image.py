"""Still images: upright, 8-bit BGR, opacity apart; the header is read before the pixels."""

import struct
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import TooLargeError, UnsupportedFormatError, VideoDecodeError
from runtime.media import MediaSource, source_name
from runtime.types import Frame

#: uint8 ``(h, w)``, 255 is opaque.
Alpha = NDArray[np.uint8]

#: 8K video has 33 million pixels; more is a mistake or an attack.
MAX_PIXELS = 64_000_000
EXPECTED = "an image or a video"
EXIF_ORIENTATION = 0x0112
#: Start-of-frame markers of JPEG (all but DHT, JPG and DAC).
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Picture(NamedTuple):
    """One picture of an image or a video.

    Attributes:
        frame: uint8 ``(h, w, 3)`` BGR; colours under transparency are kept as stored.
        alpha: Opacity, ``None`` when the source has none.
    """

    frame: Frame
    alpha: Alpha | None


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image's header says.

    Attributes:
        codec: jpeg, png, webp, avif, bmp, gif or tiff.
        width: Pixels as stored, before turning.
        height: Pixels as stored, before turning.
        orientation: EXIF orientation, 1 (upright) to 8.
    """

    codec: str
    width: int
    height: int
    orientation: int = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        """Height and width after turning."""
        if self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width


def is_image(head: bytes) -> bool:
    """Tell whether a file is a still image, from its first 64 bytes."""
    return bool(_image_codec(head))


def read_header(content: bytes) -> ImageHeader:
    """Read size and orientation without decoding pixels.

    Raises:
        UnsupportedFormatError: It is a HEIC image, whose tiles no library here joins.
        VideoDecodeError: The header is damaged.
    """
    codec = _image_codec(content)
    if codec == "heic":
        raise UnsupportedFormatError("HEIC image; save it as JPEG or PNG")
    try:
        return _HEADER_READERS[codec](content)
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise VideoDecodeError(f"damaged {codec or 'image'} header") from error


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
    return Picture(frame, alpha)


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
        return np.clip(np.nan_to_num(pixels.astype(np.float32)) * 255, 0, 255).astype(np.uint8)
    return pixels.astype(np.uint8, copy=False)


def _split_channels(pixels: NDArray[np.uint8]) -> Picture:
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 4:
        return Picture(np.ascontiguousarray(pixels[:, :, :3]), pixels[:, :, 3].copy())
    if channels == 3:
        return Picture(pixels, None)
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    alpha = pixels[:, :, 1].copy() if channels == 2 else None
    return Picture(np.repeat(grey[:, :, None], 3, axis=2), alpha)


def _image_codec(head: bytes) -> str:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = head[8:64]
        return next((codec for brand, codec in _BRANDS.items() if brand in brands), "")
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            return codec
    return ""


def _png_header(content: bytes) -> ImageHeader:
    width, height = struct.unpack_from(">II", content, 16)
    offset, orientation = 8, 1
    while offset + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, offset)
        if kind == b"IDAT":
            break
        if kind == b"eXIf":
            orientation = _exif_orientation(content[offset + 8 : offset + 8 + size])
        offset += 12 + size
    return ImageHeader("png", width, height, orientation)


def _jpeg_header(content: bytes) -> ImageHeader:
    offset, orientation = 2, 1
    while True:
        while content[offset] == 0xFF:
            offset += 1
        marker = content[offset]
        (size,) = struct.unpack_from(">H", content, offset + 1)
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, offset + 4)
            return ImageHeader("jpeg", width, height, orientation)
        if marker == 0xE1 and content[offset + 3 : offset + 9] == b"Exif\0\0":
            orientation = _exif_orientation(content[offset + 9 : offset + 1 + size])
        offset += 1 + size


def _webp_header(content: bytes) -> ImageHeader:
    kind = content[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(content[24:27], "little")
        height = 1 + int.from_bytes(content[27:30], "little")
        return ImageHeader("webp", width, height, _webp_orientation(content))
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", content, 21)[0]
        return ImageHeader("webp", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", content, 26)
    return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF)


def _webp_orientation(content: bytes) -> int:
    offset = 12
    while offset + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, offset)
        if kind == b"EXIF":
            exif = content[offset + 8 : offset + 8 + size]
            return _exif_orientation(exif.removeprefix(b"Exif\0\0"))
        offset += 8 + size + size % 2
    return 1


def _avif_header(content: bytes) -> ImageHeader:
    # The image's "ispe" property (ISO 23008-12): version and flags, width, height.
    width, height = struct.unpack_from(">II", content, content.index(b"ispe") + 8)
    return ImageHeader("avif", width, height)


def _gif_header(content: bytes) -> ImageHeader:
    width, height = struct.unpack_from("<HH", content, 6)
    return ImageHeader("gif", width, height)


def _bmp_header(content: bytes) -> ImageHeader:
    if struct.unpack_from("<I", content, 14)[0] == 12:
        return ImageHeader("bmp", *struct.unpack_from("<HH", content, 18))
    width, height = struct.unpack_from("<ii", content, 18)
    return ImageHeader("bmp", abs(width), abs(height))


def _tiff_header(content: bytes) -> ImageHeader:
    tags = _tiff_tags(content)
    return ImageHeader("tiff", tags[0x0100], tags[0x0101], tags.get(EXIF_ORIENTATION, 1))


def _exif_orientation(exif: bytes) -> int:
    try:
        orientation = _tiff_tags(exif).get(EXIF_ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _tiff_tags(content: bytes) -> dict[int, int]:
    """Read the integer tags of the first directory (TIFF 6.0, section 2)."""
    order = "<" if content[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", content, 4)
    (count,) = struct.unpack_from(order + "H", content, start)
    tags = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", content, entry)
        if kind in {3, 4}:
            (tags[tag],) = struct.unpack_from(
                order + ("H" if kind == 3 else "I"), content, entry + 8
            )
    return tags


#: Brands of still images in an ISO container, the more telling first.
_BRANDS = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"mif1": "heic"}
_MAGIC = {
    b"\xff\xd8\xff": "jpeg",
    b"\x89PNG\r\n\x1a\n": "png",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
_HEADER_READERS = {
    "png": _png_header,
    "jpeg": _jpeg_header,
    "webp": _webp_header,
    "avif": _avif_header,
    "gif": _gif_header,
    "bmp": _bmp_header,
    "tiff": _tiff_header,
}
