"""Pictures in and out: images and videos to upright even-sized frames, and the public names."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import OptionError
from runtime.frame_conversion import ROTATIONS
from runtime.image import MAX_PIXELS, Picture, decode_image, read_content
from runtime.image_header import is_image, read_header
from runtime.media import MediaSource, source_name
from runtime.muxing import EncodeOptions
from runtime.opacity import Alpha
from runtime.planes import encode_jpeg, even_size, render, to_bgr, to_planes
from runtime.pyramid import Pyramid
from runtime.resampling import MuxAudio
from runtime.types import Frame
from runtime.video_reader import probe_video_stream, read_video
from runtime.video_writer import VideoWriter

__all__ = [
    "MAX_PIXELS",
    "Alpha",
    "Crop",
    "EncodeOptions",
    "MuxAudio",
    "Picture",
    "VideoInfo",
    "VideoWriter",
    "encode_jpeg",
    "even_size",
    "probe_video",
    "read_alpha",
    "read_frames",
    "read_image",
    "read_pictures",
    "render",
    "to_bgr",
    "to_planes",
]

#: Rows ``top:bottom`` and columns ``left:right`` to keep; -1 as bottom or right is the end.
Crop = tuple[int, int, int, int]
IMAGE_FPS = 25.0
MAGIC_BYTES = 64


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What an image or video holds.

    Attributes:
        kind: "image" or "video".
        width: Displayed pixels, upright.
        height: Displayed pixels, upright.
        fps: Average rate; 25 for an image.
        frame_count: Frames, from the header; 1 for an image.
        duration_s: Seconds, from the header; 0 for an image.
        rotation: Degrees clockwise from stored to upright.
        codec: As FFmpeg spells it.
        has_alpha: Whether pixels carry opacity.
        has_audio: Whether there is a sound stream.
    """

    kind: Literal["image", "video"]
    width: int
    height: int
    fps: float
    frame_count: int
    duration_s: float
    rotation: int
    codec: str
    has_alpha: bool
    has_audio: bool


def read_pictures(
    source: MediaSource,
    *,
    fps: float | None = None,
    resize_factor: int = 1,
    rotate: bool = False,
    crop: Crop | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Picture]:
    """Yield the pictures of an image or video with their opacity, one at a time.

    They are upright (EXIF, display matrix), of square pixels and of even size (the last row and
    column repeated where needed). The options act in Wav2Lip's order: shrink, rotate, crop.

    Args:
        source: Path, or the file's bytes.
        fps: Constant rate of the result; the video's own average when ``None``.
        resize_factor: Divides height and width.
        rotate: Turn by 90 degrees clockwise.
        crop: Part to keep.
        max_pixels: Limit on height times width, checked before decoding.

    Raises:
        OptionError: The crop is empty, or the resize factor or rate is not positive.
        TooLargeError: A picture has more than ``max_pixels``.
        VideoDecodeError: There is no readable picture.
    """
    if resize_factor < 1 or (fps is not None and not fps > 0):
        raise OptionError(
            f"expected a resize factor of at least 1 and a positive rate, "
            f"found resize factor {resize_factor} and {fps} frames per second"
        )
    if _is_image(source):
        content, name = read_content(source), source_name(source)
        pictures = iter([decode_image(content, name=name, max_pixels=max_pixels)])
    else:
        pictures = read_video(source, fps=fps, max_pixels=max_pixels)
    is_edited = resize_factor > 1 or rotate or crop is not None
    for picture in pictures:
        if not is_edited and not any(side % 2 for side in picture.size):
            yield picture
            continue
        frame = _edit(picture.frame, resize_factor, rotate, crop)
        alpha = picture.alpha
        alpha = None if alpha is None else _edit(alpha, resize_factor, rotate, crop)
        yield Picture(Pyramid(frame), alpha)


def read_frames(
    source: MediaSource,
    *,
    fps: float | None = None,
    resize_factor: int = 1,
    rotate: bool = False,
    crop: Crop | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Frame]:
    """Yield the frames of an image (one) or video; see ``read_pictures``."""
    pictures = read_pictures(
        source,
        fps=fps,
        resize_factor=resize_factor,
        rotate=rotate,
        crop=crop,
        max_pixels=max_pixels,
    )
    for picture in pictures:
        yield picture.frame


def read_image(source: MediaSource, *, max_pixels: int = MAX_PIXELS) -> Frame:
    """Read an image, or the first frame of a video; see ``read_pictures``."""
    return _first(read_pictures(source, max_pixels=max_pixels)).frame


def read_alpha(source: MediaSource, *, max_pixels: int = MAX_PIXELS) -> Alpha:
    """Read the opacity of an image, uint8 ``(h, w)``; 255 everywhere when it has none."""
    picture = _first(read_pictures(source, max_pixels=max_pixels))
    if picture.alpha is None:
        return np.full(picture.frame.shape[:2], 255, np.uint8)
    return picture.alpha


def probe_video(source: MediaSource, *, max_pixels: int = MAX_PIXELS) -> VideoInfo:
    """Tell what an image or video holds; decodes one picture.

    Raises:
        TooLargeError: A picture has more than ``max_pixels``.
        VideoDecodeError: There is no readable picture.
    """
    if not _is_image(source):
        return VideoInfo("video", *probe_video_stream(source, max_pixels=max_pixels))
    content, name = read_content(source), source_name(source)
    picture = decode_image(content, name=name, max_pixels=max_pixels)
    header = read_header(content)
    return VideoInfo(
        kind="image",
        width=picture.size[1],
        height=picture.size[0],
        fps=IMAGE_FPS,
        frame_count=1,
        duration_s=0.0,
        rotation=ROTATIONS[header.orientation],
        codec=header.codec,
        has_alpha=picture.alpha is not None,
        has_audio=False,
    )


def _is_image(source: MediaSource) -> bool:
    if isinstance(source, bytes):
        return is_image(source[:MAGIC_BYTES])
    try:
        with source.open("rb") as file:
            return is_image(file.read(MAGIC_BYTES))
    except OSError:
        return False  # The video reader names the reason.


def _edit(
    picture: NDArray[np.uint8], resize_factor: int, rotate: bool, crop: Crop | None
) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if resize_factor > 1:
        size_wh = max(1, width // resize_factor), max(1, height // resize_factor)
        picture = np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    if rotate:
        picture = np.asarray(cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    if crop is not None:
        picture = _crop(picture, crop)
    return np.ascontiguousarray(even_size(picture))


def _crop(picture: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    top, bottom, left, right = crop
    bottom = height if bottom == -1 else bottom
    right = width if right == -1 else right
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise OptionError(
            f"crop {top} {bottom} {left} {right} does not fit: expected top < bottom <= {height} "
            f"and left < right <= {width} (-1 is the end)"
        )
    return picture[top:bottom, left:right]


def _first(pictures: Iterator[Picture]) -> Picture:
    return next(pictures)
