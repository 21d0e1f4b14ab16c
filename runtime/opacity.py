"""Colours of pixels that are not seen, and pictures seen before black."""

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.planes import split_planes
from runtime.types import Frame, Planes

#: uint8 ``(h, w)``, 255 is opaque.
Alpha = NDArray[np.uint8]

#: Fainter pixels are not seen: opacity that was compressed is off by a few levels.
LEAST_SEEN = 8
#: Colours are continued in a picture reduced by this: at 1080p that takes a fifth of the time.
_STEP = 4
#: Parts of which less than this is seen, of 255, have no colour that could be trusted.
_LEAST_SHARE = 64
#: Further away than this share of the shorter side all is of one colour, which costs no bits.
_REACH = 0.1
#: BT.601 limited range: black.
_BLACK, _GREY = 16, 128


def continued(frame: Frame, alpha: Alpha) -> Frame:
    """Give pixels that are not seen the colours of those nearby that are.

    What was stored under transparency (mostly black) would come to light where a jaw moves, and it
    mixes into the colours of edges, whose chroma neighbours share.

    Args:
        frame: uint8 ``(h, w, 3)`` BGR.
        alpha: Its opacity.

    Returns:
        The frame with other colours where it is transparent.
    """
    seen = np.where(alpha < LEAST_SEEN, np.uint8(0), np.uint8(255))
    if seen.all():
        return frame
    height, width = alpha.shape
    small_wh = -(-width // _STEP), -(-height // _STEP)
    light = cv2.resize(cv2.copyTo(frame, seen), small_wh, interpolation=cv2.INTER_AREA)
    share = cv2.resize(seen, small_wh, interpolation=cv2.INTER_AREA)
    known = share >= _LEAST_SHARE
    if not known.any():
        return frame
    colours = light[known] * (255 / share[known][:, None])
    distance, nearest = cv2.distanceTransformWithLabels(
        (~known).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    table[nearest[known]] = np.minimum(np.rint(colours), 255)
    far = np.minimum(distance / (_REACH * min(known.shape)), 1)[..., None]
    small = table[nearest] * (1 - far) + colours.mean(0) * far
    filled = cv2.resize(np.rint(small).astype(np.uint8), (width, height))
    return np.asarray(cv2.copyTo(frame, seen, filled), np.uint8)


def on_black(planes: Planes, alpha: Alpha) -> Planes:
    """Show a transparent picture before black.

    Args:
        planes: Its colours as I420 planes, ``(h * 3 // 2, w)``.
        alpha: Its opacity, ``(h, w)``.
    """
    half_wh = alpha.shape[1] // 2, alpha.shape[0] // 2
    halved = cv2.resize(alpha, half_wh, interpolation=cv2.INTER_AREA)
    shown = np.empty_like(planes)
    levels = (_BLACK, _GREY, _GREY)
    opacities = (alpha, halved, halved)
    for plane, target, black, opacity in zip(
        split_planes(planes), split_planes(shown), levels, opacities, strict=True
    ):
        light = np.subtract(plane, black, dtype=np.int16)
        target[:] = cv2.multiply(light, opacity, scale=1 / 255, dtype=cv2.CV_16S) + black
    return shown
