"""What is in front of the animated face in every frame, brought to its steadied crops."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_cache.face_crop import cut_face
from avatar_cache.face_path import FacePath
from avatar_cache.spool import Rows
from runtime import boxes
from runtime.blending import occlusion
from runtime.blending.lips import apply_affine, compose_affine, invert_affine
from runtime.blending.region import crop_to_frame
from runtime.crops import UPRIGHT_LIMIT
from runtime.faces import mesh_points
from runtime.faces.facemesh import SCORE_FLOOR
from runtime.image import Picture
from runtime.overlap import overlapped
from runtime.pyramid import Pyramid
from runtime.types import COVER_SIZE, CROP_SIZE, Cover, Detection, FaceBox, Landmarks

_NOTHING: Cover = np.zeros((COVER_SIZE, COVER_SIZE), np.uint8)


#: Frames from one look to the next, at least: what is there for one frame alone counts as a mistake
#: of the network, see ``frame_covers``.
LOOK_EVERY = 2

#: A picture and its faces, and with what covers each of them.
Found = tuple[Picture, list[Detection]]
Searched = tuple[Picture, list[Detection], list[Cover]]


def with_covers(found: Iterator[Found]) -> Iterator[Searched]:
    """Look for what is in front of faces, in a thread of its own.

    Every second frame is looked at, but for those that were not read, as they look like others;
    and all frames near one in which something is found.

    Args:
        found: Pictures and their faces, in order.

    Yields:
        The same with what covers each face; nothing where a face's mesh is not trusted.
    """
    was_covered = False

    def look_at(group: list[Found]) -> list[Searched]:
        nonlocal was_covered
        *others, last = group
        searched = _searched(*last)
        is_covered = any(cover.any() for cover in searched[2])
        is_near = is_covered or was_covered
        was_covered = is_covered
        return [*(_searched(*other) if is_near else _passed(*other) for other in others), searched]

    for group in overlapped(look_at, _groups(found), ahead=1, name="covers"):
        yield from group


def _groups(found: Iterator[Found]) -> Iterator[list[Found]]:
    """Cut a video behind every frame that is looked at."""
    group: list[Found] = []
    for picture, faces in found:
        group.append((picture, faces))
        if len(group) >= LOOK_EVERY and all(face.was_read for face in faces):
            yield group
            group = []
    if group:
        yield group


def _searched(picture: Picture, faces: list[Detection]) -> Searched:
    return picture, faces, [_cover(picture.pyramid, face) for face in faces]


def _passed(picture: Picture, faces: list[Detection]) -> Searched:
    return picture, faces, [_NOTHING] * len(faces)


def _cover(picture: Pyramid, face: Detection) -> Cover:
    if len(face.landmarks) != mesh_points.POINT_COUNT or face.score < SCORE_FLOOR:
        return _NOTHING
    box, angle = _view(face.landmarks, face.angle, picture.size)
    points = apply_affine(invert_affine(crop_to_frame(box, angle)), face.landmarks)
    reduced, step = picture.reduced(min(box.width, box.height), CROP_SIZE)
    near = FaceBox(*(round(edge / step) for edge in box))
    return occlusion.find_cover(cut_face(reduced, near, angle), points)


def frame_covers(
    rows: Rows, path: FacePath, cuts: list[int], size: tuple[int, int]
) -> Iterator[Cover]:
    """Yield what covers the face in every frame's crop.

    A pixel is covered when it is in two of three frames in a row: a thing stays longer than one
    frame, a mistake of the network seldom does.

    Args:
        rows: All faces found.
        path: The animated face's way.
        cuts: Frames at which a new shot begins.
        size: Height and width of the frames.
    """
    for first, last in _stretches(path, cuts):
        if last - first == 1 or not path.has_face[first]:
            yield from (_in_crop(rows, path, index, size) for index in range(first, last))
            continue
        before = here = _in_crop(rows, path, first, size)
        for index in range(first, last):
            after = _in_crop(rows, path, index + 1, size) if index + 1 < last else here
            yield _middle(before, here, after)
            before, here = here, after


def _stretches(path: FacePath, cuts: list[int]) -> list[tuple[int, int]]:
    """List all frames in stretches that have, or lack, a face throughout."""
    with_face = boxes.runs(path.has_face, cuts)
    return sorted([*with_face, *boxes.runs(~path.has_face)])


def _in_crop(rows: Rows, path: FacePath, index: int, size: tuple[int, int]) -> Cover:
    row = int(path.before[index])
    if not path.has_face[index] or not rows.facts["is_covered"][row]:
        return _NOTHING
    landmarks, cover = rows.face(row)
    seen = crop_to_frame(*_view(landmarks, float(rows.facts["angle"][row]), size))
    x1, y1, x2, y2 = path.boxes[index].tolist()
    shown = crop_to_frame(FaceBox(x1, y1, x2, y2), float(path.angles[index]))
    to_seen = compose_affine(_PARTS, compose_affine(invert_affine(seen), shown))
    to_seen = compose_affine(to_seen, invert_affine(_PARTS))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(cover, to_seen, _NOTHING.shape, flags=flags), np.uint8)


#: From crop pixels to those of a cover, both at pixel centres.
_PARTS: NDArray[np.float32] = np.array(
    [[COVER_SIZE / CROP_SIZE, 0, -0.25], [0, COVER_SIZE / CROP_SIZE, -0.25]], np.float32
)


def _view(landmarks: Landmarks, roll: float, size: tuple[int, int]) -> tuple[FaceBox, float]:
    """Frame a face as the network knows it, whatever box is animated."""
    angle = roll if abs(roll) > UPRIGHT_LIMIT else 0.0
    return boxes.clip(mesh_points.mesh_face_box(landmarks, size, angle), size), angle


def _middle(first: Cover, second: Cover, third: Cover) -> Cover:
    """Give the middle one of three values, pixel by pixel."""
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.maximum(low, np.minimum(high, third))
