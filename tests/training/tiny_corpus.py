"""A data set of drawn faces: ellipses whose mouths open with the loudness of their sound."""

import json
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from runtime.audio import encode_wav
from runtime.types import SAMPLE_RATE, Frame
from training.cases import Case
from training.corpus import FPS, VIDEO_SIZE, Clip
from training.lips import LipPoints

FRAMES = 14
CENTRE = (64.0, 82.0)
HALF_WIDTH = 14.0
SENTENCE = [[0.0, 0.1, "sil"], [0.1, 0.4, "bin"], [0.4, 0.56, "sil"]]


def write_corpus(root: Path, *, clips: int = 3) -> Path:
    """Write a data set; the last clip is held out."""
    for name in ("video", "lips", "audio"):
        (root / name).mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(clips):
        rng = np.random.default_rng(number)
        gaps = 2 + 8 * np.abs(np.sin(np.linspace(0, 5, FRAMES) + number))
        _write_video(root / "video" / f"face{number}.mp4", gaps, rng)
        np.savez(root / "lips" / f"face{number}.npz", m=np.stack([lips(gap) for gap in gaps]))
        (root / "audio" / f"sound{number}.wav").write_bytes(encode_wav(_sound(gaps, rng)))
        split = "train" if number < clips - 1 else "heldout"
        entry = {"id": f"face{number}", "split": split, "clip": f"sound{number}"}
        lines.append(json.dumps({**entry, "frames": FRAMES, "group": "drawn"}))
    (root / "index.jsonl").write_text("\n".join(lines) + "\n")
    alignments = {f"sound{number}": SENTENCE for number in range(clips)}
    (root / "alignments.json").write_text(json.dumps(alignments))
    return root


def lips(gap: float) -> np.ndarray:
    """Give forty lip points of a mouth whose inner lips are ``gap`` pixels apart."""
    x, y = CENTRE
    points = np.zeros((40, 2), np.float32)
    across = np.linspace(-HALF_WIDTH, HALF_WIDTH, 11)
    drop = np.sqrt(1 - (across / HALF_WIDTH) ** 2)
    points[0:11] = np.column_stack([x + across, y + drop * (gap / 2 + 4)])
    points[11:20] = np.column_stack([x + across, y - drop * (gap / 2 + 4)])[1:10]
    points[20:31] = np.column_stack([x + across, y + drop * gap / 2])
    points[31:40] = np.column_stack([x + across, y - drop * gap / 2])[1:10]
    return points


def draw_face(gap: float, rng: np.random.Generator) -> np.ndarray:
    """Draw one frame."""
    frame = np.full((VIDEO_SIZE, VIDEO_SIZE, 3), 90, np.uint8)
    cv2.ellipse(frame, ((64, 64), (80, 100), 0), (130, 160, 200), -1)
    cv2.circle(frame, (46, 52), 5, (40, 40, 40), -1)
    cv2.circle(frame, (82, 52), 5, (40, 40, 40), -1)
    cv2.ellipse(frame, (CENTRE, (2 * HALF_WIDTH, gap + 8), 0), (90, 90, 180), -1)
    cv2.ellipse(frame, (CENTRE, (2 * HALF_WIDTH - 6, gap), 0), (30, 20, 40), -1)
    return np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)


class DarknessReader:
    """Reads the drawn faces: a mouth is as open as it is dark in its middle."""

    def read(self, frames: Sequence[Frame]) -> LipPoints:
        points = np.zeros((len(frames), 40, 2), np.float32)
        x, y = (int(side) for side in CENTRE)
        columns = np.stack([frame[y - 12 : y + 13, x].mean(axis=-1) < 80 for frame in frames])
        points[:, 10, 0] = 28
        points[:, 23:28, 1] = columns.sum(axis=1)[:, None]
        return points


def clip_of(case: Case) -> Clip:
    """Give the true pictures of a case that has them."""
    assert case.clip is not None
    return case.clip


def _sound(gaps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    samples = SAMPLE_RATE // FPS
    loudness = np.repeat(gaps / 12, samples)
    return (loudness * rng.normal(0, 0.2, len(loudness))).clip(-1, 1).astype(np.float32)


def _write_video(path: Path, gaps: np.ndarray, rng: np.random.Generator) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.height = stream.width = VIDEO_SIZE
        stream.pix_fmt = "yuv444p"
        stream.options = {"crf": "14", "threads": "1"}
        for gap in gaps:
            frame = av.VideoFrame.from_ndarray(draw_face(gap, rng), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
