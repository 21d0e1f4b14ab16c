"""Faces found while a video streams by, kept on disk so that memory stays flat."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from runtime.faces import mesh_points
from runtime.types import COVER_SIZE, Cover, Detection, FaceBox, Landmarks

#: What a few numbers tell of one face in one frame: 45 bytes, kept in memory.
FACTS = np.dtype(
    [
        ("frame", np.int32),
        ("face_id", np.int32),
        ("score", np.float32),
        ("angle", np.float32),
        ("opening", np.float32),
        ("yaw", np.float32),
        ("box", np.int32, (4,)),
        ("is_covered", np.bool_),
        ("teeth", np.float32),
    ]
)
#: Its points and what covers it: 6 kB, kept on disk.
SHAPE = np.dtype(
    [
        ("landmarks", np.float32, (mesh_points.POINT_COUNT, 2)),
        ("cover", np.uint8, (COVER_SIZE, COVER_SIZE)),
    ]
)

#: ``(n,)`` of ``FACTS``, in the order of frames.
Facts = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """All faces found, in the order of frames.

    Shapes are read, not mapped: a mapped file counts as this process's memory once it is read.

    Attributes:
        facts: What a few numbers tell of each.
        path: The file of their shapes.
    """

    facts: Facts
    path: Path

    def landmarks(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Read the meshes of some rows, ``(k, 468, 2)``."""
        meshes: NDArray[np.float32] = self._shapes(rows)["landmarks"]
        return meshes

    def face(self, row: int) -> tuple[Landmarks, Cover]:
        """Read one row's mesh and what covers it."""
        shape = self._shapes(np.array([row]))[0]
        return shape["landmarks"], shape["cover"]

    def _shapes(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        shapes = np.empty(len(rows), SHAPE)
        with self.path.open("rb", buffering=0) as file:
            for place, row in enumerate(rows.tolist()):
                file.seek(row * SHAPE.itemsize)
                file.readinto(shapes[place : place + 1].data)
        return shapes


class FaceSpool:
    """Collects faces frame by frame, then gives them all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._facts = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(
        self,
        index: int,
        faces: list[Detection],
        covers: Sequence[Cover] | None = None,
        teeth: Sequence[float] = (),
    ) -> None:
        """Keep the faces of one frame; frames come in order.

        Args:
            index: Of the frame.
            faces: In it.
            covers: What covers each; nothing when left out.
            teeth: How well each shows its teeth, see ``teeth_shown``; not at all when left out.
        """
        facts, shapes = np.zeros(len(faces), FACTS), np.zeros(len(faces), SHAPE)
        if covers:
            shapes["cover"] = covers
            facts["is_covered"] = [cover.any() for cover in covers]
        if teeth:
            facts["teeth"] = teeth
        for fact, shape, face in zip(facts, shapes, faces, strict=True):
            mesh = mesh_of(face)
            fact["frame"], fact["face_id"] = index, face.face_id
            fact["score"], fact["angle"], fact["box"] = face.score, face.angle, face.box
            fact["opening"] = mesh_points.mouth_opening(mesh)
            fact["yaw"] = mesh_points.yaw_share(mesh)
            shape["landmarks"] = mesh
        self._file.write(shapes.tobytes())
        self._facts += facts.tobytes()

    def rows(self) -> Rows:
        """Give everything collected, in the order of frames."""
        self._file.flush()
        return Rows(np.frombuffer(bytes(self._facts), FACTS), self._path)


def mesh_of(face: Detection) -> NDArray[np.float32]:
    """Give a face's mesh, a typical one in its box when only five points are known."""
    if face.landmarks.shape == (mesh_points.POINT_COUNT, 2):
        return face.landmarks
    return mesh_points.typical_landmarks(FaceBox(*face.box))
