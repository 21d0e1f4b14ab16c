"""The reference head: whose rest all motion is measured from, and how far each point follows.

``reference.npz`` holds the median rest mesh of speaker 1 of the GRID corpus (Cooke, Barker,
Cunningham and Shao 2006, CC BY 4.0) and the colour of his teeth.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.retarget.geometry import Points, rise
from training.retarget.points import (
    LIPS,
    LOWER_RINGS,
    MOUTH_CORNERS,
    NOSE,
    NOSTRILS,
    UPPER_RINGS,
)

_FILE = Path(__file__).with_name("reference.npz")

Weights = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceHead:
    """The reference head.

    Attributes:
        mesh: ``(468, 2)``, head frame, mouth closed.
        teeth: Colour of the source's teeth, BGR, 0 to 255.
        follow: ``(468,)``: 0 for eyes and nose, 1 from the upper lip down.
        lipness: ``(468,)``: 1 at the lips, 0 at the jaw's line.
        is_below: ``(468,)``: below the corners of the mouth.
        spread: For upper and lower outline: ``(468, 11)`` weights of the outline's points at each
            mesh point, and ``(468,)`` distance to the outline.
    """

    mesh: Points
    teeth: Points
    follow: Weights
    lipness: Weights
    is_below: NDArray[np.bool_]
    spread: tuple[tuple[Weights, Weights], tuple[Weights, Weights]]


@cache
def reference_head() -> ReferenceHead:
    """Load the reference head, once."""
    with np.load(_FILE, allow_pickle=False) as stored:
        mesh = stored["mesh"].astype(np.float64)
        teeth = stored["teeth"].astype(np.float64)
    corner_y = float(mesh[MOUTH_CORNERS, 1].mean())
    return ReferenceHead(
        mesh=mesh,
        teeth=teeth,
        follow=_follow(mesh, corner_y),
        lipness=_lipness(mesh),
        is_below=mesh[:, 1] >= corner_y,
        spread=(_spread(mesh, UPPER_RINGS[0]), _spread(mesh, LOWER_RINGS[0])),
    )


def _follow(mesh: Points, corner_y: float) -> Weights:
    """Rise from the nose to the upper lip; higher up at the sides, where cheeks move."""
    nose_y = float(mesh[NOSTRILS, 1].mean())
    lip_y = float(mesh[[37, 0, 267], 1].mean())
    y, room = mesh[:, 1], corner_y - nose_y
    middle = rise(y, nose_y - 0.10 * room, lip_y - 0.02)
    outside = rise(np.abs(mesh[:, 0]) / np.abs(mesh[MOUTH_CORNERS, 0]).mean(), 0.9, 1.8)
    follow = middle * (1 - outside) + outside * rise(y, nose_y - 0.3 * room, corner_y + 0.05)
    follow[NOSE] = 0
    follow[LIPS] = 1
    return follow


def _lipness(mesh: Points) -> Weights:
    distance = np.linalg.norm((mesh - mesh[LIPS].mean(axis=0)) / [1.0, 0.8], axis=1)
    lipness = 1 - rise(distance, 0.30, 0.75)
    lipness[LIPS] = 1
    return lipness


def _spread(mesh: Points, ring: NDArray[np.intp]) -> tuple[Weights, Weights]:
    distance = np.linalg.norm(mesh[:, None] - mesh[ring][None], axis=-1) + 0.02
    weights = distance**-3
    return weights / weights.sum(axis=1, keepdims=True), distance.min(axis=1)
