"""Pictures as I420 planes and as BGR: the one place where colours are converted for output.

Planes are BT.601 limited range, stacked as OpenCV stacks them: h rows of luma, then both chroma
planes of ``h / 2 * w / 2`` bytes each.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.errors import OutputError
from runtime.types import FaceBox, Frame, Patch, Planes

JPEG_QUALITY = 90


def even_size(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad a picture to even height and width by repeating its last row and column.

    Args:
        picture: uint8 ``(h, w)`` or ``(h, w, c)``; returned as it is when already even.
    """
    height, width = picture.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return picture
    pads = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (picture.ndim - 2)
    return np.pad(picture, pads, mode="edge")


def to_planes(frame: Frame) -> Planes:
    """Convert BGR to I420 planes.

    Args:
        frame: uint8 ``(h, w, 3)`` BGR, h and w even.

    Returns:
        uint8 ``(h * 3 // 2, w)``.
    """
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420), np.uint8)


def split_planes(
    planes: Planes,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Give luma ``(h, w)`` and the chroma planes U and V ``(h // 2, w // 2)`` as views."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    return planes[:height], chroma[0], chroma[1]


def cut_planes(
    planes: Planes, region: FaceBox
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Give views of luma, U and V of a region, all four of its numbers even."""
    luma, *chroma = split_planes(planes)
    half = np.s_[region.y1 // 2 : region.y2 // 2, region.x1 // 2 : region.x2 // 2]
    whole = luma[region.y1 : region.y2, region.x1 : region.x2]
    return whole, chroma[0][half], chroma[1][half]


def to_bgr(planes: Planes, region: FaceBox | None = None) -> Frame:
    """Convert I420 planes to BGR.

    Args:
        planes: uint8 ``(h * 3 // 2, w)``.
        region: Part to convert, all four numbers even; the whole picture when omitted.

    Returns:
        uint8 ``(h, w, 3)`` BGR of the region, the same bits as in the whole picture.
    """
    if region is not None:
        planes = _cut(planes, region)
    return np.asarray(cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_I420), np.uint8)


def render(patch: Patch) -> Frame:
    """Give the whole frame of a patch, uint8 ``(h, w, 3)`` BGR."""
    frame = to_bgr(patch.reference.planes)
    region = patch.region
    if region.width > 0 and region.height > 0:
        window = frame[region.y1 : region.y2, region.x1 : region.x2]
        window[patch.touched] = patch_bgr(patch)[patch.touched]
    return frame


def shown_planes(patch: Patch) -> Planes:
    """Give the whole frame of a patch as planes, uint8 ``(h * 3 // 2, w)``."""
    planes = patch.reference.planes.copy()
    write_patch(patch, *split_planes(planes))
    return planes


def patch_bgr(patch: Patch) -> Frame:
    """Give a patch's pixels as BGR, uint8 ``(h, w, 3)``, however they are kept."""
    return to_bgr(patch.pixels) if patch.pixels.ndim == 2 else patch.pixels


def write_patch(patch: Patch, luma: Frame, chroma_u: Frame, chroma_v: Frame) -> None:
    """Write a patch's touched pixels into the planes of a picture, in place.

    A chroma sample covers four pixels and is written when any of them is touched.

    Args:
        patch: The changed part; its region even.
        luma: uint8 ``(h, w)``, may be a view of a wider buffer.
        chroma_u: uint8 ``(h // 2, w // 2)``.
        chroma_v: uint8 ``(h // 2, w // 2)``.
    """
    x1, y1, x2, y2 = patch.region
    if x2 <= x1 or y2 <= y1:
        return
    pixels = patch.pixels
    new_luma, new_u, new_v = split_planes(pixels if pixels.ndim == 2 else to_planes(pixels))
    half = np.s_[y1 // 2 : y2 // 2, x1 // 2 : x2 // 2]
    if patch.touched.all():
        luma[y1:y2, x1:x2], chroma_u[half], chroma_v[half] = new_luma, new_u, new_v
        return
    touched = patch.touched.view(np.uint8)
    touched_chroma = touched[::2, ::2]
    for row, column in ((0, 1), (1, 0), (1, 1)):
        touched_chroma = np.maximum(touched_chroma, touched[row::2, column::2])
    cv2.copyTo(new_luma, touched, luma[y1:y2, x1:x2])
    cv2.copyTo(new_u, touched_chroma, chroma_u[half])
    cv2.copyTo(new_v, touched_chroma, chroma_v[half])


def encode_jpeg(frame: Frame, *, quality: int = JPEG_QUALITY) -> bytes:
    """Encode a picture as JPEG.

    Args:
        frame: uint8 ``(h, w, 3)`` BGR.
        quality: 1 to 100.

    Raises:
        OutputError: The picture is empty or larger than JPEG allows.
    """
    try:
        done, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    except cv2.error as error:
        raise OutputError(f"cannot encode a {frame.shape} picture as JPEG") from error
    if not done:
        raise OutputError(f"cannot encode a {frame.shape} picture as JPEG")
    return content.tobytes()


def _cut(planes: Planes, region: FaceBox) -> Planes:
    cut = np.empty((region.height * 3 // 2, region.width), np.uint8)
    for part, plane in zip(split_planes(cut), cut_planes(planes, region), strict=True):
        part[:] = plane
    return cut
