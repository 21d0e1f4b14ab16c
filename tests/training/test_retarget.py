from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from runtime.types import Frame, Landmarks
from tests.training.talking_mesh import TalkingTracker, mesh_in_pixels, picture, write_film
from training.errors import RejectedError
from training.lips import from_mesh, openings
from training.retarget import DrawOptions, Portrait, Speaker, draw_talking
from training.retarget.drawing import Talking
from training.retarget.geometry import apply, draw_triangles, fit_similarity, invert, join
from training.retarget.points import EYE_CORNERS, LIPS, lip_triangles
from training.retarget.reference import reference_head

GAPS = 6 + 6 * np.sin(np.linspace(-np.pi / 2, 12, 30))


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Speaker:
    path: Path = tmp_path_factory.mktemp("film") / "clip.mp4"
    meshes = [mesh_in_pixels(gap) for gap in GAPS]
    write_film(path, meshes)
    return Speaker(path, TalkingTracker(meshes))


@pytest.fixture(scope="module")
def talking(speaker: Speaker) -> Talking:
    mesh = mesh_in_pixels()
    portrait = Portrait(picture(mesh), mesh)
    return draw_talking(portrait, speaker, DrawOptions(head=0.0))


def test_similarity_is_found_again() -> None:
    points = np.random.default_rng(0).normal(0, 1, (9, 2))
    move = np.array([[1.2, -0.5, 3.0], [0.5, 1.2, -2.0]])
    assert np.allclose(fit_similarity(points, apply(move, points)), move)
    assert np.allclose(join(invert(move), move), [[1, 0, 0], [0, 1, 0]])


def test_triangles_interpolate_between_their_corners() -> None:
    canvas = np.full((10, 10, 1), -1, np.float32)
    corners = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    values = np.array([[0.0], [9.0], [0.0]], np.float32)
    draw_triangles(canvas, np.array([[0, 1, 2]], np.int32), corners, values)
    assert np.allclose(canvas[0, :, 0], np.arange(10), atol=1e-5)
    assert canvas[9, 9, 0] == -1


def test_lips_are_covered_by_triangles_between_their_own_points() -> None:
    used = {point for triangle in lip_triangles() for point in triangle}
    assert used == {int(point) for point in LIPS}


def test_eyes_never_follow_speech() -> None:
    assert (reference_head().follow[EYE_CORNERS] == 0).all()
    assert (reference_head().follow[LIPS] == 1).all()


def test_the_portrait_opens_its_mouth_as_the_speaker_does(
    speaker: Speaker, talking: Talking
) -> None:
    drawn = openings(from_mesh(talking.meshes))
    assert np.corrcoef(drawn, speaker.opening)[0, 1] > 0.999


def test_closed_lips_of_the_speaker_close_the_portrait(speaker: Speaker, talking: Talking) -> None:
    drawn = openings(from_mesh(talking.meshes))
    assert drawn[np.argmin(speaker.opening)] < 0.02


def test_the_picture_changes_at_the_mouth_and_not_at_the_eyes(talking: Talking) -> None:
    change = talking.frames.std(axis=0).mean(axis=-1)
    mouth_x, mouth_y = np.rint(talking.meshes[0, LIPS].mean(axis=0)).astype(int)
    eye_x, eye_y = np.rint(talking.meshes[0, EYE_CORNERS[0]]).astype(int)
    assert change[mouth_y - 3 : mouth_y + 6, mouth_x - 3 : mouth_x + 4].mean() > 10
    assert change[eye_y - 3 : eye_y + 4, eye_x - 3 : eye_x + 4].mean() < 1


def test_a_small_face_is_refused() -> None:
    mesh = mesh_in_pixels() / 4
    with pytest.raises(RejectedError, match="small face"):
        Portrait(picture(mesh_in_pixels())[::4, ::4], mesh)


def test_a_clip_whose_face_is_lost_is_refused(tmp_path: Path) -> None:
    meshes = [mesh_in_pixels(gap) for gap in GAPS]
    write_film(tmp_path / "clip.mp4", meshes)

    class Lost(TalkingTracker):
        def track(self, frames: Sequence[Frame]) -> list[Landmarks | None]:
            return [None] * len(frames)

    with pytest.raises(RejectedError, match="face lost"):
        Speaker(tmp_path / "clip.mp4", Lost(meshes))
