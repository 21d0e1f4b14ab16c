"""``mouthpiece bench``: how long this machine takes, as a table and as JSON.

The table's shape is the one a CPU guide for Wav2Lip printed as its expectation: speech of 5, 30 and
120 s, 10 and 25 frames per second, with the avatar prepared anew and with the avatar cached.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from api.options import AnimateOptions, AnimateReport
from api.service import Mouthpiece
from api.settings import Settings
from api.speech import sample_avatar, synthesize
from runtime.audio import encode_wav, read_audio
from runtime.errors import ModelNotFoundError
from runtime.host import probe_host
from runtime.types import SAMPLE_RATE, Waveform

RATES = (10.0, 25.0)
TEXT = (
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. "
    "How quickly daft jumping zebras vex! We promptly judged antique ivory buckles for a prize."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        seconds: Length of the speech.
        fps: Frames per second.
        is_cached: Whether the avatar had been prepared before.
        report: What the animation told.
    """

    seconds: int
    fps: float
    is_cached: bool
    report: AnimateReport

    def as_json(self) -> dict[str, object]:
        """Give the row as plain JSON values."""
        return {
            "speech_s": self.seconds,
            "fps": self.fps,
            "cached": self.is_cached,
            "elapsed_s": round(self.report.elapsed_s, 3),
            "real_time_factor": round(self.report.real_time_factor, 4),
            "frames": self.report.frames,
            "precision": self.report.precision,
            "stages_s": {name: round(s, 3) for name, s in self.report.stages_s.items()},
        }

    def as_text(self) -> str:
        """Give the row as a line of the table."""
        stages = "  ".join(f"{name} {s:.2f}" for name, s in self.report.stages_s.items())
        state = "cached" if self.is_cached else "uncached"
        return (
            f"{self.seconds:5d} s  {self.fps:3g} fps  {state:8s}"
            f"  {self.report.elapsed_s:7.2f} s  {self.report.real_time_factor:6.3f}   {stages}"
        )


def run_bench(report: Path | None, seconds: Sequence[int]) -> None:
    """Print the table line by line, then write it as JSON.

    Args:
        report: JSON file to write, or ``None``.
        seconds: Lengths of speech.
    """
    host = probe_host()
    print(host.words)
    print("speech   rate     avatar    elapsed  of real time   busy seconds per stage")
    rows = []
    with TemporaryDirectory(prefix="mouthpiece-bench-") as folder:
        settings = Settings().model_copy(update={"cache_dir": Path(folder) / "cache"})
        with Mouthpiece(settings, probes=True) as mouthpiece:
            for row in measure(mouthpiece, seconds, Path(folder)):
                print(row.as_text(), flush=True)
                rows.append(row.as_json())
    if report is not None:
        table = {"host": host.words, "cores": host.cores, "rows": rows}
        report.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def measure(mouthpiece: Mouthpiece, seconds: Sequence[int], folder: Path) -> Iterator[Row]:
    """Yield a row for each length, rate and state of the cache, in a warm process."""
    face = sample_avatar(mouthpiece.settings)
    output = folder / "bench.mp4"
    mouthpiece.animate(face, encode_wav(speech(1)), output)
    for length in seconds:
        sound = encode_wav(speech(length))
        for fps in RATES:
            for is_cached in (False, True):
                options = AnimateOptions(fps=fps, use_cache=is_cached)
                yield Row(length, fps, is_cached, mouthpiece.animate(face, sound, output, options))


def speech(seconds: int) -> Waveform:
    """Make speech of a given length: the bundled voice over and over, else modulated noise."""
    try:
        spoken = read_audio(synthesize(TEXT))
    except ModelNotFoundError:
        time = np.arange(SAMPLE_RATE * 4) / SAMPLE_RATE
        noise = np.random.default_rng(0).normal(0, 0.2, len(time))
        spoken = (noise * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time))).astype(np.float32)
    return np.resize(spoken, SAMPLE_RATE * seconds)
