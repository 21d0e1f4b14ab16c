"""Close a portrait's lips and take off part of its smile."""

import numpy as np

from training.retarget.geometry import Points, rise
from training.retarget.points import (
    INNER_LOWER,
    INNER_UPPER,
    LIPS,
    LOWER_RINGS,
    MOUTH_CORNERS,
    UPPER_RINGS,
)
from training.retarget.reference import reference_head

#: The upper lip makes this part of the way when a mouth closes.
_UPPER_SHARE = 0.42
#: How much of it each ring makes, outermost first.
_RING_SHARES = (0.62, 0.72, 0.86, 1.0)


def without_expression(mesh: Points, smile: float) -> Points:
    """Give a mesh with the mouth closed.

    Args:
        mesh: ``(468, 2)``, head frame.
        smile: How much of a smile to take off, 0 to 1.
    """
    shift = np.zeros_like(mesh)
    _close(mesh, shift)
    _unsmile(mesh, shift, smile)
    return mesh + _spread_to_skin(shift)


def _close(mesh: Points, shift: Points) -> None:
    gap = mesh[INNER_LOWER] - mesh[INNER_UPPER]
    gap[:, 1] = np.maximum(gap[:, 1], 0)
    for ring, share in enumerate(_RING_SHARES):
        shift[UPPER_RINGS[ring]] = _UPPER_SHARE * gap * share
        shift[LOWER_RINGS[ring]] = -(1 - _UPPER_SHARE) * gap * share
    shift[UPPER_RINGS[:, [0, -1]]] = 0  # corners belong to both lips


def _unsmile(mesh: Points, shift: Points, smile: float) -> None:
    """Move corners that are wider or higher than the reference's."""
    left, right = MOUTH_CORNERS
    reference = reference_head().mesh
    width = mesh[right, 0] - mesh[left, 0]
    wider = width / (reference[right, 0] - reference[left, 0]) / 1.06 - 1
    narrower = smile * np.clip(wider, 0, 0.35)
    lower = smile * np.clip(_lift(reference) - _lift(mesh), 0, 0.25) * width
    middle = (mesh[left] + mesh[right]) / 2
    outwards = np.clip(np.abs((mesh[LIPS, 0] - middle[0]) / (width / 2)), 0, 1)
    shift[LIPS, 0] -= narrower * (mesh[LIPS, 0] - middle[0])
    shift[LIPS, 1] += lower * outwards**1.5


def _lift(mesh: Points) -> float:
    """Give how far the corners hang below the middle of the lips, in parts of the width."""
    left, right = MOUTH_CORNERS
    drop = mesh[MOUTH_CORNERS, 1].mean() - mesh[[13, 14], 1].mean()
    return float(drop / (mesh[right, 0] - mesh[left, 0]))


def _spread_to_skin(shift: Points) -> Points:
    """Let the skin around the lips follow them, less with distance."""
    head = reference_head()
    spread = np.zeros_like(shift)
    rings, reach = (UPPER_RINGS[0], LOWER_RINGS[0]), ((0.03, 0.62), (0.05, 0.95))
    for below, (weights, distance) in enumerate(head.spread):
        near = 1 - rise(distance, *reach[below])
        chosen = head.is_below == bool(below)
        spread[chosen] = ((weights @ shift[rings[below]]) * near[:, None])[chosen]
    spread[LIPS] = shift[LIPS]
    return spread * head.follow[:, None]
