"""Choose the face to animate from all faces found, and tell which faces there were."""

import itertools

import numpy as np
from numpy.typing import NDArray

from avatar_cache.manifest import FaceTrack
from avatar_cache.spool import Facts
from runtime import boxes
from runtime.errors import FaceNotFoundError

#: No row: the frame does not show the face.
NO_ROW = -1


def choose_rows(
    facts: Facts, frame_count: int, cuts: list[int], face_id: int | None
) -> NDArray[np.intp]:
    """Choose one face for every frame.

    Args:
        facts: Of all faces found.
        frame_count: Number of frames.
        cuts: Frames at which a new shot begins.
        face_id: The face asked for; ``None`` for the largest, most present one of each shot.

    Returns:
        ``(frame_count,)``, a row number or ``NO_ROW``.

    Raises:
        FaceNotFoundError: There is no face of this number.
    """
    chosen = np.full(frame_count, NO_ROW, np.intp)
    if face_id is not None and not (facts["face_id"] == face_id).any():
        known = ", ".join(map(str, np.unique(facts["face_id"]).tolist()))
        raise FaceNotFoundError(f"no face {face_id} in the source; faces found: {known}")
    edges = [0, *sorted(set(cuts)), frame_count]
    for first, last in itertools.pairwise(edges):
        begin, end = np.searchsorted(facts["frame"], [first, last])
        wanted = most_visible(facts[begin:end]) if face_id is None else face_id
        mine = begin + np.flatnonzero(facts["face_id"][begin:end] == wanted)
        chosen[facts["frame"][mine]] = mine
    return chosen


def nearest_face(facts: Facts, point: tuple[int, int]) -> int:
    """Give the face whose first box has its centre nearest to a point (x, y in pixels)."""
    ids, first = np.unique(facts["face_id"], return_index=True)
    centres = boxes.to_centres(facts["box"][first].astype(np.float64))[:, :2]
    return int(ids[np.argmin(np.hypot(*(centres - point).T))])


def most_visible(facts: Facts) -> int:
    """Give the face whose area summed over all frames is largest; 0 when there is none."""
    if not len(facts):
        return 0
    ids, groups = np.unique(facts["face_id"], return_inverse=True)
    areas = boxes.area(facts["box"].astype(np.float64))
    return int(ids[np.argmax(np.bincount(groups, areas))])


def summarize_faces(facts: Facts, fps: float) -> tuple[FaceTrack, ...]:
    """List every face with its first box, its times and how it holds its head."""
    return tuple(
        _summarize(facts[facts["face_id"] == face_id], fps)
        for face_id in np.unique(facts["face_id"]).tolist()
    )


def frame_ranges(present: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """List the half-open ranges of frames for which ``present`` is True."""
    return tuple(boxes.runs(present))


def _summarize(facts: Facts, fps: float) -> FaceTrack:
    seen = np.zeros(int(facts["frame"][-1]) + 1, np.bool_)
    seen[facts["frame"]] = True
    x1, y1, x2, y2 = facts["box"][0].tolist()
    return FaceTrack(
        face_id=int(facts["face_id"][0]),
        box=(x1, y1, x2, y2),
        ranges_s=tuple(
            (round(first / fps, 3), round(last / fps, 3)) for first, last in frame_ranges(seen)
        ),
        frames=len(facts),
        score=round(float(facts["score"].max()), 3),
        largest_yaw=round(float(facts["yaw"].max()), 3),
        largest_roll=round(float(np.abs(facts["angle"]).max()), 1),
    )
