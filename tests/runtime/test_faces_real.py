"""The real face networks on real faces; skipped where either is absent."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from runtime import boxes
from runtime.faces import AttentionMesh, BlazeFaceMesh, mesh_face_box, mouth_opening
from runtime.pyramid import Pyramid
from runtime.types import FaceBox

ROOT = Path(__file__).parents[2]
NETWORKS = ROOT / "models" / "local"
SHARED = Path(os.environ.get("MOUTHPIECE_SHARED", ROOT.parent / "shared")) / "media"

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        not (NETWORKS / "blazeface.xml").is_file() or not (SHARED / "portraits").is_dir(),
        reason="needs the converted face networks and the sample portraits",
    ),
]


@pytest.fixture(scope="module")
def detector():
    return BlazeFaceMesh(NETWORKS / "blazeface.xml", NETWORKS / "facemesh.xml")


def portraits():
    return {path.stem: cv2.imread(str(path)) for path in sorted((SHARED / "portraits").iterdir())}


def test_every_portrait_has_one_face(detector):
    for name, picture in portraits().items():
        (face,) = detector.detect([picture])[0]
        assert face.score > 0.9, name
        assert face.box.height > 0.15 * picture.shape[0], name


@pytest.mark.parametrize("angle", [-45, -20, 20, 45])
def test_a_tilted_face_is_found_with_its_roll(detector, angle):
    picture = portraits()["generated_man_2"]
    (upright,) = detector.detect([picture])[0]
    turn = cv2.getRotationMatrix2D((256, 256), -angle, 1.0)
    tilted = cv2.warpAffine(picture, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (face,) = detector.detect([tilted])[0]
    assert face.angle == pytest.approx(angle, abs=2.5)
    framed = mesh_face_box(face.landmarks, (512, 512), face.angle)
    assert framed.width == pytest.approx(upright.box.width, rel=0.06)
    assert framed.height == pytest.approx(upright.box.height, rel=0.06)


def test_a_small_face_in_a_large_picture_is_found(detector):
    scene = np.full((2160, 3840, 3), 90, np.uint8)
    scene[1500:1680, 2000:2180] = cv2.resize(portraits()["generated_man_2"], (180, 180))
    (face,) = detector.detect([scene])[0]
    assert boxes.iou(face.box, FaceBox(2039, 1554, 2140, 1667)) > 0.8


def test_a_speaker_is_followed_without_jitter_and_seldom_searched(detector):
    clip = next((SHARED / "clips").iterdir())
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    found = list(detector.track(Pyramid(np.asarray(frame, np.uint8)) for frame in frames))
    assert all(len(faces) == 1 for faces in found)
    track = np.array([faces[0].box for faces in found], np.float64)
    steady = boxes.smooth_boxes(track, np.ones(len(track), bool))
    shake = np.abs(np.diff(steady, 2, axis=0)).mean()
    assert shake < 0.4 * np.abs(np.diff(track, 2, axis=0)).mean()


@pytest.mark.skipif(
    not (NETWORKS / "attmesh-lips.xml").is_file(), reason="needs the attention mesh"
)
def test_closed_lips_meet_in_the_attention_mesh(detector):
    lips = AttentionMesh(NETWORKS / "attmesh-trunk.xml", NETWORKS / "attmesh-lips.xml")
    exact = BlazeFaceMesh(NETWORKS / "blazeface.xml", NETWORKS / "facemesh.xml", lips=lips)
    shown = portraits()
    for name in ("generated_man_neutral", "generated_man_beard", "painting_mona_lisa"):
        (face,) = exact.detect([shown[name]])[0]
        assert mouth_opening(face.landmarks) < 0.005, name
    for name in ("generated_man_teeth_1", "generated_woman_teeth_2"):
        (face,) = exact.detect([shown[name]])[0]
        (plain,) = detector.detect([shown[name]])[0]
        assert mouth_opening(face.landmarks) > 0.15, name
        assert face.box == plain.box, name
