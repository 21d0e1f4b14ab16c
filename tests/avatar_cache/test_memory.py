"""Memory does not depend on the length of a video."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from avatar_cache import PrepareOptions, covers, face_path, selection
from avatar_cache.face_path import Framing
from avatar_cache.spool import FaceSpool
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.types import Detection, FaceBox

SIZE = (400, 600)
FRAMING = Framing(size=SIZE, fps=25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))
#: Per frame: boxes, angles and the other numbers of a face's way, and what smoothing makes of them.
NUMBERS_BYTES = 300

needs_maps = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="needs the list of mapped files"
)


def mapped_files():
    return Path("/proc/self/maps").read_text(encoding="utf-8")


def spool_of(path, count):
    """A covered face that moves by itself, frame after frame."""
    landmarks = mesh_points.typical_landmarks(FaceBox(200, 100, 300, 230))
    box = mesh_points.mesh_face_box(landmarks, SIZE)
    cover = np.full((48, 48), 255, np.uint8)
    with FaceSpool(path) as spool:
        for index in range(count):
            spool.add(index, [Detection(box, 0.9, landmarks + np.float32(index % 5))], [cover])
        return spool.rows()


def walk(rows, count):
    """Do with the faces of a video what preparing does; results go nowhere."""
    chosen = selection.choose_rows(rows.facts, count, [], None)
    path = face_path.build_path(rows, chosen, [], PrepareOptions(), FRAMING)
    frames = sum(len(block) for block in face_path.landmark_blocks(rows, path))
    covered = sum(bool(cover.any()) for cover in covers.frame_covers(rows, path, [], SIZE))
    return frames, covered


def peak_bytes(rows, count):
    tracemalloc.start()
    assert walk(rows, count) == (count, count)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_what_is_worked_on_at_once_does_not_grow_with_the_video(tmp_path, monkeypatch):
    monkeypatch.setattr(face_path, "_BLOCK", 20)
    rows = spool_of(tmp_path / "faces", 900)
    short, long = peak_bytes(rows, 300), peak_bytes(rows, 900)
    assert long - short < 600 * NUMBERS_BYTES < 600 * 468 * 2 * 4


@needs_maps
def test_faces_of_a_video_are_read_and_never_mapped(tmp_path):
    rows = spool_of(tmp_path / "faces", 30)
    walk(rows, 30)
    assert str(tmp_path) not in mapped_files()


@needs_maps
def test_an_avatar_in_use_maps_nothing_of_its_file(store, detector, encoder, clip):
    key = store.add(clip, detector=detector).avatar_id
    store.attach(key, encoder)
    with store.open(key, features=encoder.digest) as avatar:
        frames = list(avatar.frames(iter(range(len(avatar)))))
        assert frames[-1].features is not None
        assert str(store.root) not in mapped_files()
