"""An avatar's own teeth are taken from the frame that shows them best."""

import dataclasses

import cv2
import numpy as np
import pytest

from avatar_cache import PrepareOptions, face_path, selection
from avatar_cache.cached_avatar import OPEN_STILL
from avatar_cache.face_path import Framing
from avatar_cache.spool import FaceSpool
from avatar_cache.teeth import teeth_index, teeth_shown
from runtime.blending.lips import INNER_LOWER, INNER_UPPER
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox
from tests.avatar_cache.conftest import SquareDetector, png, video

BOX = FaceBox(200, 100, 300, 230)
SKIN, TEETH, FLESH = (120, 150, 210), (215, 225, 230), (60, 60, 150)


def face(opening, *, turned=0.0, was_read=True):
    landmarks = mesh_points.typical_landmarks(BOX)
    width = landmarks[291, 0] - landmarks[61, 0]
    arch = np.sin(np.linspace(0, np.pi, 11))
    landmarks[INNER_LOWER, 1] = landmarks[INNER_UPPER, 1] + 1.4 * opening * width * arch
    landmarks[mesh_points.NOSE_TIP, 0] += turned * 50
    return Detection(BOX, 0.9, landmarks.astype(np.float32), was_read=was_read)


def picture(shown, inside):
    frame = np.full((400, 600, 3), SKIN, np.uint8)
    lips = np.concatenate([shown.landmarks[INNER_UPPER], shown.landmarks[INNER_LOWER][::-1]])
    cv2.fillPoly(frame, [np.rint(lips).astype(np.int32)], inside)
    return Pyramid(frame)


def test_white_behind_open_lips_is_teeth():
    wide = face(0.2)
    assert teeth_shown(picture(wide, TEETH), wide) > 0.5
    assert teeth_shown(picture(wide, FLESH), wide) < 0.05


def test_hardly_open_mouths_and_faces_between_readings_are_not_looked_at():
    for shown in (face(0.02), face(0.2, was_read=False)):
        assert teeth_shown(picture(shown, TEETH), shown) == 0


def test_dark_teeth_show_less_than_bright_ones():
    wide = face(0.2)
    bright, dark = (
        teeth_shown(picture(wide, tuple(int(share * part) for part in TEETH)), wide)
        for share in (1.0, 0.6)
    )
    assert dark < 0.75 * bright


def chosen_frame(tmp_path, faces, shown, *, covered=(), cuts=()):
    with FaceSpool(tmp_path / "faces") as spool:
        for index, (found, teeth) in enumerate(zip(faces, shown, strict=True)):
            cover = np.full((48, 48), 255 * (index in covered), np.uint8)
            faces_here = [] if found is None else [found]
            spool.add(index, faces_here, [cover][: len(faces_here)], [teeth][: len(faces_here)])
        rows = spool.rows()
        chosen = selection.choose_rows(rows.facts, len(faces), list(cuts), None)
        framing = Framing(size=(400, 600), fps=25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))
        path = face_path.build_path(rows, chosen, list(cuts), PrepareOptions(), framing)
        return teeth_index(rows.facts, path, chosen, list(cuts))


def test_the_frame_that_shows_most_is_taken(tmp_path):
    assert chosen_frame(tmp_path, [face(0.2)] * 4, [0.1, 0.3, 0.5, 0.2]) == 2


def test_a_face_that_looks_here_is_preferred_to_one_turned_away(tmp_path):
    faces = [face(0.2), face(0.2, turned=0.5)]
    assert chosen_frame(tmp_path, faces, [0.4, 0.45]) == 0


def test_what_is_covered_or_too_dark_is_not_taken(tmp_path):
    assert chosen_frame(tmp_path, [face(0.2)] * 3, [0.1, 0.5, 0.05], covered=[1]) == 0
    assert chosen_frame(tmp_path, [face(0.2)] * 3, [0.01, 0.5, 0.05], covered=[1]) is None


@pytest.mark.parametrize("number", [0, 1])
def test_people_in_other_shots_do_not_get_these_teeth_however_numbered(tmp_path, number):
    other = dataclasses.replace(face(0.2), face_id=number)
    assert chosen_frame(tmp_path, [face(0.2), other], [0.3, 0.5], cuts=[1]) is None


def test_frames_without_the_face_do_not_shift_the_choice(tmp_path):
    assert chosen_frame(tmp_path, [None, None, face(0.2), face(0.2)], [0, 0, 0.2, 0.4]) == 3


@pytest.mark.parametrize("opening", [0.5 * OPEN_STILL, 2 * OPEN_STILL])
def test_a_still_picture_shows_its_teeth_when_it_is_open(store, opening):
    speaking = SpeakingDetector([opening])
    summary = store.add(png(picture(face(opening), TEETH).whole), detector=speaking)
    with store.open(summary.avatar_id) as avatar:
        assert (avatar.teeth_frame is not None) == (opening > OPEN_STILL)


def test_in_a_grey_film_only_what_is_bright_is_teeth():
    wide = face(0.2)
    grey = Pyramid(np.repeat(picture(wide, FLESH).whole[..., 1:2], 3, -1))
    white = Pyramid(np.repeat(picture(wide, TEETH).whole[..., 1:2], 3, -1))
    assert teeth_shown(grey, wide) < 0.05
    assert teeth_shown(white, wide) > 0.5


def test_only_what_is_behind_the_upper_lip_counts():
    wide = face(0.2)
    shown = picture(wide, FLESH).whole
    lip = int(wide.landmarks[INNER_LOWER, 1].max())
    top = int(wide.landmarks[INNER_UPPER, 1].min())
    lower = picture(wide, TEETH).whole[lip - (lip - top) // 4 :]
    shown[lip - (lip - top) // 4 :] = lower
    assert teeth_shown(Pyramid(shown), wide) < 0.05


def test_a_large_picture_shows_as_much_as_a_small_one():
    wide = face(0.2)
    small = teeth_shown(picture(wide, TEETH), wide)
    large = cv2.resize(picture(wide, TEETH).whole, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    near = dataclasses.replace(wide, landmarks=(wide.landmarks + 0.5) * 4 - 0.5)
    assert teeth_shown(Pyramid(large), near) == pytest.approx(small, abs=0.08)


class SpeakingDetector(SquareDetector):
    """Finds one face in every frame, its mouth as open as it is told."""

    def __init__(self, openings):
        super().__init__()
        self._openings = openings

    def detect(self, frames):
        return [[face(opening)] for _, opening in zip(frames, self._openings, strict=True)]

    def track(self, pictures):
        for _, opening in zip(pictures, self._openings, strict=False):
            yield [face(opening)]


def test_a_prepared_video_hands_out_the_frame_with_its_teeth(store):
    openings = [0.0, 0.12, 0.2, 0.2, 0.05, 0.0]
    insides = [FLESH, FLESH, TEETH, FLESH, TEETH, FLESH]
    frames = [
        picture(face(opening), inside).whole
        for opening, inside in zip(openings, insides, strict=True)
    ]
    summary = store.add(video(frames), detector=SpeakingDetector(openings))
    with store.open(summary.avatar_id) as avatar:
        assert avatar.teeth_frame.index == 2


def test_a_video_that_shows_no_teeth_hands_out_none(store):
    openings = [0.0, 0.2, 0.0]
    frames = [picture(face(opening), FLESH).whole for opening in openings]
    summary = store.add(video(frames), detector=SpeakingDetector(openings))
    with store.open(summary.avatar_id) as avatar:
        assert avatar.teeth_frame is None
