"""Laws of preparing: which frames, which boxes, and what happens without a face."""

import io

import av
import cv2
import numpy as np
import pytest

from avatar_cache import PrepareOptions
from runtime.boxes import Pads
from runtime.errors import (
    CancelledError,
    FaceNotFoundError,
    OptionError,
    TooLargeError,
    VideoDecodeError,
)
from runtime.faces import counters
from runtime.types import FaceBox
from runtime.video import to_bgr, to_planes

SQUARE = FaceBox(40, 30, 120, 120)


def boxes_of(store, avatar_id):
    with store.open(avatar_id) as avatar:
        return [frame.box for frame in avatar.frames(iter(range(len(avatar))))]


def test_a_still_picture_keeps_its_very_pixels(store, detector, draw, as_png):
    frame = draw([SQUARE])
    frame[:20] = np.random.default_rng(0).integers(0, 255, (20, 192, 3))
    key = store.add(as_png(frame), detector=detector).avatar_id
    with store.open(key) as avatar:
        assert np.array_equal(avatar.frame(0).planes, to_planes(frame))
        assert (len(avatar), avatar.fps, avatar.size) == (1, 25.0, (144, 192))


def test_a_video_keeps_its_length_rate_and_looks(store, detector, draw, as_video):
    frames = [draw([FaceBox(20 + i, 30, 90 + i, 110)]) for i in range(29)]
    key = store.add(as_video(frames, fps=30), detector=detector).avatar_id
    with store.open(key) as avatar:
        assert (len(avatar), avatar.fps) == (29, 30.0)
        for frame, original in zip(avatar.frames(iter(range(29))), frames, strict=True):
            error = to_bgr(frame.planes).astype(float) - original
            assert 10 * np.log10(255**2 / (error**2).mean()) > 32


def test_boxes_follow_a_moving_face_without_lag(store, detector, clip):
    found = boxes_of(store, store.add(clip, detector=detector).avatar_id)
    for index, box in enumerate(found):
        assert abs(box.x1 - (20 + 2 * index)) <= 2
        assert abs(box.x2 - (90 + 2 * index)) <= 2


def test_every_frame_of_a_still_avatar_is_one_object(store, detector, portrait):
    key = store.add(portrait, detector=detector).avatar_id
    with store.open(key) as avatar:
        first, second = avatar.frames(iter([0, 0]))
        assert first is second


def test_any_order_gives_the_frames_asked_for(store, detector, clip):
    key = store.add(clip, detector=detector).avatar_id
    order = [*range(30), *range(29, -1, -1), 3, 29, 0, 17]
    with store.open(key) as avatar:
        assert [frame.index for frame in avatar.frames(iter(order))] == order


def test_an_endless_order_is_read_one_segment_ahead_at_most(store, detector, clip):
    key = store.add(clip, detector=detector).avatar_id
    pulled = 0

    def endless():
        nonlocal pulled
        while True:
            pulled += 1
            yield pulled % 30

    with store.open(key) as avatar:
        frames = avatar.frames(endless())
        for _ in range(50):
            next(frames)
        assert pulled <= 50 + avatar.manifest.segment_frames
        assert len(avatar._segments) <= 3


def test_no_face_at_all_says_how_hard_it_looked(store, detector, draw, as_video):
    source = as_video([draw([])] * 5)
    for policy in ("keep", "hold", "interpolate", "fail"):
        with pytest.raises(FaceNotFoundError, match=r"5 frames.*0\.25.*0\.50") as caught:
            store.add(source, options=PrepareOptions(on_missing_face=policy), detector=detector)
        assert caught.value.frame_index is None


@pytest.fixture
def interrupted(draw, as_video):
    """A face that is away in frames 10 to 13 and jumps 40 pixels meanwhile."""
    here, there = FaceBox(20, 30, 90, 110), FaceBox(60, 30, 130, 110)
    return as_video([draw([here])] * 10 + [draw([])] * 4 + [draw([there])] * 10)


def add_with(store, detector, source, policy):
    options = PrepareOptions(on_missing_face=policy, smooth=False)
    return store.add(source, options=options, detector=detector)


def test_keep_shows_frames_without_a_face_unchanged(store, detector, interrupted):
    summary = add_with(store, detector, interrupted, "keep")
    assert summary.manifest.missing == ((10, 14),)
    assert summary.faces == 20
    with store.open(summary.avatar_id) as avatar:
        flags = [frame.has_face for frame in avatar.frames(iter(range(24)))]
        assert avatar.missing_s == ((0.4, 0.56),)
    assert flags == [True] * 10 + [False] * 4 + [True] * 10


def test_hold_repeats_the_last_box(store, detector, interrupted):
    summary = add_with(store, detector, interrupted, "hold")
    found = boxes_of(store, summary.avatar_id)
    assert found[10:14] == [found[9]] * 4
    assert summary.manifest.missing == ()
    assert summary.manifest.bridged == ((10, 14),)


def test_interpolate_bridges_a_short_gap(store, detector, interrupted):
    summary = add_with(store, detector, interrupted, "interpolate")
    lefts = [box.x1 for box in boxes_of(store, summary.avatar_id)[9:15]]
    assert lefts == pytest.approx([20, 28, 36, 44, 52, 60], abs=2)
    assert summary.manifest.bridged == ((10, 14),)


def test_fail_names_the_first_frame_without_a_face(store, detector, interrupted):
    with pytest.raises(FaceNotFoundError, match="frame 10") as caught:
        add_with(store, detector, interrupted, "fail")
    assert caught.value.frame_index == 10


def test_the_largest_face_is_chosen_and_another_can_be_asked_for(store, detector, draw, as_png):
    small, large = FaceBox(4, 20, 54, 80), FaceBox(80, 20, 180, 130)
    source = as_png(draw([small, large]))
    first = store.add(source, detector=detector)
    assert abs(boxes_of(store, first.avatar_id)[0].x1 - 80) <= 1
    second = store.add(source, options=PrepareOptions(face_id=1), detector=detector)
    assert abs(boxes_of(store, second.avatar_id)[0].x1 - 4) <= 1
    assert [face.face_id for face in first.manifest.faces] == [0, 1]
    with pytest.raises(FaceNotFoundError, match=r"no face 7.*0, 1"):
        store.add(source, options=PrepareOptions(face_id=7), detector=detector)


def test_a_face_can_be_chosen_by_a_point_near_it(store, detector, draw, as_png):
    source = as_png(draw([FaceBox(4, 20, 54, 80), FaceBox(80, 20, 180, 130)]))
    summary = store.add(source, options=PrepareOptions(face_at=(40, 60)), detector=detector)
    assert summary.manifest.face_id == 1
    with pytest.raises(OptionError, match="exclude"):
        PrepareOptions(face_at=(1, 1), face_id=0)


def test_a_given_box_is_used_as_it_is_and_nothing_is_searched(store, detector, clip):
    box = FaceBox(31, 21, 99, 105)
    before = counters.detections
    options = PrepareOptions(box=box, pads=Pads(9, 9, 9, 9))
    summary = store.add(clip, options=options, detector=detector)
    assert counters.detections == before
    assert set(boxes_of(store, summary.avatar_id)) == {box}


def test_a_box_outside_the_picture_is_refused(store, detector, portrait):
    with pytest.raises(OptionError, match=r"box 0 90 0 500 .* leaves the 192 x 144"):
        store.add(portrait, options=PrepareOptions(box=FaceBox(0, 0, 500, 90)), detector=detector)


def test_pads_move_the_edges_by_their_difference_to_the_default(store, detector, portrait):
    plain = boxes_of(store, store.add(portrait, detector=detector).avatar_id)[0]
    options = PrepareOptions(pads=Pads(1, 12, 3, 4))
    padded = boxes_of(store, store.add(portrait, options=options, detector=detector).avatar_id)[0]
    assert padded == FaceBox(plain.x1 - 3, plain.y1 - 1, plain.x2 + 4, plain.y2 + 2)


def test_static_takes_the_first_frame_alone(store, detector, clip):
    summary = store.add(clip, options=PrepareOptions(static=True), detector=detector)
    assert (summary.frames, summary.manifest.kind, detector.frames_seen) == (1, "image", 1)


def test_opacity_of_a_picture_survives(store, detector, draw, as_png):
    alpha = np.random.default_rng(0).integers(0, 255, (144, 192, 1), dtype=np.uint8)
    alpha[::2, ::2] = 255
    source = as_png(np.concatenate([draw([SQUARE]), alpha], axis=2))
    with store.open(store.add(source, detector=detector).avatar_id) as avatar:
        kept = avatar.frame(0).alpha
    assert kept is not None
    assert np.array_equal(kept, alpha[..., 0])


def test_opacity_of_a_video_survives(store, detector, draw):
    ramp = np.tile(np.arange(192, dtype=np.uint8), (144, 1))
    output = io.BytesIO()
    with av.open(output, "w", format="mov") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.height, stream.width, stream.pix_fmt = 144, 192, "argb"
        for index in range(15):
            alpha = np.roll(ramp, index, axis=1)
            pixels = np.concatenate([draw([SQUARE])[..., ::-1], alpha[..., None]], axis=2)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba").reformat(format="argb")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with store.open(store.add(output.getvalue(), detector=detector).avatar_id) as avatar:
        for index, frame in enumerate(avatar.frames(iter(range(15)))):
            assert np.array_equal(frame.alpha, np.roll(ramp, index, axis=1))


def test_a_shot_change_is_not_smoothed_over(store, detector, draw, as_video):
    here, there = FaceBox(10, 10, 80, 90), FaceBox(110, 50, 180, 130)
    second = 255 - draw([])
    second[:] = (200, 255, 60)
    second[there.y1 : there.y2, there.x1 : there.x2] = (30, 40, 220)
    found = boxes_of(
        store,
        store.add(as_video([draw([here])] * 10 + [second] * 10), detector=detector).avatar_id,
    )
    assert abs(found[9].x1 - 10) <= 2
    assert abs(found[10].x1 - 110) <= 2


def test_pictures_and_videos_beyond_the_limits_are_refused(store, detector, portrait, clip):
    with pytest.raises(TooLargeError):
        store.add(portrait, options=PrepareOptions(max_pixels=1000), detector=detector)
    with pytest.raises(TooLargeError, match="1 s"):
        store.add(clip, options=PrepareOptions(max_duration_s=1.0), detector=detector)


@pytest.mark.parametrize("source", [b"", b"hello", b"RIFF" + b"\0" * 60])
def test_what_is_no_picture_is_unreadable(store, detector, source):
    with pytest.raises(VideoDecodeError):
        store.add(source, detector=detector)


def test_progress_rises_and_can_stop_the_work(store, detector, clip):
    shares: list[float] = []
    store.add(clip, detector=detector, progress=shares.append)
    assert shares == sorted(shares)
    assert 0 <= shares[0] < 0.1 < 0.9 < shares[-1] <= 1

    def stop(share):
        if share > 0.5:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        store.add(clip, options=PrepareOptions(smooth=False), detector=detector, progress=stop)


def test_the_same_source_gives_the_same_bytes(store, detector, clip, tmp_path):
    store.add(clip, avatar_id="one", detector=detector)
    first = (store.root / "one.avatar").read_bytes()
    store.remove("one")
    store.add(clip, avatar_id="one", detector=detector)
    assert (store.root / "one.avatar").read_bytes() == first


@pytest.mark.parametrize(
    "wrong",
    [
        {"fps": 0},
        {"fps": float("nan")},
        {"resize_factor": 0},
        {"on_missing_face": "panic"},
        {"face_id": -1},
        {"box": FaceBox(5, 5, 5, 9)},
    ],
)
def test_impossible_options_are_refused_by_name(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        PrepareOptions(**wrong)


def test_the_thumbnail_is_a_small_jpeg(store, detector, portrait):
    with store.open(store.add(portrait, detector=detector).avatar_id) as avatar:
        small = cv2.imdecode(np.frombuffer(avatar.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert max(small.shape) == 160
    assert io.BytesIO(avatar.thumbnail).read(2) == b"\xff\xd8"
