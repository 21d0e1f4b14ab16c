"""A few frames spread over a video, found by seeking: seconds of work whatever its length."""

from collections.abc import Iterator
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
#: Videos up to this many frames are decoded whole, which is exact and hardly slower.
WHOLE_FRAMES = 256
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
    if info.kind == "image" or info.frame_count <= WHOLE_FRAMES:
        step = max(1, -(-info.frame_count // count))
        for index, picture in enumerate(read_pictures(source, max_pixels=max_pixels)):
            if index % step == 0:
                yield Sample(index / info.fps, picture.frame)
        return
    yield from _seek_frames(source, info, count)


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


def _seek_frames(source: MediaSource, info: VideoInfo, count: int) -> Iterator[Sample]:
    last = -1.0
    with open_media(source, error=VideoDecodeError, expected="a video") as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        start = (stream.start_time or 0) * (stream.time_base or 0)
        for index in range(count):
            wanted = info.duration_s * index / count
            frame = _frame_near(container, stream, float(start) + wanted)
            time = float((frame.time or wanted) - start) if frame is not None else last
            if frame is not None and time > last:
                last = time
                yield Sample(time, _upright(frame, info))


def _frame_near(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    time_s: float,
) -> av.VideoFrame | None:
    """Decode the key frame at or before a time; ``None`` where the file is damaged."""
    try:
        container.seek(round(time_s * av.time_base))
        return next(container.decode(stream), None)
    except av.error.FFmpegError:
        return None


def _upright(frame: av.VideoFrame, info: VideoInfo) -> Frame:
    pixels = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    turned = np.ascontiguousarray(np.rot90(pixels, -info.rotation // 90))
    size_wh = (info.width, info.height)
    return np.asarray(cv2.resize(turned, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
