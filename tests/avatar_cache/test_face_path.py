"""Laws of the animated face's way through a video."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from avatar_cache import PrepareOptions, face_path, selection
from avatar_cache.face_path import Framing
from avatar_cache.selection import NO_ROW
from avatar_cache.spool import FaceSpool
from runtime import boxes
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.types import Detection, FaceBox

FRAMING = Framing(size=(400, 600), fps=25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))


def turned(box, angle):
    """A typical mesh in a box, turned around the box's centre."""
    centre = np.array([(box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2])
    points = mesh_points.typical_landmarks(box).astype(np.float64) - centre
    mesh = mesh_points.turn_points(points[None], np.array([float(angle)]))[0] + centre
    return Detection(box, 0.9, mesh.astype(np.float32), float(angle))


def rows_of(tmp_path, frames):
    with FaceSpool(tmp_path / "faces") as spool:
        for index, faces in enumerate(frames):
            spool.add(index, faces)
        return spool.rows()


def path_of(tmp_path, frames, framing=FRAMING, cuts=(), **options):
    rows = rows_of(tmp_path, frames)
    chosen = selection.choose_rows(rows.facts, len(frames), list(cuts), None)
    how = PrepareOptions(**options)
    return rows, chosen, face_path.build_path(rows, chosen, list(cuts), how, framing)


@given(st.floats(-90, 90))
def test_no_face_is_turned_further_than_it_is_tilted(angle):
    eff = face_path.turned_angles(np.array([angle, angle]))
    assert abs(eff[0]) <= abs(angle)
    assert abs(angle - eff[0]) <= 8.2


@pytest.mark.parametrize(("roll", "expected"), [(0, 0), (-8, 0), (12, 12), (-45, -45)])
def test_upright_faces_take_the_exact_path_and_tilted_ones_are_turned_wholly(roll, expected):
    assert face_path.turned_angles(np.full(9, float(roll))) == pytest.approx(np.full(9, expected))
    assert face_path.turned_angles(np.array([8.5])) == pytest.approx([8.5])


def test_a_head_that_tilts_slowly_never_jumps(tmp_path):
    rolls = np.linspace(-30, 30, 121)
    frames = [[turned(FaceBox(200, 100, 300, 230), roll)] for roll in rolls]
    _, _, path = path_of(tmp_path, frames)
    assert np.abs(np.diff(path.angles)).max() < 2.5
    assert np.abs(np.diff(path.boxes, axis=0)).max() <= 3
    assert (path.angles[np.abs(rolls) < 7] == 0).all()


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_pads_of_a_turned_face_are_added_along_its_own_axes(tmp_path, angle):
    box = FaceBox(200, 100, 300, 230)
    _, _, plain = path_of(tmp_path, [[turned(box, angle)]])
    padded_framing = Framing((400, 600), 25.0, from_mesh=True, extra_pads=Pads(0, 20, 0, 0))
    _, _, padded = path_of(tmp_path, [[turned(box, angle)]], padded_framing)
    before, after = (boxes.to_centres(p.boxes.astype(float))[0] for p in (plain, padded))
    assert after[2:] - before[2:] == pytest.approx([0, 20], abs=1)
    down = np.array([-np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    assert after[:2] - before[:2] == pytest.approx(10 * down, abs=1)


def test_landmarks_of_a_bridged_frame_lie_between_its_neighbours(tmp_path):
    here, there = turned(FaceBox(100, 100, 200, 230), 0), turned(FaceBox(140, 100, 240, 230), 0)
    rows, _, path = path_of(
        tmp_path, [[here], [], [there]], on_missing_face="interpolate", smooth=False
    )
    landmarks = np.concatenate(list(face_path.landmark_blocks(rows, path)))
    assert landmarks[1] == pytest.approx((here.landmarks + there.landmarks) / 2, abs=0.01)
    assert path.bridged.tolist() == [False, True, False]


def test_a_face_is_held_to_the_end_of_its_shot_and_no_further(tmp_path):
    face = [turned(FaceBox(200, 100, 300, 230), 0)]
    frames = [face, face, [], [], [], [], face, face]
    _, _, path = path_of(tmp_path, frames, cuts=[4], on_missing_face="hold")
    assert path.has_face.all()  # the second shot's face was found late
    _, _, path = path_of(tmp_path, frames[:6], cuts=[4], on_missing_face="hold")
    assert path.has_face.tolist() == [True] * 4 + [False] * 2
    assert path.bridged.tolist() == [False] * 2 + [True] * 2 + [False] * 2


def test_a_face_that_comes_late_in_a_shot_is_not_held_back_to_its_start(tmp_path):
    frames = [[]] * 40 + [[turned(FaceBox(200, 100, 300, 230), 0)]] * 5
    _, _, path = path_of(tmp_path, frames, on_missing_face="hold")
    assert np.flatnonzero(path.has_face)[0] == 28  # half a second before


def test_a_frame_takes_its_box_from_its_own_shot(tmp_path):
    here, there = turned(FaceBox(100, 100, 200, 230), 0), turned(FaceBox(400, 100, 500, 230), 0)
    frames = [[here], [here], [], [there], [there]]
    _, _, path = path_of(tmp_path, frames, cuts=[2], on_missing_face="hold", smooth=False)
    assert path.boxes[2].tolist() == path.boxes[3].tolist()


def test_nothing_is_interpolated_across_a_shot_change(tmp_path):
    here, there = turned(FaceBox(100, 100, 200, 230), 0), turned(FaceBox(400, 100, 500, 230), 0)
    frames = [[here], [here], [], [there], [there]]
    _, _, path = path_of(tmp_path, frames, cuts=[2], on_missing_face="interpolate")
    assert path.has_face.tolist() == [True, True, False, True, True]


def test_the_rest_frame_is_the_one_with_the_most_closed_mouth(tmp_path):
    frames = []
    for drop in (9, 6, 2, 0, 2, 8, 12):
        face = turned(FaceBox(200, 100, 300, 230), 0)
        face.landmarks[list(mesh_points.INNER_LOWER), 1] += drop
        frames.append([face])
    rows, chosen, path = path_of(tmp_path, frames)
    index, opening = face_path.rest_frame(rows, path, chosen)
    assert index == 3
    assert opening == pytest.approx(float(rows.facts["opening"][3]))


def test_each_shot_takes_its_own_most_visible_face(tmp_path):
    small = Detection(FaceBox(0, 0, 50, 50), 0.9, np.zeros((5, 2), np.float32), 0.0, 0)
    large = Detection(FaceBox(100, 0, 250, 150), 0.9, np.zeros((5, 2), np.float32), 0.0, 1)
    rows = rows_of(tmp_path, [[small, large], [small, large], [small], [small]])
    chosen = selection.choose_rows(rows.facts, 4, [2], None)
    assert rows.facts["face_id"][chosen].tolist() == [1, 1, 0, 0]
    unbroken = selection.choose_rows(rows.facts, 4, [], None)
    assert unbroken.tolist() == [1, 3, NO_ROW, NO_ROW]


@pytest.mark.parametrize("height", [395, 396, 397])
def test_the_boxes_of_large_faces_have_even_sides(tmp_path, height):
    framing = Framing((900, 900), 25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))
    face = turned(FaceBox(200, 200, 200 + height, 300 + height), 0)
    _, _, path = path_of(tmp_path, [[face]] * 3, framing)
    sides = path.boxes[:, 2:] - path.boxes[:, :2]
    assert (sides > 384).all()
    assert not (sides % 2).any()
