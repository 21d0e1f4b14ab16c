import gc
import struct
import zlib
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from runtime.errors import (
    OptionError,
    TooLargeError,
    UnsupportedFormatError,
    VideoDecodeError,
)
from runtime.video import (
    encode_jpeg,
    even_size,
    probe_video,
    read_alpha,
    read_frames,
    read_image,
    read_pictures,
)
from tests.runtime.video_samples import colourful, encode_film, grey_level


def encoded(suffix, picture, *parameters):
    done, content = cv2.imencode(suffix, picture, list(parameters))
    assert done
    return content.tobytes()


def with_orientation(jpeg, orientation):
    exif = b"Exif\0\0MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def levels(frames):
    return [round(float(frame.mean()) / 10) for frame in frames]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tiff"])
def test_a_lossless_image_keeps_every_pixel(suffix):
    picture = colourful()
    parameters = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    np.testing.assert_array_equal(read_image(encoded(suffix, picture, *parameters)), picture)


@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_a_lossy_image_keeps_its_colours(suffix):
    picture = np.full((64, 96, 3), (60, 120, 200), np.uint8)
    mean = read_image(encoded(suffix, picture)).mean(axis=(0, 1))
    np.testing.assert_allclose(mean, (60, 120, 200), atol=8)


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.swapaxes(0, 1)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_an_exif_orientation_is_undone(orientation, undo):
    jpeg = encoded(".jpg", colourful())
    stored = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    upright = read_image(with_orientation(jpeg, orientation))
    np.testing.assert_array_equal(upright, undo(stored))


def test_a_16_bit_image_is_scaled_to_8_bits():
    wide = np.full((2, 2, 3), 65535, np.uint16)
    wide[0] = 128 * 257
    assert read_image(encoded(".png", wide))[:, 0, 0].tolist() == [128, 255]


def test_a_grey_image_becomes_three_equal_channels():
    grey = colourful()[:, :, 0]
    np.testing.assert_array_equal(
        read_image(encoded(".png", grey)), np.repeat(grey[:, :, None], 3, axis=2)
    )


def png_chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def test_a_palette_image_with_transparency_gives_its_colours_and_its_opacity():
    header = struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))
        + png_chunk(b"tRNS", bytes([255, 70]))
        + png_chunk(b"IDAT", zlib.compress(b"\0\0\1\0\0\1"))
        + png_chunk(b"IEND", b"")
    )
    assert read_image(png)[0].tolist() == [[0, 0, 255], [255, 0, 0]]
    assert read_alpha(png).tolist() == [[255, 70], [255, 70]]


def test_numbers_brighter_than_white_are_white():
    picture = np.full((4, 4, 3), 0.5, np.float32)
    picture[2:] = 3e38
    levels = read_image(encoded(".tiff", picture))
    assert set(levels[:2].ravel().tolist()) == {127}
    assert (levels[2:] == 255).all()


def test_an_avif_image_is_read():
    picture = np.full((64, 96, 3), (60, 120, 200), np.uint8)
    assert np.abs(read_image(encoded(".avif", picture)).astype(int) - picture).max() < 12


def test_a_heic_image_is_refused_with_the_way_out():
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    with pytest.raises(UnsupportedFormatError, match="save it as JPEG or PNG"):
        read_image(heic)


def test_opacity_comes_apart_and_colours_that_are_seen_stay_as_stored():
    picture = np.dstack([colourful(), np.tile(np.arange(8, 104, dtype=np.uint8), (64, 1))])
    content = encoded(".png", picture)
    np.testing.assert_array_equal(read_image(content), picture[:, :, :3])
    np.testing.assert_array_equal(read_alpha(content), picture[:, :, 3])
    assert probe_video(content).has_alpha


def test_an_opaque_image_has_full_opacity():
    assert (read_alpha(encoded(".png", colourful())) == 255).all()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (64, 97)])
def test_an_odd_size_is_padded_by_the_last_row_and_column(size):
    picture = colourful(*size)
    frame = read_image(encoded(".png", picture))
    assert frame.shape[:2] == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    np.testing.assert_array_equal(frame[: size[0], : size[1]], picture)
    np.testing.assert_array_equal(frame[-1, : size[1]], picture[-1])


def test_an_even_picture_is_not_copied():
    picture = colourful()
    assert even_size(picture) is picture


def test_too_many_pixels_are_refused_from_the_header_alone():
    bomb = b"\x89PNG\r\n\x1a\n" + png_chunk(
        b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    )
    bomb += png_chunk(b"IEND", b"")
    with pytest.raises(TooLargeError, match="found 60000 x 60000"):
        read_image(bomb)


def test_a_chunk_that_claims_gigabytes_is_refused_before_decoding():
    content = bytearray(encoded(".png", colourful()))
    content[33:37] = b"\xed\0\0\0"
    with pytest.raises(VideoDecodeError, match="damaged png header"):
        read_image(bytes(content))


def test_a_film_of_an_unknown_codec_is_refused():
    film = encode_film([colourful()], container="avi").replace(b"FMP4", b"????")
    with pytest.raises(VideoDecodeError, match="codec"):
        list(read_frames(film))


def test_a_film_with_too_many_pixels_is_refused():
    film = encode_film([colourful()])
    with pytest.raises(TooLargeError, match="found 96 x 64"):
        list(read_frames(film, max_pixels=96 * 64 - 1))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
@pytest.mark.parametrize("kept", [12, 20, 60])
def test_a_truncated_image_is_refused_with_its_name(tmp_path, suffix, kept):
    path = tmp_path / f"my face{suffix}"
    path.write_bytes(encoded(suffix, colourful())[:kept])
    with pytest.raises(VideoDecodeError, match="my face"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"Dear reader,\n" * 200, bytes(range(256)) * 40])
def test_what_is_no_picture_is_refused(tmp_path, content):
    path = tmp_path / "face.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoDecodeError, match="expected an image or a video, found"):
        list(read_frames(path))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(VideoDecodeError, match="No such file"):
        list(read_frames(tmp_path / "absent.mp4"))


def test_a_film_gives_its_frames_in_order_and_number():
    film = encode_film([grey_level(level) for level in range(20, 240, 20)])
    assert levels(read_frames(film)) == list(range(2, 24, 2))


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts", "mov", "mpeg"])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30), Fraction(30000, 1001)])
def test_every_container_gives_every_frame_once(container, fps):
    frames = [grey_level(level) for level in range(20, 230, 10)]
    codec = "mpeg2video" if container.startswith("mpeg") else "mpeg4"
    film = encode_film(frames, rate=fps, time_base=1 / fps, container=container, codec=codec)
    assert levels(read_frames(film)) == list(range(2, 23))


def test_a_truncated_film_gives_what_is_readable():
    film = encode_film(
        [colourful(seed=i) for i in range(30)], container="mpegts", codec="mpeg2video"
    )
    frames = list(read_frames(film[: len(film) // 2]))
    assert 5 < len(frames) < 30


@pytest.mark.parametrize(("counterclockwise", "quarter_turns"), [(90, 1), (180, 2), (-90, -1)])
def test_the_display_matrix_is_applied(counterclockwise, quarter_turns):
    picture = colourful()
    plain = next(read_frames(encode_film([picture])))
    film = encode_film([picture], rotation=counterclockwise)
    np.testing.assert_array_equal(next(read_frames(film)), np.rot90(plain, quarter_turns))
    assert probe_video(film).rotation == -counterclockwise % 360


def test_a_variable_rate_shows_at_each_moment_what_the_source_shows():
    times = [0, 100, 140, 500, 600]
    frames = [grey_level(level) for level in (20, 60, 100, 140, 180)]
    film = encode_film(frames, times=times, time_base=Fraction(1, 1000), container="matroska")
    shown = levels(read_frames(film, fps=25))
    expected = [(2, 6, 10, 14, 18)[sum(t <= k * 40 for t in times) - 1] for k in range(len(shown))]
    assert shown == expected
    assert len(shown) >= 16


def test_jitter_of_a_camera_neither_drops_nor_doubles_frames():
    rng = np.random.default_rng(0)
    times = [round(33.3667 * k + rng.uniform(-4, 4)) if k else 0 for k in range(60)]
    frames = [grey_level(20 + 3 * k) for k in range(60)]
    film = encode_film(
        frames,
        times=times,
        time_base=Fraction(1, 1000),
        container="matroska",
        codec="ffv1",
        rate=30,
    )
    brightness = [float(frame.mean()) for frame in read_frames(film)]
    assert len(brightness) == 60
    assert np.diff(brightness).min() > 1


@pytest.mark.parametrize(("source_fps", "fps"), [(30, 25), (25, 30), (10, 25), (50, 25)])
def test_another_rate_keeps_the_length(source_fps, fps):
    frames = [grey_level(20 + i) for i in range(2 * source_fps)]
    film = encode_film(
        frames, rate=source_fps, time_base=Fraction(1, source_fps), container="matroska"
    )
    assert abs(len(list(read_frames(film, fps=fps))) - 2 * fps) <= 1


def test_pixels_that_are_not_square_are_made_square():
    film = encode_film([colourful(64, 48)], aspect=Fraction(2, 1))
    assert next(read_frames(film)).shape == (64, 96, 3)
    info = probe_video(film)
    assert (info.width, info.height) == (96, 64)


@pytest.mark.parametrize(("tag", "name"), [(1, "BT.709"), (5, "BT.601"), (9, "BT.2020")])
def test_the_colour_matrix_of_the_film_is_used(tag, name):
    picture = np.full((64, 96, 3), (40, 60, 200), np.uint8)
    film = encode_film([picture], codec="libx264", colorspace=tag)
    assert np.abs(next(read_frames(film)).astype(int) - picture).max() <= 5


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.58), (18, 0.75)])
def test_white_of_an_hdr_film_is_bright_and_black_is_black(transfer, white):
    # ITU-R BT.2408 puts white at 58 % of the PQ and 75 % of the HLG signal.
    film = encode_film(
        [grey_level(round(white * 255)), grey_level(0)],
        codec="ffv1",
        container="matroska",
        pix_fmt="yuv420p10le",
        colorspace=9,
        transfer=transfer,
        primaries=9,
    )
    shown = [frame.mean() for frame in read_frames(film)]
    assert shown[0] > 235
    assert shown[1] < 3


def test_grey_keeps_its_level_from_a_wide_gamut():
    film = encode_film(
        [grey_level(120)], codec="ffv1", container="matroska", colorspace=9, primaries=9
    )
    assert np.abs(next(read_frames(film)).astype(int) - 120).max() <= 5


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv422p10le", "gray", "yuv420p10le"])
def test_unusual_pixel_formats_are_converted(pix_fmt):
    picture = grey_level(120)
    film = encode_film([picture], codec="ffv1", container="matroska", pix_fmt=pix_fmt)
    assert np.abs(next(read_frames(film)).astype(int) - 120).max() <= 3


def test_the_half_pictures_of_interlaced_film_are_joined():
    moving = [np.roll(colourful(seed=3), 6 * i, axis=1) for i in range(13)]
    woven = [np.where(np.arange(64)[:, None, None] % 2 == 0, a, b) for a, b in pairwise(moving)]
    film = encode_film(woven, codec="mpeg2video", container="mpegts", interlaced=True)
    frames = list(read_frames(film))
    assert len(frames) == 12
    comb = [float(np.abs(np.diff(f.astype(int), 2, axis=0)).mean()) for f in (woven[5], frames[5])]
    assert comb[1] < comb[0] / 2


def test_frames_do_not_pile_up_while_reading():
    film = encode_film([colourful(seed=i) for i in range(40)])
    gc.collect()
    gc.disable()
    try:
        frames = read_frames(film)
        shapes = [next(frames).shape for _ in range(39)]
        alive = sum(type(thing) is av.VideoFrame for thing in gc.get_objects())
    finally:
        gc.enable()
    assert len(shapes) == 39
    assert alive < 10


def test_the_opacity_of_a_film_is_kept():
    picture = np.dstack([colourful(), np.full((64, 96), 99, np.uint8)])
    film = encode_film([picture], codec="png", container="mov", pix_fmt="rgba")
    decoded = next(read_pictures(film))
    assert decoded.alpha is not None
    np.testing.assert_array_equal(decoded.alpha, picture[:, :, 3])
    np.testing.assert_array_equal(decoded.frame, picture[:, :, :3])


def test_shrinking_turning_and_cropping_happen_in_wav2lips_order():
    picture = colourful(64, 96)
    content = encoded(".png", picture)
    frame = next(read_frames(content, resize_factor=2, rotate=True, crop=(4, -1, 2, 20)))
    small = cv2.resize(picture, (48, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(frame, np.rot90(small, -1)[4:, 2:20])


@pytest.mark.parametrize("crop", [(10, 5, 0, -1), (0, 65, 0, -1), (0, -1, 96, -1), (-2, -1, 0, -1)])
def test_a_crop_outside_the_picture_is_refused(crop):
    with pytest.raises(OptionError, match="does not fit"):
        next(read_frames(encoded(".png", colourful()), crop=crop))


def test_probe_tells_what_a_film_holds():
    info = probe_video(encode_film([colourful()] * 10))
    assert (info.kind, info.width, info.height, info.fps) == ("video", 96, 64, 25)
    assert (info.frame_count, info.codec, info.has_audio) == (10, "mpeg4", False)
    assert info.duration_s == pytest.approx(0.4)


def test_probe_tells_what_an_image_holds():
    info = probe_video(with_orientation(encoded(".jpg", colourful()), 6))
    assert (info.kind, info.width, info.height, info.rotation) == ("image", 64, 96, 90)


def test_a_jpeg_thumbnail_is_readable_again():
    picture = colourful()
    assert cv2.PSNR(read_image(encode_jpeg(picture)), picture) > 30
