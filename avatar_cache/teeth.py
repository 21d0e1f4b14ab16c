"""Which frame of an avatar shows its own upper teeth best."""

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_cache.face_path import FacePath
from avatar_cache.selection import NO_ROW
from avatar_cache.spool import Facts
from runtime.blending.lips import INNER_LOWER, INNER_UPPER
from runtime.faces import mesh_points
from runtime.pyramid import Pyramid
from runtime.types import Detection, Frame

#: A frame of a video is looked at when its mouth is open this far, and shows teeth from this much
#: on: two thirds of what a speaker's best frame shows in poor light.
_OPEN, _ENOUGH = 0.08, 0.09
#: Pixels of the mouth's width looked at.
_WIDTH = 40
#: A grid between the lips, and its part in which upper teeth show.
_ROWS, _COLUMNS = 8, 20
_UPPER = np.s_[:6, 4:16]
_CHEEKS = [50, 280, 205, 425]
#: Blue stands to red in lit teeth this much higher than in skin, where skin is coloured so much.
_WHITER, _COLOURED = 0.4, 0.2
#: Darker than this, the skin being 1, nothing counts as a tooth in a picture without colour.
_BRIGHT = 0.6


def teeth_shown(picture: Pyramid, face: Detection) -> float:
    """Measure how well a face shows its upper teeth.

    Teeth are bright and, beside the red of lips, tongue and skin, white.

    Args:
        picture: A frame.
        face: One of its faces.

    Returns:
        Mean brightness of white places behind the upper lip, the skin's being 1; 0 where the mouth
        is hardly open or the face was not read in this frame.
    """
    mesh = face.landmarks
    if len(mesh) != mesh_points.POINT_COUNT or not face.was_read:
        return 0.0
    if mesh_points.mouth_opening(mesh) < _OPEN:
        return 0.0
    width = float(np.hypot(*(mesh[291] - mesh[61])))
    view = picture.near(width, _WIDTH)
    points = view.inside(mesh)
    inside = _between(points, view.frame)[_UPPER]
    skin = np.median(_sampled(view.frame, points[None, _CHEEKS])[0], 0) + 1
    bright = np.minimum(inside.mean(-1) / skin.mean(), 1.2)
    ratio = inside[..., 0] / (inside[..., 2] + 4) / (skin[0] / (skin[2] + 4))
    coloured = float(np.clip((1 - skin[0] / skin[2]) / _COLOURED, 0, 1))
    white = np.clip((ratio - 1) / _WHITER, 0, 1) * coloured
    # In a grey picture brightness alone must tell.
    white += np.clip((bright - _BRIGHT) / (1 - _BRIGHT), 0, 1) * (1 - coloured)
    return float((bright * white).mean())


def teeth_index(
    facts: Facts, path: FacePath, chosen: NDArray[np.intp], cuts: list[int]
) -> int | None:
    """Find the frame of a video that shows its upper teeth best, from the front if possible.

    Faces are numbered by size in every shot, so nothing tells whether the next shot shows somebody
    else: of films with several, none is taken, and nobody gets another one's teeth.

    Args:
        facts: Of all faces found.
        path: The animated face's way.
        chosen: The animated face's row in every frame.
        cuts: Frames at which a new shot begins.

    Returns:
        Its index; ``None`` when no frame shows them.
    """
    known = np.flatnonzero((chosen != NO_ROW) & path.has_face)
    seen = facts[chosen[known]]
    if cuts:
        return None
    shown = np.where(seen["is_covered"], 0, seen["teeth"]) * (1 - seen["yaw"])
    return int(known[shown.argmax()]) if shown.max(initial=0) >= _ENOUGH else None


def _between(points: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """Sample a grid between the inner lips, ``(rows, columns, 3)``."""
    along = (np.arange(_COLUMNS) + 0.5) * 10 / _COLUMNS
    down = ((np.arange(_ROWS) + 0.5) / _ROWS)[:, None, None]
    upper, lower = (
        np.stack([np.interp(along, np.arange(11), side) for side in points[row].T], -1)
        for row in (INNER_UPPER, INNER_LOWER)
    )
    return _sampled(frame, upper * (1 - down) + lower * down)


def _sampled(frame: Frame, at: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = np.moveaxis(at.astype(np.float32), -1, 0)
    return np.asarray(cv2.remap(frame, x, y, cv2.INTER_LINEAR), np.float64)
