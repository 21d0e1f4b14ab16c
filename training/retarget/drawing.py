"""Draw a portrait that talks: skin and lips warped, the mouth's inside taken from the clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from runtime.types import Frame
from training.corpus import VIDEO_SIZE
from training.retarget.colours import InsideTone
from training.retarget.geometry import Affine, Points, apply, draw_triangles, invert, rise
from training.retarget.motion import target_meshes
from training.retarget.points import (
    INNER_LOWER,
    INNER_UPPER,
    OVAL,
    RING_LENGTH,
    strip,
)
from training.retarget.portrait import DRAWN_SIZE, Portrait
from training.retarget.reference import reference_head
from training.retarget.speaker import Speaker

#: The source's own lip edge stays out of the inside, and the inside reaches under the lips.
_EDGE, _UNDER = 0.010, 0.022
#: Lips part visibly between these distances, head frame.
_PARTING = (0.004, 0.026)
#: About where a head turns, head frame.
_PIVOT = np.array([0.0, 0.35])

_ROWS = np.arange(4 * RING_LENGTH).reshape(4, RING_LENGTH)
_INSIDE_TRIANGLES = np.array(
    [triangle for row in range(3) for triangle in strip(_ROWS[row], _ROWS[row + 1])], np.int32
)
_TAPER = np.clip(np.sin(np.linspace(0, np.pi, RING_LENGTH)), 0, 1) ** 0.6

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How to draw.

    Attributes:
        gain: Factor on the motion of lips and jaw.
        head: How much of the speaker's own small head motion to take over, 0 to 1.
        shading: How much of the skin's changes of light to take over, 0 to 1.
        inside_shade: Factor on the light of the mouth's inside.
    """

    gain: float = 1.0
    head: float = 0.6
    shading: float = 0.7
    inside_shade: float = 1.0


class Talking(NamedTuple):
    """What was drawn.

    Attributes:
        frames: uint8 ``(n, 128, 128, 3)`` BGR.
        meshes: float32 ``(n, 468, 2)``, pixels of the frames: exact, not tracked again.
    """

    frames: Frame
    meshes: NDArray[np.float32]


def draw_talking(portrait: Portrait, speaker: Speaker, options: DrawOptions) -> Talking:
    """Draw the portrait saying what the speaker says, one frame for each of the clip."""
    targets = target_meshes(portrait, speaker, options.gain)
    light = _skin_light(portrait, speaker, options.shading)
    tone = InsideTone.between(
        portrait.skin, portrait.teeth, reference_head().teeth, options.inside_shade
    )
    moves = _head_moves(portrait, speaker, options.head)
    frames, meshes = [], []
    for index, (target, move) in enumerate(zip(targets, moves, strict=True)):
        picture = _draw_skin(portrait, target, light[index])
        _draw_inside(picture, portrait, speaker, index, target, tone)
        moved = cv2.warpAffine(
            picture, move, (DRAWN_SIZE, DRAWN_SIZE), borderMode=cv2.BORDER_REPLICATE
        )
        size = (VIDEO_SIZE, VIDEO_SIZE)
        frames.append(cv2.resize(moved, size, interpolation=cv2.INTER_AREA))
        placed = apply(move, apply(portrait.to_crop, target))
        # Pixel centres: a point at c lies at (c + 0.5) * ratio - 0.5 of the small picture.
        meshes.append((placed + 0.5) * VIDEO_SIZE / DRAWN_SIZE - 0.5)
    return Talking(np.stack(frames).astype(np.uint8), np.stack(meshes).astype(np.float32))


def _skin_light(portrait: Portrait, speaker: Speaker, share: float) -> NDArray[np.float64]:
    """Give the logarithm of light for every frame and point, anchors included."""
    followed = speaker.shading * reference_head().follow
    light = share * (followed @ portrait.smoothing.T)
    light[:, OVAL] *= 0.5
    return np.pad(light, ((0, 0), (0, len(portrait.anchors))))


def _head_moves(portrait: Portrait, speaker: Speaker, share: float) -> list[Affine]:
    """Give the speaker's own head motion about his median pose, for pixels of the crop."""
    poses = speaker.to_head
    scale = np.hypot(poses[:, 0, 0], poses[:, 1, 0])
    angle = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
    pivot = np.stack([apply(invert(pose), _PIVOT) for pose in poses]) * np.median(scale)
    grow, turn = _around_median(-np.log(scale), share), _around_median(-angle, share)
    shift = _around_median(pivot, share) * portrait.eye_distance
    centre = apply(portrait.to_crop, _PIVOT)
    moves = []
    for log_scale, radians, step in zip(grow, turn, shift, strict=True):
        cosine, sine = np.cos(radians), np.sin(radians)
        linear = np.exp(log_scale) * np.array([[cosine, -sine], [sine, cosine]])
        moves.append(np.column_stack([linear, centre + step - linear @ centre]))
    return moves


def _around_median(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    centred = values - np.median(values, axis=0)
    return np.asarray(gaussian_filter1d(centred, 2.0, axis=0, mode="nearest") * share)


def _draw_skin(portrait: Portrait, target: Points, light: NDArray[np.float64]) -> Frame:
    ys, xs = np.mgrid[:DRAWN_SIZE, :DRAWN_SIZE].astype(np.float32)
    canvas = np.dstack([xs, ys, np.zeros_like(xs)])
    corners = np.concatenate([apply(portrait.to_crop, target), portrait.anchors])
    values = np.column_stack([portrait.source, light]).astype(np.float32)
    draw_triangles(canvas, portrait.triangles, corners, values)
    picture = cv2.remap(
        portrait.crop, canvas[..., 0], canvas[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    gain = np.exp(cv2.GaussianBlur(canvas[..., 2], (0, 0), 1.5))[..., None]
    return np.asarray(np.clip(picture * gain + 0.5, 0, 255), np.uint8)


def _draw_inside(
    picture: Frame,
    portrait: Portrait,
    speaker: Speaker,
    index: int,
    target: Points,
    tone: InsideTone,
) -> None:
    """Put teeth, tongue and dark between the lips, from the clip's own frame."""
    mesh = speaker.meshes[index]
    gap = mesh[INNER_LOWER, 1] - mesh[INNER_UPPER, 1]
    opacity = _opacity(gap, portrait.opening)
    if opacity.max() <= 0.02:
        return
    under = np.column_stack([np.zeros(RING_LENGTH), _UNDER * _TAPER])
    upper, lower = target[INNER_UPPER], target[INNER_LOWER]
    corners = apply(portrait.to_crop, np.concatenate([upper - under, upper, lower, lower + under]))
    source = apply(invert(speaker.to_head[index]), _inside_rows(mesh, gap, under))
    values = np.column_stack([source, np.concatenate([0 * opacity, opacity, opacity, 0 * opacity])])
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, DRAWN_SIZE)
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 3, 0, DRAWN_SIZE)
    canvas = np.zeros((high[1] - low[1], high[0] - low[0], 3), np.float32)
    draw_triangles(canvas, _INSIDE_TRIANGLES, corners - low, values.astype(np.float32))
    inside = cv2.remap(
        speaker.frames[index], canvas[..., 0], canvas[..., 1], cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    toned = tone.apply(inside.astype(np.float32))
    alpha = cv2.GaussianBlur(canvas[..., 2], (3, 3), 0.7)[..., None]
    part = picture[low[1] : high[1], low[0] : high[0]]
    part[...] = np.clip(part * (1 - alpha) + toned * alpha + 0.5, 0, 255).astype(np.uint8)


def _opacity(gap: NDArray[np.float64], own_opening: float) -> NDArray[np.float64]:
    """Show the inside where lips part; always where the portrait showed its own teeth."""
    seam = float(rise(np.array(own_opening), 0.03, 0.12))
    opacity = np.maximum(rise(gap, *_PARTING), 0.75 * seam * _TAPER)
    opacity[[0, -1]] *= 0.3
    return opacity


def _inside_rows(mesh: Points, gap: NDArray[np.float64], under: Points) -> Points:
    """Give four rows of points across the source's mouth, head frame."""
    inset = np.minimum(_EDGE * _TAPER, 0.25 * np.maximum(gap, 0))
    upper, lower = mesh[INNER_UPPER].copy(), mesh[INNER_LOWER].copy()
    upper[:, 1] += inset
    lower[:, 1] -= inset
    return np.concatenate([upper - under, upper, lower, lower + under])
