import io
import resource
import threading
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.frame import PictureType

from runtime.audio import open_sound
from runtime.errors import OptionError, OutputError
from runtime.muxing import EncodeOptions
from runtime.resampling import MuxAudio
from runtime.types import FaceBox, Patch
from runtime.video import read_frames, read_pictures, render
from runtime.video_writer import VideoWriter
from tests.runtime.video_samples import colourful, grey_level, reference, still

SIZE = (64, 96)


def write_film(target, frames, *, fps=25, sound=None, rate=16000, block=1600, options=None):
    audio = None if sound is None else MuxAudio(rate, sound.shape[1])
    with VideoWriter(target, fps=fps, size=SIZE, audio=audio, options=options) as writer:
        if sound is not None:
            for start in range(0, len(sound), block):
                writer.write_audio(sound[start : start + block])
        for frame in frames:
            writer.write(still(frame))
    return target


def clicks(rate, seconds, channels=1):
    samples = np.zeros((round(rate * seconds), channels), np.float32)
    for moment in np.arange(0.1, seconds - 0.05, 0.23):
        start = round(rate * moment)
        samples[start : start + rate // 1000] = 0.7
    return samples


def read_sound(source):
    with open_sound(source) as sound:
        return sound.mux.sample_rate, np.concatenate([block.original for block in sound.blocks])


@pytest.mark.parametrize("fps", [10, 25, 30000 / 1001, 50])
@pytest.mark.parametrize("count", [1, 2, 37])
def test_every_frame_written_is_a_frame_decoded(tmp_path, fps, count):
    path = write_film(tmp_path / "out.mp4", [colourful(seed=i) for i in range(count)], fps=fps)
    with av.open(path) as film:
        stream = film.streams.video[0]
        times = [frame.time for frame in film.decode(stream)]
    np.testing.assert_allclose(times, np.arange(count) / fps, atol=1e-4)


def test_frames_come_back_as_they_were():
    buffer = io.BytesIO()
    frames = [colourful(seed=i) for i in range(6)]
    write_film(buffer, frames, options=EncodeOptions(crf=4))
    decoded = list(read_frames(buffer.getvalue()))
    assert all(cv2.PSNR(a, b) > 38 for a, b in zip(decoded, frames, strict=True))


def test_a_patch_is_written_into_its_reference_frame(tmp_path):
    pixels, touched = colourful(32, 48, seed=5), np.ones((32, 48), np.bool_)
    patch = Patch(reference(colourful()), FaceBox(20, 10, 68, 42), pixels, touched)
    with VideoWriter(tmp_path / "o.mp4", fps=25, size=SIZE, options=EncodeOptions(crf=4)) as writer:
        writer.write(patch)
    assert cv2.PSNR(next(read_frames(tmp_path / "o.mp4")), render(patch)) > 36


def test_a_patch_is_gone_from_the_next_frame_of_the_same_picture(tmp_path):
    below = reference(colourful())
    pixels, touched = colourful(16, 16, seed=5), np.ones((16, 16), np.bool_)
    corners = [(0, 0), (80, 48), (40, 20)]
    patches = [Patch(below, FaceBox(x, y, x + 16, y + 16), pixels, touched) for x, y in corners]
    with VideoWriter(tmp_path / "o.mp4", fps=25, size=SIZE, options=EncodeOptions(crf=4)) as writer:
        for patch in patches:
            writer.write(patch)
    films = zip(read_frames(tmp_path / "o.mp4"), patches, strict=True)
    assert all(cv2.PSNR(frame, render(patch)) > 36 for frame, patch in films)


def test_frames_of_a_still_picture_are_told_from_earlier_ones_alone(tmp_path):
    frames = [colourful(seed=seed) for seed in (1, 2)] * 6
    path = write_film(tmp_path / "o.mp4", frames, options=EncodeOptions(is_still=True))
    with av.open(path) as film:
        kinds = {frame.pict_type for frame in film.decode(video=0)}
    assert kinds <= {PictureType.I, PictureType.P}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_the_sound_starts_on_time_in_every_format(tmp_path, suffix, rate):
    source = clicks(rate, 1.2)
    path = write_film(tmp_path / f"out{suffix}", [grey_level(99)] * 30, sound=source, rate=rate)
    assert abs(delay_s(path, source, rate)) < 0.001


def delay_s(source, expected, rate):
    """Delay of a decoded film's sound by cross-correlation at 48 kHz, in seconds."""
    decoded_rate, decoded = read_sound(source)
    grid = np.arange(0, len(expected) / rate, 1 / 48000)
    one = np.interp(grid, np.arange(len(decoded)) / decoded_rate, decoded.mean(axis=1))
    two = np.interp(grid, np.arange(len(expected)) / rate, expected.mean(axis=1))
    size = 2 * len(grid)
    product = np.fft.rfft(one, size) * np.conj(np.fft.rfft(two, size))
    lag = int(np.argmax(np.fft.irfft(product, size)))
    return (lag - size if lag > size // 2 else lag) / 48000


@pytest.mark.parametrize("block", [1, 333, 1024, 48000])
def test_no_sound_is_lost_whatever_the_blocks(block):
    source = clicks(16000, 0.51)
    buffer = io.BytesIO()
    write_film(buffer, [grey_level(99)] * 13, sound=source[:8111], block=block)
    rate, decoded = read_sound(buffer.getvalue())
    expected = 8111 * rate / 16000
    assert expected - 1 <= len(decoded) < expected + 1024


def test_the_last_sound_frame_is_shorter_than_a_picture(tmp_path):
    source = clicks(16000, 2.0)
    path = write_film(tmp_path / "o.mp4", [grey_level(99)] * 50, sound=source, rate=16000)
    rate, decoded = read_sound(path)
    assert len(decoded) / rate < 2.0 + 1 / 25


def test_sound_and_picture_end_within_one_frame(tmp_path):
    path = write_film(
        tmp_path / "o.mp4", [grey_level(99)] * 31, sound=clicks(44100, 1.234), rate=44100
    )
    with av.open(path) as film:
        ends = [float(stream.duration * stream.time_base) for stream in film.streams]
        assert all(stream.start_time == 0 for stream in film.streams)
    assert abs(ends[0] - ends[1]) < 1 / 25


def test_stereo_stays_stereo(tmp_path):
    source = clicks(44100, 0.5, channels=2)
    source[:, 1] = 0
    path = write_film(tmp_path / "o.mp4", [grey_level(99)] * 13, sound=source, rate=44100)
    rate, decoded = read_sound(path)
    assert rate == 44100
    assert np.abs(decoded[:, 0]).max() > 10 * np.abs(decoded[:, 1]).max()


def test_colours_are_tagged_as_they_are(tmp_path):
    path = write_film(tmp_path / "o.mp4", [colourful()])
    with av.open(path) as film:
        context = film.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
    assert tags == (6, 6, 6, 1)


def test_the_header_comes_before_the_pictures(tmp_path):
    content = write_film(tmp_path / "o.mp4", [colourful()] * 5).read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


class Pipe(io.RawIOBase):
    """A file object that can only be written, like a socket."""

    def __init__(self):
        super().__init__()
        self.content = bytearray()

    def writable(self):
        return True

    def seekable(self):
        return False

    def write(self, block):
        self.content += bytes(block)
        return len(block)


@pytest.mark.parametrize("low_latency", [False, True])
def test_a_fragmented_film_plays_from_a_pipe_in_time(low_latency):
    pipe, source = Pipe(), clicks(16000, 2.0)
    options = EncodeOptions(fragmented=True, low_latency=low_latency)
    write_film(pipe, [colourful()] * 50, sound=source, options=options)
    content = bytes(pipe.content)
    assert content.count(b"moof") >= 2
    assert len(list(read_frames(content))) == 50
    assert abs(delay_s(content, source, 16000)) < 0.001


def test_deterministic_output_has_the_same_bytes_each_time():
    films = []
    for _ in range(2):
        buffer = io.BytesIO()
        options = EncodeOptions(deterministic=True, threads=2)
        write_film(
            buffer, [colourful(seed=i) for i in range(9)], sound=clicks(16000, 0.3), options=options
        )
        films.append(buffer.getvalue())
    assert films[0] == films[1]
    assert b"Lavf" not in films[0]


def test_metadata_is_written(tmp_path):
    options = EncodeOptions(metadata={"title": "Größe"})
    path = write_film(tmp_path / "o.mp4", [colourful()], options=options)
    with av.open(path) as film:
        assert film.metadata["title"] == "Größe"


def half_transparent():
    alpha = np.zeros((64, 96), np.uint8)
    alpha[:, 48:] = 255
    return alpha


def test_webm_keeps_the_opacity(tmp_path):
    with VideoWriter(tmp_path / "o.webm", fps=25, size=SIZE, alpha=True) as writer:
        for _ in range(3):
            writer.write(still(colourful(), half_transparent()))
    pictures = list(read_pictures(tmp_path / "o.webm"))
    assert len(pictures) == 3
    alpha = pictures[1].alpha
    assert alpha is not None
    assert np.abs(alpha.astype(int) - half_transparent())[:, ::8].mean() < 4


def test_a_folder_holds_numbered_pictures_with_opacity_and_the_sound(tmp_path):
    folder = tmp_path / "pictures"
    with VideoWriter(folder, fps=25, size=SIZE, audio=MuxAudio(22050, 1)) as writer:
        writer.write_audio(clicks(22050, 0.5))
        for index in range(3):
            writer.write(still(colourful(seed=index), half_transparent()))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["00000.png", "00001.png", "00002.png", "sound.wav"]
    picture = next(read_pictures(folder / "00001.png"))
    written = render(still(colourful(seed=1)))
    np.testing.assert_array_equal(picture.frame[:, 48:], written[:, 48:])
    np.testing.assert_array_equal(picture.alpha, half_transparent())
    assert len(read_sound(folder / "sound.wav")[1]) == 11025


def test_a_picture_pattern_names_the_files(tmp_path):
    write_film(tmp_path / "frames" / "face_%03d.png", [colourful()] * 2)
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == [
        "face_000.png",
        "face_001.png",
    ]


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not empty"):
        VideoWriter(tmp_path / "mine", fps=25, size=SIZE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_interrupted_picture_sequence_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_film(tmp_path / "pictures", interrupted(), sound=clicks(16000, 0.1))
    assert not list(tmp_path.iterdir())


def test_a_finished_film_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "mein film ü.mp4"
    path.write_bytes(b"old")
    write_film(path, [colourful()])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert len(list(read_frames(path))) == 1


def test_an_exception_keeps_the_old_film_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "o.mp4"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_film(path, interrupted())
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]
    assert path.read_bytes() == b"old"


def interrupted():
    yield colourful()
    raise KeyboardInterrupt


def test_an_unwritable_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        VideoWriter(tmp_path / "absent" / "o.mp4", fps=25, size=SIZE)


def test_a_folder_in_the_way_is_refused(tmp_path):
    (tmp_path / "o.mp4").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        VideoWriter(tmp_path / "o.mp4", fps=25, size=SIZE)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(OptionError, match=r"\.mp4"):
        VideoWriter(tmp_path / "o.gif", fps=25, size=SIZE)
    assert not list(tmp_path.iterdir())


def test_an_odd_size_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(OptionError, match="even frame size"):
        VideoWriter(tmp_path / "o.mp4", fps=25, size=(63, 96))
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_files():
    """Let no file grow beyond 20 kB, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, small_files):
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    path = tmp_path / "o.mp4"
    with pytest.raises(OutputError, match="cannot write"):
        write_film(path, [np.roll(noise, 7 * i, axis=1) for i in range(60)])
    assert not list(tmp_path.iterdir())


def test_a_full_device_is_reported(tmp_path):
    with (
        Path("/dev/full").open("wb", buffering=0) as full,
        pytest.raises(OutputError, match="No space"),
    ):
        write_film(full, [colourful()] * 3, options=EncodeOptions(fragmented=True))


def test_a_film_without_frames_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="no frame"):
        write_film(tmp_path / "o.mp4", [], sound=clicks(16000, 0.2))
    assert not list(tmp_path.iterdir())


def test_a_format_without_opacity_shows_the_picture_before_black(tmp_path):
    with VideoWriter(tmp_path / "o.mp4", fps=25, size=SIZE, alpha=True) as writer:
        writer.write(still(grey_level(200), half_transparent()))
    picture = next(read_pictures(tmp_path / "o.mp4"))
    assert picture.alpha is None
    assert picture.frame[:, :40].max() < 8
    assert picture.frame[:, 56:].min() > 190


def test_no_thread_is_left_behind(tmp_path):
    write_film(tmp_path / "o.mp4", [colourful()])
    assert "encode" not in {thread.name for thread in threading.enumerate()}


def test_writing_after_closing_is_refused(tmp_path):
    writer = VideoWriter(tmp_path / "o.mp4", fps=25, size=SIZE)
    writer.write(still(colourful()))
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="closed"):
        writer.write(still(colourful()))
