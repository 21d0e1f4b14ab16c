"""The table of ``mouthpiece bench``: whole animations of several lengths, uncached and cached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np

from api.options import AnimateOptions, AnimateReport
from api.service import Mouthpiece
from runtime.audio import encode_wav, read_audio
from runtime.types import SAMPLE_RATE

SECONDS = (5.0, 30.0, 120.0)
FPS = (10.0, 25.0)
_STAGES = ("decode", "detect", "mel", "infer", "blend", "encode")


@dataclass(frozen=True, slots=True)
class Row:
    """One animation, timed.

    Attributes:
        seconds: Length of the sound.
        fps: Frames per second.
        cached: Whether the avatar had been prepared before.
        frames: Frames of the video.
        elapsed_s: Wall seconds of the whole call.
        processor_s: Processor seconds of all threads.
        stages_s: Busy seconds per stage; stages overlap.
    """

    seconds: float
    fps: float
    cached: bool
    frames: int
    elapsed_s: float
    processor_s: float
    stages_s: dict[str, float]

    @property
    def real_time_factor(self) -> float:
        """Wall seconds per second of video."""
        return self.elapsed_s * self.fps / self.frames


def run_table(
    mouthpiece: Mouthpiece,
    avatar: Path,
    speech: Path,
    *,
    seconds: Sequence[float] = SECONDS,
    fps: Sequence[float] = FPS,
    options: Callable[[float, bool], AnimateOptions] | None = None,
    progress: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Animate a face with sounds of several lengths.

    The networks are loaded and warm before the first row, as in a service.

    Args:
        mouthpiece: What does the work.
        avatar: An image or video with a face.
        speech: A recording; repeated or cut to every length.
        seconds: Lengths of the sound.
        fps: Frame rates, for an image.
        options: From frame rate and whether the avatar may be kept, the options of one animation.
        progress: Called with every finished row.
    """
    choose = options or (lambda rate, cached: AnimateOptions(fps=rate, use_cache=cached))
    rows = []
    with TemporaryDirectory(prefix="bench-") as folder:
        sounds = {length: write_sound(speech, length, Path(folder)) for length in seconds}
        output = Path(folder) / "out.mp4"
        mouthpiece.animate(avatar, sounds[seconds[0]], output, choose(fps[0], True))
        for length in seconds:
            for rate in fps:
                for cached in (False, True):
                    start, cpu = perf_counter(), process_time()
                    report = mouthpiece.animate(
                        avatar, sounds[length], output, choose(rate, cached)
                    )
                    row = _row(report, length, cached, perf_counter() - start, process_time() - cpu)
                    rows.append(row)
                    if progress is not None:
                        progress(row)
    return rows


def format_table(rows: Iterable[Row]) -> str:
    """Give rows as text, one line each under a heading."""
    lines = [
        f"{'sound':>6} {'fps':>4} {'avatar':>9} {'frames':>6} {'wall s':>7} {'real time':>9} "
        f"{'cpu s':>6}  " + " ".join(f"{stage:>7}" for stage in _STAGES)
    ]
    lines += [
        f"{row.seconds:>5g}s {row.fps:>4g} {'cached' if row.cached else 'uncached':>9} "
        f"{row.frames:>6} {row.elapsed_s:>7.2f} {row.real_time_factor:>8.3f}x "
        f"{row.processor_s:>6.2f}  "
        + " ".join(f"{row.stages_s.get(stage, 0.0):>7.2f}" for stage in _STAGES)
        for row in rows
    ]
    return "\n".join(lines)


def write_sound(speech: Path, seconds: float, folder: Path) -> Path:
    """Write a recording repeated or cut to a length, as WAV, and give its path."""
    waveform = read_audio(speech)
    path = folder / f"{seconds:g}s.wav"
    path.write_bytes(encode_wav(np.resize(waveform, round(seconds * SAMPLE_RATE))))
    return path


def _row(report: AnimateReport, seconds: float, cached: bool, wall: float, cpu: float) -> Row:
    return Row(
        seconds=seconds,
        fps=report.fps,
        cached=cached,
        frames=report.frames,
        elapsed_s=wall,
        processor_s=cpu,
        stages_s=dict(report.stages_s),
    )
