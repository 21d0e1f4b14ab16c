"""``multiscale``: coarse differences fade widely, fine ones narrowly (Burt and Adelson 1983)."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.blending.lips import smoothstep
from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.blending.paste import (
    Canvas,
    add_change,
    crisp_change_of,
    crop_points,
    prepare_canvas,
    tuned_mouth,
)
from runtime.types import Mask, MouthCrop, Patch, ReferenceFrame

LEVELS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Pyramid:
    """A canvas and one mask per level, finest first: ``(96, 96)``, ``(48, 48)`` and so on."""

    canvas: Canvas
    masks: tuple[Mask, ...]


class Multiscale:
    """Blends the bands of a Laplacian pyramid, each under its own mask.

    The pyramid is the one of the change at the generator's own resolution: it is linear, and
    finer bands than that come from the reference frame anyway.
    """

    def __init__(self, options: BlendOptions) -> None:
        """Keep the options that all frames share."""
        self._options = options

    def prepare(self, reference: ReferenceFrame, rest: MouthCrop) -> Pyramid:
        """Draw one mask per level; see ``Method``."""
        mask = lower_face_mask(crop_points(reference), self._options)
        canvas = prepare_canvas(reference, rest, mask, self._options)
        narrow = np.linspace(0.3, 0.0, LEVELS)
        masks = [smoothstep(mask, low, 1 - low) for low in narrow[:-1]] + [mask]
        small = tuple(_shrink(m, level) for level, m in enumerate(masks))
        return Pyramid(canvas, small)

    def blend(self, prepared: Pyramid, mouth: MouthCrop) -> Patch:
        """Weigh every band and add them up; see ``Method``."""
        canvas = prepared.canvas
        change, kept = crisp_change_of(canvas, tuned_mouth(canvas, mouth, self._options))
        weighted = _collapse(_bands(change), prepared.masks)
        # Coarse bands leak past the mask when they are enlarged; fade that out within its rim.
        rim = np.minimum(canvas.area.crop_mask * 16, 1)
        return add_change(canvas, weighted * rim[..., None], kept)


def _bands(picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    bands = []
    for _ in range(LEVELS - 1):
        smaller = cv2.pyrDown(picture)
        bands.append(cv2.subtract(picture, cv2.pyrUp(smaller)))
        picture = np.asarray(smaller, np.float32)
    return [*(np.asarray(band, np.float32) for band in bands), picture]


def _collapse(bands: list[NDArray[np.float32]], masks: tuple[Mask, ...]) -> NDArray[np.float32]:
    total = bands[-1] * masks[-1][..., None]
    for band, mask in zip(bands[-2::-1], masks[-2::-1], strict=True):
        total = cv2.pyrUp(total) + band * mask[..., None]
    return np.asarray(total, np.float32)


def _shrink(mask: Mask, times: int) -> Mask:
    for _ in range(times):
        mask = np.asarray(cv2.pyrDown(mask), np.float32)
    return mask
