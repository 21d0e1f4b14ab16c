import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from runtime.chunks import MelChunker, first_column, frame_count


def counting_mel(columns):
    return np.tile(np.arange(columns, dtype=np.float32), (80, 1))


def all_chunks(mel, fps, count, *, offset=0, cuts=()):
    chunker = MelChunker(fps, offset=offset)
    parts = np.split(mel, sorted(cuts), axis=1)
    pushed = [chunk for part in parts for chunk in chunker.push(part)]
    return pushed + chunker.flush(count)


@pytest.mark.parametrize("fps", [10, 25, 30, 29.97, 30000 / 1001, 50])
@pytest.mark.parametrize("samples", [1, 199, 16000, 16001, 123457])
def test_the_video_covers_the_sound_and_ends_within_one_frame(fps, samples):
    frames = frame_count(samples, fps)
    assert 0 <= frames / fps - samples / 16000 < 1 / fps + 1e-3


def test_one_second_at_25_fps_is_25_frames():
    assert frame_count(16000, 25) == 25
    assert frame_count(16001, 25) == 26


@pytest.mark.parametrize("fps", [10, 15, 24, 25, 30, 50, 60])
def test_a_frame_begins_where_wav2lip_lets_it_begin(fps):
    exact = [first_column(i, fps) for i in range(5000)]
    assert exact == [int(i * (80.0 / fps) + 1e-9) for i in range(5000)]


def test_the_first_chunks_are_those_of_wav2lip():
    chunks = all_chunks(counting_mel(81), 25, 25)
    assert [int(chunk[0, 0]) for chunk in chunks[:6]] == [0, 3, 6, 9, 12, 16]


def test_the_last_chunk_ends_with_the_sound_for_the_public_checkpoint():
    chunks = all_chunks(counting_mel(81), 25, 25)
    assert [int(chunk[0, -1]) for chunk in chunks[-5:]] == [79, 80, 80, 80, 80]
    assert len(chunks) == 25


def test_with_an_offset_columns_outside_the_sound_repeat_the_outermost():
    chunks = all_chunks(counting_mel(81), 25, 25, offset=-6)
    assert chunks[0][0].tolist() == [0] * 6 + list(range(10))
    assert chunks[-1][0].tolist() == [*range(70, 81), *[80] * 5]


@pytest.mark.parametrize("offset", [0, -4])
def test_a_sound_shorter_than_one_chunk_repeats_its_last_column(offset):
    chunk = all_chunks(counting_mel(5), 25, 1, offset=offset)[0]
    assert int(chunk[0, -1]) == 4
    assert chunk.shape == (80, 16)


def test_a_sound_without_columns_is_silence():
    chunks = MelChunker(25).flush(1)
    assert (chunks[0] == -4).all()


@settings(max_examples=60, deadline=None)
@given(
    columns=st.integers(1, 160),
    fps=st.sampled_from([10, 25, 29.97, 60]),
    offset=st.integers(-30, 10),
    cuts=st.lists(st.integers(0, 160), max_size=8),
)
def test_any_cut_of_the_mel_gives_the_same_chunks_and_the_exact_count(columns, fps, offset, cuts):
    count = frame_count((columns - 1) * 200, fps)
    mel = counting_mel(columns)
    whole = all_chunks(mel, fps, count, offset=offset)
    parts = all_chunks(mel, fps, count, offset=offset, cuts=cuts)
    assert len(whole) == len(parts) == count
    np.testing.assert_array_equal(np.stack(whole), np.stack(parts))


def test_the_chunker_keeps_only_the_columns_that_later_chunks_need():
    chunker = MelChunker(25)
    for _ in range(50):
        chunker.push(counting_mel(80))
    kept = chunker._kept
    assert kept is not None
    assert kept.shape[1] < 120


def test_frames_do_not_drift_in_an_hour():
    assert first_column(90_000, 25) == 288_000
    assert first_column(107_892, 30000 / 1001) == math.floor(107_892 * 80 * 1001 / 30000)
