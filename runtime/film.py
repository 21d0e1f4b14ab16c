"""From a sound file to a video file: the stream of patches read to its end and written down."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from runtime.animator import Animator, StreamOptions
from runtime.audio import SoundBlock, open_sound
from runtime.errors import CancelledError
from runtime.media import MediaSource
from runtime.muxing import EncodeOptions
from runtime.types import Avatar, Waveform
from runtime.video_writer import VideoWriter

#: Short blocks keep the picture close behind the sound in the file, so players need no buffering.
BLOCK_S = 0.5


@dataclass(frozen=True, slots=True)
class Film:
    """Facts of a finished video.

    Attributes:
        frames: Number of video frames.
        fps: Frames per second.
        sound_s: Length of the sound in seconds.
    """

    frames: int
    fps: float
    sound_s: float

    @property
    def duration_s(self) -> float:
        """Length of the picture in seconds."""
        return self.frames / self.fps

    @property
    def av_offset_ms(self) -> float:
        """Drift of the picture against the sound at the end, in milliseconds.

        0 when the last frame is the one during which the sound ends, which is as close as whole
        frames come; positive when the picture goes on longer.
        """
        # A millionth of a frame absorbs what dividing by the sample rate rounds off.
        owed = max(1, math.ceil(self.sound_s * self.fps - 1e-6))
        return 1000.0 * (self.frames - owed) / self.fps


def write_film(  # noqa: PLR0913 - what, from what, into what, and how to follow it
    animator: Animator,
    avatar: Avatar,
    sound: MediaSource,
    output: Path,
    options: StreamOptions,
    *,
    encode: EncodeOptions | None = None,
    max_sound_s: float | None = None,
    progress: Callable[[float], None] | None = None,
    cancel: threading.Event | None = None,
) -> Film:
    """Animate a whole sound into a video file.

    Args:
        animator: Makes the frames; its ``timer`` also gets the stage ``encode``.
        avatar: A prepared avatar.
        sound: Path of the sound, or its bytes.
        output: The video; appears under this name when it is complete, or not at all.
        options: How the frames are made.
        encode: Codec settings.
        max_sound_s: Limit on the sound in seconds.
        progress: Called with the finished fraction, 0 to 1.
        cancel: Set it to stop at the next frame.

    Raises:
        AudioDecodeError: The sound is not readable.
        AudioTooShortError: There is less than one mel column of sound.
        AudioTooLongError: The sound is longer than ``max_sound_s``.
        OutputError: The video cannot be written.
        CancelledError: ``cancel`` was set.
    """
    fps = animator.rate(avatar, options)
    samples = frames = 0
    encode = replace(encode or EncodeOptions(), is_still=len(avatar) == 1)
    with (
        open_sound(sound, block_s=BLOCK_S, max_s=max_sound_s) as opened,
        VideoWriter(
            output,
            fps=fps,
            size=avatar.size,
            alpha=avatar.has_alpha,
            audio=opened.mux,
            options=encode,
            timer=animator.timer,
        ) as writer,
    ):
        expected = opened.header_s * fps

        def waveforms(blocks: Iterator[SoundBlock]) -> Iterator[Waveform]:
            nonlocal samples
            for block in blocks:
                samples += len(block.original)
                writer.write_audio(block.original)
                yield block.waveform

        for patch in animator.stream(avatar, waveforms(opened.blocks), options):
            if cancel is not None and cancel.is_set():
                raise CancelledError(f"cancelled after {frames} frames; {output} was not written")
            writer.write(patch)
            frames += 1
            if progress is not None and expected:
                progress(min(1.0, frames / expected))
    if progress is not None:
        progress(1.0)
    return Film(frames, fps, samples / opened.mux.sample_rate)
