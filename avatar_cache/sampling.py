"""A few frames spread over a video: seconds of work whatever its length."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
import av.container
import av.error
import av.video.stream
import cv2
import numpy as np

from runtime.errors import VideoDecodeError
from runtime.media import MediaSource, open_media
from runtime.types import Frame
from runtime.video import VideoInfo, read_pictures

#: Frames looked at in a video.
SAMPLE_COUNT = 64
#: Videos up to this many frames are decoded whole: seconds of work, and no gap stays unseen.
WHOLE_FRAMES = 3000
#: In longer ones, frames decoded after a key frame to get near the wanted time.
FRAMES_AFTER_KEY = 48
#: Packets whose time stamps tell whether the rate is constant.
RATE_PACKETS = 500
#: A rate is variable when the longest frame lasts this many times the shortest.
VARIABLE_RATIO = 1.5


class Sample(NamedTuple):
    """One frame and when it is shown, in seconds."""

    time_s: float
    frame: Frame


def sample_frames(
    source: MediaSource, info: VideoInfo, *, max_pixels: int, count: int = SAMPLE_COUNT
) -> Iterator[Sample]:
    """Yield up to ``count`` upright frames in order of time.

    Args:
        source: Image or video.
        info: What ``probe_video`` said.
        max_pixels: Limit on height times width.
        count: Frames wanted.

    Raises:
        VideoDecodeError: There is no readable picture.
    """
    if info.kind == "image":
        for picture in read_pictures(source, max_pixels=max_pixels):
            yield Sample(0.0, picture.frame)
        return
    seeks = info.frame_count > WHOLE_FRAMES
    for time_s, frame in _seek(source, info, count) if seeks else _walk(source, info, count):
        yield Sample(time_s, _upright(frame, info))


def has_variable_rate(source: MediaSource) -> bool:
    """Tell from the first packets whether a video's frames last differently long."""
    with open_media(source, error=VideoDecodeError, expected="a video") as container:
        times = []
        for packet in container.demux(container.streams.video[0]):
            if packet.pts is not None:
                times.append(packet.pts)
            if len(times) == RATE_PACKETS:
                break
        unit = container.streams.video[0].time_base
    gaps = np.diff(np.unique(times))
    # Time stamps are whole ticks: 29.97 in milliseconds alternates between 33 and 34.
    return bool(
        len(gaps) > 2 and unit and gaps.max() - gaps.min() > 2 and _ratio(gaps) > VARIABLE_RATIO
    )


def _ratio(gaps: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> float:
    # A handful of odd frames at the start or end does not make a rate variable.
    low, high = np.quantile(gaps, [0.05, 0.95])
    return float(high / max(low, 1))


def _walk(
    source: MediaSource, info: VideoInfo, count: int
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode the whole video and give the frames nearest after evenly spread times."""
    step = max(1 / info.fps, info.duration_s / count)
    wanted = 0.0
    with _opened(source) as (container, stream, start):
        for time_s, frame in _timed(container, stream, start):
            # Half a frame of slack: time stamps are rounded to ticks.
            if time_s + 0.5 / info.fps >= wanted:
                yield time_s, frame
                wanted += step


def _seek(
    source: MediaSource, info: VideoInfo, count: int
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Jump to evenly spread times; frames far behind a key frame are left out."""
    last = -1.0
    with _opened(source) as (container, stream, start):
        for index in range(count):
            wanted = info.duration_s * index / count
            try:
                container.seek(max(0, round((wanted + start) * av.time_base)))
            except av.error.FFmpegError:
                continue
            near = itertools.islice(_timed(container, stream, start), FRAMES_AFTER_KEY)
            found = next((timed for timed in near if timed[0] >= wanted), None)
            if found is not None and found[0] > last:
                last = found[0]
                yield found


@contextmanager
def _opened(
    source: MediaSource,
) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream, float]]:
    """Open the picture stream; give it with its start in seconds."""
    with open_media(source, error=VideoDecodeError, expected="a video") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        yield container, stream, float((stream.start_time or 0) * (stream.time_base or 0))


def _timed(
    container: av.container.InputContainer, stream: av.video.stream.VideoStream, start: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Decode from here on; give frames with their time, and stop where the file is damaged."""
    period = 1 / float(stream.average_rate or 25)
    following = 0.0
    try:
        for frame in container.decode(stream):
            time_s = following if frame.pts is None else frame.time - start
            following = time_s + period
            yield time_s, frame
    except av.error.FFmpegError:
        return


def _upright(frame: av.VideoFrame, info: VideoInfo) -> Frame:
    pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    turned = np.ascontiguousarray(np.rot90(pixels, -info.rotation // 90))
    size_wh = (info.width, info.height)
    return np.asarray(cv2.resize(turned, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
