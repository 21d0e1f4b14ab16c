import io
import logging
import struct
import wave
from fractions import Fraction

import av
import numpy as np
import pytest

from runtime.audio import decode_audio, encode_wav, open_sound, probe_audio, read_audio
from runtime.errors import AudioDecodeError, AudioTooLongError, AudioTooShortError


def click_track(rate, seconds, at_s):
    samples = np.zeros(round(rate * seconds), np.float32)
    for moment in at_s:
        start = round(moment * rate)
        width = max(4, rate // 2000)
        samples[start - width : start + width + 1] = 0.8 * np.hanning(2 * width + 1)
    return samples


def tone(rate, seconds, hz=440.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate * seconds)) / rate)).astype("f4")


def encode(samples, rate, codec="pcm_s16le", container="wav", layout=None, fmt="fltp"):
    """Encode float samples (n,) or (channels, n) with PyAV."""
    samples = np.atleast_2d(samples).astype(np.float32)
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), fmt, layout)
        frame.sample_rate = rate
        frame.time_base = Fraction(1, rate)
        frame.pts = 0
        resampler = av.AudioResampler(stream.codec_context.format, layout, rate)
        for converted in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(converted))
        out.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 44100, 48000, 96000])
@pytest.mark.parametrize("count", [3001, 20011])
def test_the_length_is_exact_at_any_rate(rate, count):
    waveform = read_audio(encode(np.zeros(count), rate))
    assert len(waveform) == int(np.floor(count * 16000 / rate + 0.5))
    assert waveform.dtype == np.float32


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_resampling_adds_no_delay(rate):
    waveform = read_audio(encode(click_track(rate, 1.0, [0.25, 0.75]), rate))
    for moment in (0.25, 0.75):
        around = waveform[round(16000 * (moment - 0.1)) : round(16000 * (moment + 0.1))]
        assert abs(int(np.argmax(around)) - 1600) <= 1


@pytest.mark.parametrize(
    "codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"]
)
def test_every_sample_format_gives_the_same_sound(codec):
    expected = tone(16000, 0.3)
    tolerance = 0.005 if codec == "pcm_u8" else 1e-4
    np.testing.assert_allclose(read_audio(encode(expected, 16000, codec)), expected, atol=tolerance)


@pytest.mark.parametrize(
    ("codec", "container"),
    [("flac", "flac"), ("aac", "mp4"), ("libmp3lame", "mp3"), ("libopus", "ogg"), ("aac", "adts")],
)
def test_compressed_sound_keeps_its_level(codec, container):
    waveform = read_audio(encode(tone(48000, 1.0), 48000, codec, container))
    level = float(np.sqrt(np.mean(waveform[4000:12000] ** 2)))
    # LAME turns its input down by 5 %.
    assert level == pytest.approx(0.3535, rel=0.06)


def test_stereo_is_heard_as_the_mean_of_its_channels():
    left, right = tone(16000, 0.2, 300), tone(16000, 0.2, 700)
    waveform = read_audio(encode(np.stack([left, right]), 16000, "pcm_f32le"))
    np.testing.assert_allclose(waveform, (left + right) / 2, atol=1e-6)


def test_speech_in_the_centre_of_surround_sound_is_heard():
    channels = np.zeros((6, 8000), np.float32)
    channels[2] = tone(16000, 0.5)
    waveform = read_audio(encode(channels, 16000, "pcm_f32le"))
    assert np.corrcoef(waveform, channels[2])[0, 1] > 0.999
    assert np.abs(waveform).max() > 0.1


def test_a_wav_with_a_junk_chunk_before_its_format_is_read():
    plain = encode_wav(tone(16000, 0.2))
    junk = b"JUNK" + struct.pack("<I", 28) + bytes(28)
    padded = b"RIFF" + struct.pack("<I", len(plain) - 8 + len(junk)) + b"WAVE" + junk + plain[12:]
    np.testing.assert_array_equal(read_audio(padded), read_audio(plain))


def test_encode_wav_and_read_audio_are_inverse_within_16_bits():
    expected = tone(16000, 0.2)
    np.testing.assert_allclose(read_audio(encode_wav(expected)), expected, atol=1 / 16000)


def test_a_path_with_spaces_and_unicode_reads_like_its_bytes(tmp_path):
    content = encode_wav(tone(16000, 0.2))
    path = tmp_path / "mein Sprachstück (öä) 音声.wav"
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path), read_audio(content))


@pytest.mark.parametrize("block_s", [0.013, 0.1, 1.0, 60.0])
def test_the_block_length_does_not_change_the_sound(block_s):
    content = encode(tone(44100, 1.3), 44100)
    parts = list(decode_audio(content, block_s=block_s))
    assert max(len(part) for part in parts) <= block_s * 16000 + 800
    np.testing.assert_allclose(np.concatenate(parts), read_audio(content), atol=1e-6)


def test_the_original_keeps_its_rate_channels_and_every_sample():
    stereo = np.stack([tone(44100, 0.7, 300), tone(44100, 0.7, 500)])
    with open_sound(encode(stereo, 44100, "pcm_f32le"), block_s=0.1) as sound:
        original = np.concatenate([block.original for block in sound.blocks])
    assert (sound.mux.sample_rate, sound.mux.channels) == (44100, 2)
    np.testing.assert_allclose(original, stereo.T, atol=1e-6)


def test_the_sound_of_a_video_starts_with_its_picture():
    waveform = read_audio(video_with_sound(picture_at_s=0.0, sound_at_s=0.5))
    onset = int(np.argmax(np.abs(waveform) > 0.2)) / 16000
    assert abs(onset - 0.5) < 0.002


def test_sound_before_the_picture_is_cut():
    waveform = read_audio(video_with_sound(picture_at_s=0.2, sound_at_s=0.0))
    assert len(waveform) == 0.2 * 16000


def test_a_lying_time_stamp_does_not_make_hours_of_silence():
    assert len(read_audio(video_with_sound(picture_at_s=0.0, sound_at_s=5000.0))) == 0.4 * 16000


def video_with_sound(picture_at_s, sound_at_s):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        video = out.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        audio = out.add_stream("pcm_s16le", rate=16000, layout="mono")
        for index in range(25):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts = round(25 * picture_at_s) + index
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        samples = (tone(16000, 0.4) * 32767).astype(np.int16)[None]
        sound = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        sound.sample_rate = 16000
        sound.time_base = Fraction(1, 16000)
        sound.pts = round(16000 * sound_at_s)
        out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return buffer.getvalue()


def test_a_truncated_file_gives_the_sound_that_is_there():
    content = encode(tone(16000, 1.0), 16000, "flac", "flac")
    waveform = read_audio(content[: len(content) * 2 // 3])
    assert 4000 < len(waveform) < 16000


def test_fifty_milliseconds_are_enough():
    assert len(read_audio(encode_wav(tone(16000, 0.05)))) == 800


def test_less_than_one_mel_column_is_refused():
    with pytest.raises(AudioTooShortError, match=r"at least 12.5 ms of sound, found 6.2 ms"):
        read_audio(encode_wav(tone(16000, 0.00625)))


def test_sound_beyond_the_limit_is_refused_while_decoding():
    with pytest.raises(AudioTooLongError, match=r"at most 0\.5 s"):
        list(decode_audio(encode_wav(tone(16000, 1.0)), max_s=0.5))


def test_text_named_wav_is_refused_with_what_was_found(tmp_path):
    path = tmp_path / "not really.wav"
    path.write_text("Dear reader,\nthis is no sound.\n" * 50)
    with pytest.raises(AudioDecodeError, match="expected a file with sound, found") as e:
        read_audio(path)
    assert "not really.wav" in str(e.value)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(AudioDecodeError, match="an empty file"):
        read_audio(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(AudioDecodeError, match="No such file"):
        read_audio(tmp_path / "absent.wav")


def test_a_header_without_sound_is_refused():
    with wave.open(buffer := io.BytesIO(), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", "none"))
    with pytest.raises((AudioDecodeError, AudioTooShortError)):
        read_audio(buffer.getvalue())


def test_a_silent_film_is_refused_with_what_it_holds():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=25, width=32, height=32, pix_fmt="yuv420p")
        out.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        out.mux(video.encode(None))
    with pytest.raises(AudioDecodeError, match="only video"):
        read_audio(buffer.getvalue())


def test_random_bytes_are_refused():
    noise = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()
    with pytest.raises(AudioDecodeError):
        read_audio(noise)


def test_a_playlist_cannot_open_other_files(tmp_path):
    (tmp_path / "secret.wav").write_bytes(encode_wav(tone(16000, 0.2)))
    playlist = f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    with pytest.raises(AudioDecodeError):
        read_audio(tmp_path / "list.m3u8")


def test_broken_floats_become_silence():
    samples = tone(16000, 0.1)
    samples[100] = np.nan
    samples[200] = np.inf
    waveform = read_audio(encode(samples, 16000, "pcm_f32le"))
    assert np.isfinite(waveform).all()
    assert np.abs(waveform).max() <= 1


def test_probe_tells_length_format_and_loudness():
    info = probe_audio(encode(np.stack([tone(44100, 0.5)] * 2), 44100))
    assert (info.sample_rate, info.channels, info.codec) == (44100, 2, "pcm_s16le")
    assert info.duration_s == pytest.approx(0.5)
    assert info.peak_dbfs == pytest.approx(-6.02, abs=0.05)
    assert info.rms_dbfs == pytest.approx(-9.03, abs=0.05)


def test_probe_calls_digital_silence_minus_120_dbfs():
    assert probe_audio(encode_wav(np.zeros(1600, np.float32))).rms_dbfs == -120


def test_a_cut_off_film_gives_what_is_there_and_says_so(tmp_path, caplog):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("aac", rate=16000, layout="mono")
        noise = np.random.default_rng(0).normal(0, 0.1, (1, 16000 * 3)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate = 16000
        film.mux([*stream.encode(frame), *stream.encode(None)])
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) * 6 // 10])
    with caplog.at_level(logging.WARNING, logger="runtime.media"):
        assert 8000 < len(read_audio(cut)) < len(read_audio(whole))
    assert "cut.mp4" in caplog.text
    assert "whole.mp4" not in caplog.text
