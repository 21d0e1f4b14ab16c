"""Preparing real talking faces with the real networks; skipped where either is absent."""

import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avatar_cache import PrepareOptions
from runtime import boxes
from runtime.faces import BlazeFaceMesh, counters
from runtime.types import FaceBox

ROOT = Path(__file__).parents[2]
NETWORKS = ROOT / "models" / "local"
CLIPS = Path(os.environ.get("MOUTHPIECE_SHARED", ROOT.parent / "shared")) / "media" / "clips"

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(
        not (NETWORKS / "blazeface.xml").is_file() or not CLIPS.is_dir(),
        reason="needs the converted face networks and the sample clips",
    ),
]


@pytest.fixture(scope="module")
def networks():
    return BlazeFaceMesh(NETWORKS / "blazeface.xml", NETWORKS / "facemesh.xml")


def frames_of(name):
    with av.open(str(next(CLIPS.glob(f"{name}_*.mpg")))) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def speaker():
    return frames_of("grid_s1")


def paths_of(store, avatar_id):
    with store.open(avatar_id) as avatar:
        return list(avatar.frames(iter(range(len(avatar)))))


def test_a_speaker_is_prepared_once_and_then_needs_no_network(store, networks):
    clip = next(CLIPS.glob("grid_s1_*.mpg"))
    first = store.add(clip, detector=networks)
    assert (first.frames, first.faces, first.manifest.face_id) == (75, 75, 0)
    assert first.manifest.rest_opening < 0.03
    before = counters.snapshot()
    assert store.add(clip, detector=networks).cached
    assert len(paths_of(store, first.avatar_id)) == 75
    assert counters.snapshot() == before


def test_a_face_that_is_hidden_for_a_while_is_missed_exactly_then(
    store, networks, speaker, as_video
):
    shown = [np.full_like(f, 90) if 30 <= i < 45 else f for i, f in enumerate(speaker)]
    summary = store.add(as_video(shown), detector=networks)
    assert summary.manifest.missing == ((30, 45),)
    assert [face.face_id for face in summary.manifest.faces] == [0]


def test_after_a_cut_the_other_speaker_is_followed_at_once(store, networks, speaker, as_video):
    other = frames_of("grid_s2")
    alone = store.add(as_video(other[:20]), detector=networks)
    both = store.add(as_video(speaker[:20] + other[:20]), detector=networks)
    assert both.manifest.missing == ()
    expected = paths_of(store, alone.avatar_id)
    for mine, single in zip(paths_of(store, both.avatar_id)[20:], expected, strict=True):
        assert boxes.iou(mine.box, single.box) > 0.9


def test_a_head_that_sways_is_kept_upright(store, networks, speaker, as_video):
    height, width = speaker[0].shape[:2]
    swaying = []
    for index in range(40):
        angle = 30 * np.sin(index / 40 * 2 * np.pi)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
        swaying.append(
            cv2.warpAffine(speaker[0], turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        )
    frames = paths_of(store, store.add(as_video(swaying), detector=networks).avatar_id)
    assert frames[0].angle == 0.0
    assert frames[10].angle == pytest.approx(30, abs=3)
    assert frames[30].angle == pytest.approx(-30, abs=3)
    upright = frames[0].crop.astype(int)
    for index in (10, 30):
        assert np.abs(frames[index].crop.astype(int) - upright).mean() < 16


def test_a_fixed_box_reads_landmarks_but_searches_nothing(store, networks, speaker, as_video):
    before = counters.detections
    box = FaceBox(106, 124, 209, 253)
    summary = store.add(as_video(speaker[:10]), options=PrepareOptions(box=box), detector=networks)
    assert counters.detections == before
    for frame in paths_of(store, summary.avatar_id):
        assert frame.box == box
        middle = frame.landmarks.mean(axis=0)
        assert box.x1 < middle[0] < box.x2
        assert box.y1 < middle[1] < box.y2
