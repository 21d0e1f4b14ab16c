"""Headers of still images: kind, size and orientation without decoding a pixel."""

import struct
from dataclasses import dataclass

from runtime.errors import UnsupportedFormatError, VideoDecodeError

EXIF_ORIENTATION = 0x0112
#: Start-of-frame markers of JPEG (all but DHT, JPG and DAC).
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


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
    offset, orientation, kind = 8, 1, b""
    # To the end: a chunk that claims gigabytes would make the decoder allocate them.
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", content, offset)
        if offset + 12 + size > len(content):
            raise ValueError("a chunk passes the end of the file")
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
