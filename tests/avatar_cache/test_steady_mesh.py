"""Laws of steadying landmarks in time."""

import numpy as np
import pytest

from avatar_cache import PrepareOptions, face_path, selection
from avatar_cache.face_path import Framing
from avatar_cache.spool import FaceSpool
from avatar_cache.steady_mesh import steadied
from runtime.boxes import Pads
from runtime.faces import mesh_points
from runtime.types import Detection, FaceBox

HEIGHT = 200
FACE = mesh_points.typical_landmarks(FaceBox(100, 80, 260, 80 + HEIGHT)).astype(np.float64)
LIPS = [*mesh_points.INNER_UPPER, *mesh_points.INNER_LOWER]
ALL_BUT_LIPS = np.setdiff1d(np.arange(468), LIPS)


def moving(count):
    """A head that sways, nods off to one side, and comes nearer, all at once and fast."""
    frames = np.arange(count)
    turned = mesh_points.turn_points(
        np.repeat((FACE - 180)[None], count, axis=0), 12 * np.sin(frames / 4)
    )
    nearer = (1 + 0.05 * np.sin(frames / 5))[:, None, None]
    away = np.stack([30 * np.sin(frames / 3), 9.0 * (frames % 7 == 3)], axis=1)
    return turned * nearer + 180 + away[:, None]


def shaking(meshes):
    """What is left of neighbours' motion: second differences, in pixels."""
    return np.abs(np.diff(meshes, 2, axis=0)).mean()


def test_what_moves_the_whole_head_is_kept_exactly():
    assert steadied(moving(40)) == pytest.approx(moving(40), abs=1e-6)


def test_the_noise_of_single_points_is_lowered():
    noise = np.random.default_rng(0).normal(0, 0.0015 * HEIGHT, (60, 468, 2))
    meshes = moving(60) + noise
    remaining = steadied(meshes) - moving(60)
    assert shaking(remaining) < 0.5 * shaking(noise)
    assert np.abs(remaining).mean() < 0.65 * np.abs(noise).mean()


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_mouth_that_opens_at_once_is_neither_late_nor_smaller(length):
    meshes = np.repeat(FACE[None], 40, axis=0)
    meshes[20 : 20 + length, mesh_points.INNER_LOWER, 1] += 0.06 * HEIGHT
    change = steadied(meshes) - meshes
    assert np.abs(change).max() < 0.001 * HEIGHT


def test_a_slow_change_of_shape_is_followed():
    meshes = np.repeat(FACE[None], 60, axis=0)
    meshes[:, LIPS, 1] += 0.03 * HEIGHT * np.sin(np.arange(60) / 5)[:, None]
    assert np.abs(steadied(meshes) - meshes).max() < 0.004 * HEIGHT


def test_one_or_two_frames_stay_as_they_are():
    for count in (1, 2):
        assert np.array_equal(steadied(moving(count)), moving(count))


def stored(tmp_path, meshes, *, cuts=(), **options):
    """The landmarks as an avatar keeps them."""
    with FaceSpool(tmp_path / "faces") as spool:
        for index, mesh in enumerate(meshes.astype(np.float32)):
            spool.add(index, [Detection(FaceBox(100, 80, 260, 280), 0.9, mesh)])
        rows = spool.rows()
        chosen = selection.choose_rows(rows.facts, len(meshes), list(cuts), None)
        framing = Framing((400, 600), 25.0, from_mesh=True, extra_pads=Pads(0, 0, 0, 0))
        path = face_path.build_path(rows, chosen, list(cuts), PrepareOptions(**options), framing)
        return np.concatenate(list(face_path.landmark_blocks(rows, path)))


@pytest.fixture
def noisy():
    return moving(90) + np.random.default_rng(0).normal(0, 0.4, (90, 468, 2))


def test_blocks_join_without_a_seam(tmp_path, noisy, monkeypatch):
    whole = stored(tmp_path, noisy)
    monkeypatch.setattr(face_path, "_BLOCK", 31)
    assert stored(tmp_path, noisy) == pytest.approx(whole, abs=1e-4)


def test_nothing_is_mixed_across_a_shot_change(tmp_path, noisy):
    apart = [stored(tmp_path, noisy[:50]), stored(tmp_path, noisy[50:])]
    assert stored(tmp_path, noisy, cuts=(50,)) == pytest.approx(np.concatenate(apart), abs=1e-4)


def test_without_smoothing_landmarks_are_kept_as_they_were_read(tmp_path, noisy):
    assert np.array_equal(stored(tmp_path, noisy, smooth=False), noisy.astype(np.float32))
