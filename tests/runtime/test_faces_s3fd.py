"""S3FD's outputs become the same boxes as in the public code, re-told here one anchor at a time."""

import math

import numpy as np
import pytest

from runtime import boxes
from runtime.faces.identity import FaceNumbers
from runtime.faces.s3fd import STRIDES, decode_s3fd
from runtime.pyramid import Pyramid
from runtime.types import Detection, FaceBox


def anchor_by_anchor(levels, picture):
    rows = []
    for stride, (score, offset) in zip(STRIDES, levels, strict=True):
        for y in range(score.shape[1]):
            for x in range(score.shape[2]):
                if score[picture, y, x] <= 0.05:
                    continue
                dx, dy, dw, dh = offset[picture, :, y, x].tolist()
                side = 4 * stride
                width, height = side * math.exp(0.2 * dw), side * math.exp(0.2 * dh)
                left = stride / 2 + x * stride + 0.1 * dx * side - width / 2
                top = stride / 2 + y * stride + 0.1 * dy * side - height / 2
                rows.append((left, top, left + width, top + height, float(score[picture, y, x])))
    rows.sort(key=lambda row: -row[4])
    kept: list[tuple[float, ...]] = []
    for row in rows:
        if all(inclusive_overlap(row, other) <= 0.3 for other in kept):
            kept.append(row)
    return np.array([row for row in kept if row[4] > 0.5]).reshape(-1, 5)


def inclusive_overlap(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    areas = [(r[2] - r[0] + 1) * (r[3] - r[1] + 1) for r in (a, b)]
    return width * height / (sum(areas) - width * height)


@pytest.fixture
def levels():
    rng = np.random.default_rng(0)
    made = []
    for stride in STRIDES:
        shape = (2, 128 // stride, 160 // stride)
        score = rng.random(shape, dtype=np.float32) ** 6
        offset = rng.normal(0, 1, (2, 4, *shape[1:])).astype(np.float32)
        made.append((score, offset))
    return made


@pytest.mark.parametrize("picture", [0, 1])
def test_every_picture_of_a_batch_gets_the_public_codes_boxes(levels, picture):
    expected = anchor_by_anchor(levels, picture)
    found = decode_s3fd(levels)[picture]
    assert len(found) > 3
    assert found == pytest.approx(expected, abs=1e-3)


def test_nothing_promising_gives_no_face(levels):
    silent = [(score * 0, offset) for score, offset in levels]
    assert [len(rows) for rows in decode_s3fd(silent)] == [0, 0]


def face(box):
    return Detection(box, 0.9, np.zeros((5, 2), np.float32))


def test_numbers_follow_faces_by_overlap():
    numbers = FaceNumbers()
    frame = Pyramid(np.zeros((200, 300, 3), np.uint8))
    big, small = FaceBox(10, 10, 90, 90), FaceBox(150, 10, 200, 60)
    first = numbers.push(frame, [face(small), face(big)])
    assert [(f.face_id, f.box) for f in first] == [(0, big), (1, small)]
    second = numbers.push(frame, [face(small)])
    assert second[0].face_id == 1
    third = numbers.push(frame, [face(FaceBox(220, 120, 290, 190))])
    assert third[0].face_id == 2


def test_numbers_are_handed_on_by_size_after_a_shot_change():
    numbers = FaceNumbers()
    dark, light = (Pyramid(np.full((200, 300, 3), level, np.uint8)) for level in (0, 250))
    numbers.push(dark, [face(FaceBox(10, 10, 90, 90))])
    after = numbers.push(light, [face(FaceBox(200, 100, 290, 190))])
    assert after[0].face_id == 0
    assert boxes.iou(after[0].box, FaceBox(200, 100, 290, 190)) == pytest.approx(1)
