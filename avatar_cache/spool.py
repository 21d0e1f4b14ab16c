"""Faces found while a video streams by, kept on disk so that memory stays flat."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from runtime.faces import mesh_points
from runtime.types import COVER_SIZE, Cover, Detection, FaceBox

#: One face of one frame.
ROW = np.dtype(
    [
        ("frame", np.int32),
        ("face_id", np.int32),
        ("score", np.float32),
        ("angle", np.float32),
        ("opening", np.float32),
        ("yaw", np.float32),
        ("box", np.int32, (4,)),
        ("landmarks", np.float32, (mesh_points.POINT_COUNT, 2)),
        ("cover", np.uint8, (COVER_SIZE, COVER_SIZE)),
    ]
)

Rows = NDArray[Any]


class FaceSpool:
    """Collects faces frame by frame, then gives them all as one mapped array."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(
        self, index: int, faces: list[Detection], covers: Sequence[Cover] | None = None
    ) -> None:
        """Keep the faces of frame ``index`` and what covers each; frames come in order."""
        rows = np.zeros(len(faces), ROW)
        if covers:
            rows["cover"] = covers
        for row, face in zip(rows, faces, strict=True):
            row["frame"], row["face_id"] = index, face.face_id
            row["score"], row["angle"], row["box"] = face.score, face.angle, face.box
            row["landmarks"] = mesh_of(face)
            row["opening"] = mesh_points.mouth_opening(row["landmarks"])
            row["yaw"] = mesh_points.yaw_share(row["landmarks"])
        self._file.write(rows.tobytes())
        self._count += len(rows)

    def rows(self) -> Rows:
        """Give everything collected, in the order of frames."""
        self._file.flush()
        if not self._count:
            return np.zeros(0, ROW)
        return np.memmap(self._path, ROW, "r", shape=(self._count,))


def mesh_of(face: Detection) -> NDArray[np.float32]:
    """Give a face's mesh, a typical one in its box when only five points are known."""
    if face.landmarks.shape == (mesh_points.POINT_COUNT, 2):
        return face.landmarks
    return mesh_points.typical_landmarks(FaceBox(*face.box))
