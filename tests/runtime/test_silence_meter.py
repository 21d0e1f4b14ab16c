"""The laws of measuring lips in silence."""

import dataclasses

import numpy as np
import pytest

from runtime.faces import FaceMesh
from runtime.planes import to_planes
from runtime.silence_meter import SilenceMeter
from runtime.types import FaceBox, Patch
from tests.runtime.painted_face import painted_reference


class BrightnessMesh(FaceMesh):
    """Takes the middle of the picture for lips: the brighter, the wider open."""

    def __init__(self):
        self.looks = 0

    def landmarks(self, image, roi):
        self.looks += 1
        points = np.zeros((468, 2), np.float32)
        points[291, 0] = 100
        points[[87, 14, 317, 178, 402], 1] = image[150:160, 150:160].mean() / 10
        return 1.0, points


@pytest.fixture(scope="module")
def reference():
    return painted_reference()


def shown(reference, level):
    pixels = to_planes(np.full((20, 20, 3), level, np.uint8))
    return Patch(reference, FaceBox(150, 150, 170, 170), pixels, np.ones((20, 20), bool))


def test_what_is_shown_moves_the_meter(reference):
    meter = SilenceMeter(BrightnessMesh())
    for level in (100, 150, 150, 100):
        meter.observe(shown(reference, level), is_silent=True)
    assert meter.motion == pytest.approx(100 * (0.05 + 0 + 0.05) / 3, rel=0.05)


def test_a_picture_shown_again_costs_no_look(reference):
    mesh = BrightnessMesh()
    meter = SilenceMeter(mesh)
    for _ in range(5):
        meter.observe(shown(reference, 100), is_silent=True)
    assert mesh.looks == 1
    assert meter.motion == 0.0


def test_other_lips_after_a_cut_are_no_movement(reference):
    other = dataclasses.replace(reference, planes=255 - reference.planes)
    meter = SilenceMeter(BrightnessMesh())
    for frame, level in ((reference, 100), (reference, 110), (other, 200), (other, 200)):
        meter.observe(shown(frame, level), is_silent=True)
    assert meter.motion == pytest.approx(100 * (0.01 + 0) / 2, rel=0.2)


def test_other_lips_where_a_video_begins_anew_are_no_movement(reference):
    last, first = (
        dataclasses.replace(reference, index=index, planes=reference.planes.copy())
        for index in (9, 0)
    )
    meter = SilenceMeter(BrightnessMesh())
    for frame, level in ((last, 100), (first, 150), (first, 150)):
        meter.observe(shown(frame, level), is_silent=True)
    assert meter.motion == 0


def test_speech_between_two_silences_is_no_movement_of_silence(reference):
    meter = SilenceMeter(BrightnessMesh())
    for level, is_silent in ((100, True), (200, False), (150, True)):
        meter.observe(shown(reference, level), is_silent=is_silent)
    assert meter.motion is None
