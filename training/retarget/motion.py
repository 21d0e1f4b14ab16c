"""Where a portrait's points go when it speaks."""

import numpy as np
from numpy.typing import NDArray

from training.retarget.geometry import Points
from training.retarget.points import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER_RINGS,
    MOUTH_CORNERS,
    UPPER_RINGS,
)
from training.retarget.portrait import Portrait
from training.retarget.reference import reference_head
from training.retarget.speaker import Speaker

#: How much of the correction of the inner lips each ring takes, outermost first.
_RING_SHARES = (0.35, 0.55, 0.8, 1.0)
_BETWEEN_CORNERS = slice(1, -1)


def target_meshes(portrait: Portrait, speaker: Speaker, gain: float) -> Points:
    """Give the portrait's mesh for every frame, ``(n, 468, 2)``, head frame.

    The motion is the speaker's against his rest, scaled to the portrait's mouth; then the inner
    lips are set so that opening over width is the speaker's, whatever the portrait's own mouth did.
    """
    head = reference_head()
    left, right = portrait.neutral[MOUTH_CORNERS]
    width = float(np.linalg.norm(right - left))
    mouth_scale = float(np.clip(width / speaker.mouth_width, 0.8, 1.25))
    scale = (1 + (mouth_scale - 1) * head.lipness) * head.follow * gain
    motion = (speaker.meshes - speaker.rest) * scale[:, None]
    targets: Points = portrait.neutral + np.einsum("ij,tjk->tik", portrait.smoothing, motion)
    _set_openings(targets, speaker, gain)
    return targets


def _set_openings(targets: Points, speaker: Speaker, gain: float) -> None:
    ratio = np.clip(_widths(targets) / _widths(speaker.meshes), 0.8, 1.35) * gain
    gaps = speaker.meshes[:, INNER_LOWER, 1] - speaker.meshes[:, INNER_UPPER, 1]
    half = np.maximum(gaps, 0) * ratio[:, None] / 2
    half[:, [0, -1]] = 0
    middle = (targets[:, INNER_UPPER] + targets[:, INNER_LOWER]) / 2
    drop = np.stack([np.zeros_like(half), half], axis=-1)
    up = middle - drop - targets[:, INNER_UPPER]
    down = middle + drop - targets[:, INNER_LOWER]
    for ring, share in enumerate(_RING_SHARES):
        inner = _BETWEEN_CORNERS
        targets[:, UPPER_RINGS[ring, inner]] += share * up[:, inner]
        targets[:, LOWER_RINGS[ring, inner]] += share * down[:, inner]


def _widths(meshes: Points) -> NDArray[np.float64]:
    left, right = MOUTH_CORNERS
    return np.asarray(np.linalg.norm(meshes[:, right] - meshes[:, left], axis=1))
