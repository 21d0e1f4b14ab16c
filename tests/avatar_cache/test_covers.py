"""What is in front of a face is found once and kept with the avatar."""

import numpy as np
import pytest

from avatar_cache import PrepareOptions, covers, face_path, selection
from avatar_cache.face_path import Framing
from avatar_cache.spool import FaceSpool
from runtime.blending.occlusion import OcclusionFinder
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.types import Detection, FaceBox

SIZE = (400, 600)
THING = np.zeros((48, 48), np.uint8)
THING[30:40, 20:30] = 255


def covers_of(tmp_path, flags, *, cuts=(), move=0):
    """Prepare a face that is covered in some frames."""
    with FaceSpool(tmp_path / "faces") as spool:
        for index, is_covered in enumerate(flags):
            x = 200 + move * index
            landmarks = mesh_points.typical_landmarks(FaceBox(x, 100, x + 100, 230))
            box = mesh_points.mesh_face_box(landmarks, SIZE)
            found = THING if is_covered else np.zeros_like(THING)
            spool.add(index, [Detection(box, 0.9, landmarks)], [found])
        rows = spool.rows()
        chosen = selection.choose_rows(rows, len(flags), list(cuts), None)
        framing = Framing(size=SIZE, fps=25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))
        path = face_path.build_path(rows, chosen, list(cuts), PrepareOptions(), framing)
        return list(covers.frame_covers(rows, path, list(cuts), SIZE))


def test_a_thing_that_stays_is_kept_in_every_frame(tmp_path):
    found = covers_of(tmp_path, [True] * 6, move=2)
    assert len(found) == 6
    for cover in found:
        assert np.abs(cover.astype(int) - THING).mean() < 3


@pytest.mark.parametrize("odd", [True, False])
def test_one_frame_that_differs_from_both_its_neighbours_is_a_mistake(tmp_path, odd):
    flags = [not odd] * 7
    flags[3] = odd
    assert [bool(cover.any()) for cover in covers_of(tmp_path, flags)] == [not odd] * 7


def test_covers_do_not_cross_a_shot_change(tmp_path):
    found = covers_of(tmp_path, [True] * 4 + [False] * 4, cuts=[4])
    assert [bool(cover.any()) for cover in found] == [True] * 4 + [False] * 4


def test_an_avatar_brings_its_covers_with_it(store, detector, clip, monkeypatch):
    seen = iter(range(1000))
    monkeypatch.setattr(
        OcclusionFinder,
        "find",
        lambda self, crop, points: THING if 5 <= next(seen) < 15 else np.zeros_like(THING),
    )
    summary = store.add(clip, detector=detector)
    assert summary.manifest.covered == ((5, 15),)
    with store.open(summary.avatar_id) as avatar:
        frames = list(avatar.frames(iter(range(len(avatar)))))
    assert [frame.cover is not None for frame in frames] == [5 <= i < 15 for i in range(30)]
    store.check(summary.avatar_id)


def test_an_avatar_with_nothing_in_front_stores_no_covers(store, detector, portrait):
    summary = store.add(portrait, detector=detector)
    assert summary.manifest.covered == ()
    assert "covers.npy" not in summary.manifest.members
