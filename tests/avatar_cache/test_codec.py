"""Laws of the avatar's own picture formats."""

import io

import av
import cv2
import numpy as np
import pytest

from avatar_cache import codec
from runtime.errors import AvatarCorruptError
from runtime.video import to_planes


def scene(count, size=(120, 160)):
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 2, (count, *size, 3))
    base = rng.integers(0, 255, (size[0] // 20, size[1] // 20, 3), np.uint8)
    smooth = cv2.resize(base, (size[1], size[0]), interpolation=cv2.INTER_CUBIC).astype(float)
    return [to_planes(np.clip(smooth + noise, 0, 255).astype(np.uint8)) for noise in grain]


@pytest.mark.parametrize("count", [1, 5, 12])
def test_a_segment_gives_back_its_frames_almost_without_loss(count):
    frames = scene(count)
    decoded = codec.decode_segment(codec.encode_segment(frames), (120, 160), most=12)
    assert len(decoded) == count
    error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(frames, decoded, strict=True)])
    assert 10 * np.log10(255**2 / error) > 44


@pytest.mark.parametrize("width_height", ["720x1280", "288x360", "480x640", "20x300", "46x46"])
def test_pictures_of_any_shape_are_given_back(width_height):
    width, height = map(int, width_height.split("x"))
    planes = np.full((height * 3 // 2, width), 100, np.uint8)
    (decoded,) = codec.decode_segment(codec.encode_segment([planes]), (height, width), most=1)
    assert np.abs(decoded.astype(int) - planes).max() <= 1


def test_the_full_range_of_levels_survives():
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (180, 1))
    (decoded,) = codec.decode_segment(codec.encode_segment([ramp]), (120, 160), most=1)
    assert np.abs(decoded[:120].astype(int) - ramp[:120]).max() <= 4
    assert decoded.min() <= 1
    assert decoded.max() >= 254


def test_equal_frames_give_equal_bytes():
    assert codec.encode_segment(scene(3)) == codec.encode_segment(scene(3))


def test_segments_of_large_pictures_are_shorter():
    assert codec.segment_length((120, 160)) == 6
    assert codec.segment_length((2160, 3840)) == 1
    assert codec.segment_length((1080, 1920)) == 4


def test_frames_of_another_size_are_refused():
    content = codec.encode_segment(scene(2, (240, 320)))
    with pytest.raises(AvatarCorruptError):
        codec.decode_segment(content, (120, 160), most=12)


def test_another_codec_is_refused():
    output = io.BytesIO()
    with av.open(output, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 120, 160, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(1)[0], format="yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(AvatarCorruptError, match="h264"):
        codec.decode_segment(output.getvalue(), (120, 160), most=12)


def test_decoding_stops_after_the_frames_there_may_be():
    decoded = codec.decode_segment(codec.encode_segment(scene(12)), (120, 160), most=3)
    assert len(decoded) == 4


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 500])
def test_what_is_no_segment_is_refused(content):
    with pytest.raises(AvatarCorruptError):
        codec.decode_segment(content, (120, 160), most=12)


def test_pictures_are_kept_without_loss():
    rng = np.random.default_rng(0)
    for shape in ((40, 60, 3), (40, 60)):
        image = rng.integers(0, 255, shape, np.uint8)
        assert np.array_equal(codec.decode_image(codec.encode_image(image), shape), image)


def test_a_picture_of_another_size_is_refused():
    content = codec.encode_image(np.zeros((40, 60), np.uint8))
    with pytest.raises(AvatarCorruptError):
        codec.decode_image(content, (60, 40))
