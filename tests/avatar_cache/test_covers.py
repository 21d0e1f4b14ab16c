"""What is in front of a face is found once and kept with the avatar."""

import numpy as np
import pytest

from avatar_cache import PrepareOptions, covers, face_path, selection
from avatar_cache.face_path import Framing
from avatar_cache.spool import FaceSpool
from runtime.blending import occlusion
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.image import Picture
from runtime.pyramid import Pyramid
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
        chosen = selection.choose_rows(rows.facts, len(flags), list(cuts), None)
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


@pytest.fixture
def shades(monkeypatch):
    """Take faces of these shades of grey for covered; note which ones were looked at."""
    covered: set[int] = set()
    seen: list[int] = []

    def find_cover(crop, _points):
        seen.append(int(crop[0, 0, 0]))
        return THING if seen[-1] in covered else np.zeros_like(THING)

    monkeypatch.setattr(occlusion, "find_cover", find_cover)
    return covered, seen


def covered_frames(count, unread=()):
    """Look for covers in frames whose shade is their number; list those where some are found."""
    landmarks = mesh_points.typical_landmarks(FaceBox(200, 100, 300, 230))
    box = mesh_points.mesh_face_box(landmarks, SIZE)
    shown = (
        (
            Picture(Pyramid(np.full((*SIZE, 3), shade, np.uint8))),
            [Detection(box, 0.9, landmarks, was_read=shade not in unread)],
        )
        for shade in range(count)
    )
    found = covers.with_covers(shown)
    return [index for index, (_, _, (cover,)) in enumerate(found) if cover.any()]


@pytest.mark.parametrize("first", range(9))
@pytest.mark.parametrize("length", [covers.LOOK_EVERY, covers.LOOK_EVERY + 2])
def test_a_thing_is_seen_in_every_frame_if_it_stays_as_long_as_between_two_looks(
    shades, first, length
):
    shades[0].update(range(first, first + length))
    assert covered_frames(17) == list(range(first, first + length))


def test_a_face_with_nothing_in_front_is_looked_at_seldom(shades):
    assert covered_frames(12) == []
    assert shades[1] == [1, 3, 5, 7, 9, 11]


def test_frames_that_look_like_others_are_looked_at_only_near_a_find(shades):
    unread = {1, 2, 3, 5, 6, 7, 9, 10, 11}
    assert covered_frames(13, unread) == []
    assert shades[1] == [4, 8, 12]
    shades[0].update({7, 8})
    shades[1].clear()
    assert covered_frames(13, unread) == [7, 8]


def test_an_avatar_brings_its_covers_with_it(store, detector, draw, as_video, shades):
    shades[0].update(range(45, 80))
    levels = [60 if 5 <= index < 15 else 30 for index in range(30)]
    frames = [draw([FaceBox(40, 30, 120, 120)]) for _ in levels]
    for frame, level in zip(frames, levels, strict=True):
        frame[:, :, 0] = level
    summary = store.add(as_video(frames), detector=detector)
    assert summary.manifest.covered == ((5, 15),)
    with store.open(summary.avatar_id) as avatar:
        frames = list(avatar.frames(iter(range(len(avatar)))))
    assert [frame.cover is not None for frame in frames] == [5 <= i < 15 for i in range(30)]
    store.check(summary.avatar_id)


def test_an_avatar_with_nothing_in_front_stores_no_covers(store, detector, portrait):
    summary = store.add(portrait, detector=detector)
    assert summary.manifest.covered == ()
    assert "covers.npy" not in summary.manifest.members
