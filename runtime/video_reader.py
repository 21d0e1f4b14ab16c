"""Frames of any video: upright, square pixels, constant rate, one at a time."""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
import av.container
import av.error
import av.video.stream
from av.filter import Graph
from av.video.codeccontext import VideoCodecContext

from runtime.errors import VideoDecodeError
from runtime.frame_conversion import ROTATIONS, FrameConverter, orientation
from runtime.image import EXPECTED, Picture, check_size
from runtime.media import (
    MediaSource,
    decode_packets,
    exact_rate,
    header_length_s,
    open_media,
    source_name,
)

#: Decoding threads: enough for the reader to keep ahead, bounded on a shared machine. Up to this
#: many pixels one is enough; two take a tenth more processor time.
DECODE_THREADS, ONE_THREAD_PIXELS = 2, 1280 * 720
#: Rate of a video that does not tell its own, and bounds of rates taken seriously.
DEFAULT_FPS = Fraction(25)
MIN_FPS, MAX_FPS = Fraction(1, 100), 240
#: Share of a source frame by which its time stamp may be late.
SLACK = Fraction(1, 4)
#: A picture shown for longer is a broken time stamp; the time line then continues after it.
MAX_HOLE_S = 10
#: Decoders that keep opacity, by codec.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class VideoHeader(NamedTuple):
    """What a video's streams and first frame say.

    Attributes:
        width: Displayed pixels: upright and with square pixels.
        height: Displayed pixels.
        fps: Average frame rate.
        frame_count: Frames at ``fps``, from the header; an estimate.
        duration_s: From the header.
        rotation: Degrees clockwise from stored to upright: 0, 90, 180 or 270.
        codec: As FFmpeg spells it.
        has_alpha: Whether pixels carry opacity.
        has_audio: Whether there is a sound stream.
    """

    width: int
    height: int
    fps: float
    frame_count: int
    duration_s: float
    rotation: int
    codec: str
    has_alpha: bool
    has_audio: bool


def read_video(source: MediaSource, *, fps: float | None, max_pixels: int) -> Iterator[Picture]:
    """Yield a video's pictures at a constant rate.

    Picture k is the one shown at ``k / fps`` after the first, so a variable rate neither drifts
    nor changes the length. A truncated video gives what is readable.

    Args:
        source: Path, or the file's bytes.
        fps: Rate of the result; the video's own average when ``None``.
        max_pixels: Limit on height times width.

    Raises:
        TooLargeError: A frame has more than ``max_pixels``.
        VideoDecodeError: There is no readable picture.
    """
    with open_media(source, error=VideoDecodeError, expected=EXPECTED) as container:
        stream = _picture_stream(container, source, max_pixels)
        rate = exact_rate(fps) if fps is not None else average_rate(stream)
        converter = FrameConverter(stream, source, max_pixels)
        empty = True
        slack_s = SLACK / average_rate(stream)
        for frame in constant_rate(_timed_frames(container, stream, source), rate, slack_s):
            empty = False
            yield converter.picture(frame)
        if empty:
            raise _unreadable(source, f"a damaged {stream.codec_context.name} video")


def probe_video_stream(source: MediaSource, *, max_pixels: int) -> VideoHeader:
    """Read a video's headers and its first frame.

    Raises:
        TooLargeError: A frame has more than ``max_pixels``.
        VideoDecodeError: There is no readable picture.
    """
    with open_media(source, error=VideoDecodeError, expected=EXPECTED) as container:
        stream = _picture_stream(container, source, max_pixels)
        timed = next(iter(_timed_frames(container, stream, source)), None)
        if timed is None:
            raise _unreadable(source, f"a damaged {stream.codec_context.name} video")
        picture = FrameConverter(stream, source, max_pixels).picture(timed.frame)
        rate = average_rate(stream)
        duration_s = header_length_s(container, stream)
        return VideoHeader(
            width=picture.size[1],
            height=picture.size[0],
            fps=float(rate),
            frame_count=stream.frames or max(1, round(duration_s * rate)),
            duration_s=duration_s or float(stream.frames / rate),
            rotation=ROTATIONS[orientation(timed.frame)],
            codec=stream.codec_context.name,
            has_alpha=picture.alpha is not None,
            has_audio=bool(container.streams.audio),
        )


class TimedFrame(NamedTuple):
    """A decoded frame on its time line.

    Attributes:
        frame: As decoded.
        start_s: Time since the first frame, in seconds.
        end_s: When it is due to disappear.
    """

    frame: av.VideoFrame
    start_s: Fraction
    end_s: Fraction


def constant_rate(
    frames: Iterable[TimedFrame], rate: Fraction, slack_s: Fraction
) -> Iterator[av.VideoFrame]:
    """Yield for each k the frame shown at ``k / rate``; one at most ``slack_s`` late is in time.

    Without slack the jitter of a camera's time stamps would drop and double frames.
    """
    shown: TimedFrame | None = None
    index = 0
    for timed in frames:
        while shown is not None and index / rate < timed.start_s - slack_s:
            yield shown.frame
            index += 1
        shown = timed
    if shown is None:
        return
    while index == 0 or index / rate < shown.end_s - slack_s:
        yield shown.frame
        index += 1


def average_rate(stream: av.video.stream.VideoStream) -> Fraction:
    """Give a stream's own frame rate, 25 when it does not tell."""
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate is not None and MIN_FPS <= rate <= MAX_FPS:
            return exact_rate(rate)
    return DEFAULT_FPS


def _picture_stream(
    container: av.container.InputContainer, source: MediaSource, max_pixels: int
) -> av.video.stream.VideoStream:
    """Choose the first moving picture, else the cover art."""
    if not container.streams.video:
        kinds = sorted({str(stream.type) for stream in container.streams})
        found = f"only {' and '.join(kinds) or 'an empty file'} ({container.format.name})"
        raise _unreadable(source, found)
    attached = av.stream.Disposition.attached_pic
    moving = [s for s in container.streams.video if attached not in s.disposition]
    stream = (moving or list(container.streams.video))[0]
    # The annotation of PyAV leaves out that streams of unknown codecs have no context.
    if getattr(stream, "codec_context", None) is None:
        raise _unreadable(source, f"an unknown video codec ({container.format.name})")
    check_size(stream.width, stream.height, source_name(source), max_pixels)
    is_small = stream.width * stream.height <= ONE_THREAD_PIXELS
    stream.thread_count = 1 if is_small else DECODE_THREADS
    stream.thread_type = "AUTO"
    return stream


def _unreadable(source: MediaSource, found: str) -> VideoDecodeError:
    return VideoDecodeError(
        f"cannot read {source_name(source)}: expected {EXPECTED}, found {found}"
    )


def _timed_frames(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    source: MediaSource,
) -> Iterator[TimedFrame]:
    period = 1 / average_rate(stream)
    tick = stream.time_base or Fraction(1, 1000)
    origin: Fraction | None = None
    start = end = Fraction(0)
    for frame in _progressive(_frames(container, stream, source), stream):
        tick = frame.time_base or tick
        if frame.pts is None:
            start = end
        else:
            time = frame.pts * tick
            origin = time if origin is None else origin
            if not -MAX_HOLE_S < time - origin - start < MAX_HOLE_S:
                origin = time - end
            start = max(start, time - origin)
        length = frame.duration * tick if frame.duration else period
        end = start + (length if length < MAX_HOLE_S else period)
        yield TimedFrame(frame, start, end)


def _progressive(
    frames: Iterable[av.VideoFrame], stream: av.video.stream.VideoStream
) -> Iterator[av.VideoFrame]:
    """Join the two half-pictures of interlaced frames; progressive frames pass as they are."""
    graph: Graph | None = None
    for frame in frames:
        if graph is None:
            if not frame.interlaced_frame:
                yield frame
                continue
            graph = _deinterlacer(stream)
        graph.vpush(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph)


def _deinterlacer(stream: av.video.stream.VideoStream) -> Graph:
    graph = Graph()
    source = graph.add_buffer(template=stream)
    graph.link_nodes(
        source, graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    ).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, EOFError):
            return


def _frames(
    container: av.container.InputContainer,
    stream: av.video.stream.VideoStream,
    source: MediaSource,
) -> Iterator[av.VideoFrame]:
    return decode_packets(container.demux(stream), _decoder(stream), source)


def _decoder(
    stream: av.video.stream.VideoStream,
) -> "Callable[[av.Packet[av.video.stream.VideoStream]], list[av.VideoFrame]]":
    """Choose libvpx for WebM with opacity, which FFmpeg's own decoders drop."""
    codec = stream.codec_context.name
    if stream.metadata.get("alpha_mode") != "1" or codec not in ALPHA_DECODERS:
        return stream.decode
    context = av.CodecContext.create(ALPHA_DECODERS[codec], "r")
    if not isinstance(context, VideoCodecContext):
        return stream.decode
    context.thread_count = DECODE_THREADS
    return context.decode
