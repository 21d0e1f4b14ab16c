"""Read a data set of talking faces.

A data set is a folder with ``index.jsonl`` (one clip a line: id, split, clip, frames, group),
``video/ID.mp4`` (128 x 128, 25 frames/s, face box in the middle), ``lips/ID.npz`` (``m``: the lip
points of every frame, in pixels), ``audio/CLIP.flac`` (or ``.wav``; 16 kHz, begins with the first
frame) and, where word times are known, ``alignments.json`` (begin, end, word; seconds).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.audio import read_audio
from runtime.chunks import CHUNK_COLUMNS, first_column
from runtime.mel import melspectrogram
from runtime.types import CROP_SIZE, Frame, MelSpectrogram
from runtime.video import read_frames
from training.lips import LipPoints

FPS = 25
VIDEO_SIZE = 128
#: Side of the picture in parts of the face box's side.
MARGIN = 1.35

Affine = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipEntry:
    """One line of the index.

    Attributes:
        clip_id: Name of the picture and lip files.
        split: ``train`` or ``heldout``.
        sound: Name of the sound file; many faces may say the same.
        frame_count: Frames kept.
        group: What kind of face it is, for balance and for reports.
    """

    clip_id: str
    split: str
    sound: str
    frame_count: int
    group: str = ""


@dataclass(frozen=True, slots=True)
class Clip:
    """The pictures of a clip.

    Attributes:
        entry: Its line of the index.
        frames: uint8 ``(n, 128, 128, 3)`` BGR.
        lips: float32 ``(n, 40, 2)``, pixels of the frames.
    """

    entry: ClipEntry
    frames: Frame
    lips: LipPoints


class Corpus:
    """A data set on disk.

    Attributes:
        root: Its folder.
        entries: All clips, in the order of the index.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        with (root / "index.jsonl").open(encoding="utf-8") as lines:
            self.entries = tuple(_entry(json.loads(line)) for line in lines if line.strip())

    def split(self, *names: str) -> list[ClipEntry]:
        """Give the clips of these splits, in the order of the index."""
        return [entry for entry in self.entries if entry.split in names]

    @property
    def heldout(self) -> list[ClipEntry]:
        """Give every clip that is not for training."""
        return [entry for entry in self.entries if entry.split != "train"]

    def read(self, entry: ClipEntry) -> Clip:
        """Decode a clip's pictures and read its lip points."""
        frames = np.stack(list(read_frames(self.root / "video" / f"{entry.clip_id}.mp4")))
        lips = self.lips(entry)
        count = min(len(frames), len(lips), entry.frame_count)
        return Clip(entry, frames[:count], lips[:count])

    def lips(self, entry: ClipEntry) -> LipPoints:
        """Read the lip points of a clip alone, float32 ``(n, 40, 2)``, pixels of its frames."""
        with np.load(self.root / "lips" / f"{entry.clip_id}.npz", allow_pickle=False) as stored:
            return np.asarray(stored["m"][: entry.frame_count], np.float32)

    def sound_path(self, sound: str) -> Path:
        """Give the file of a sound."""
        flac = self.root / "audio" / f"{sound}.flac"
        return flac if flac.exists() else flac.with_suffix(".wav")

    def mel(self, sound: str) -> MelSpectrogram:
        """Compute the mel spectrogram of a sound."""
        return melspectrogram(read_audio(self.sound_path(sound)))

    @cached_property
    def alignments(self) -> dict[str, list[tuple[float, float, str]]]:
        """Give the word times of every sound for which they are known, in seconds."""
        path = self.root / "alignments.json"
        if not path.exists():
            return {}
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {
            sound: [(float(start), float(end), str(word)) for start, end, word in words]
            for sound, words in stored.items()
        }


def _entry(line: dict[str, object]) -> ClipEntry:
    return ClipEntry(
        clip_id=str(line["id"]),
        split=str(line.get("split", "train")),
        sound=str(line["clip"]),
        frame_count=int(str(line["frames"])),
        group=str(line.get("group", "")),
    )


def crop_from_video() -> Affine:
    """Give the map from pixels of a data set's frame to pixels of the network's crop, (2, 3)."""
    scale = CROP_SIZE * MARGIN / VIDEO_SIZE
    shift = -(VIDEO_SIZE - VIDEO_SIZE / MARGIN) / 2 * scale
    return np.array([[scale, 0, shift], [0, scale, shift]], np.float32)


def cut_face(frame: Frame, to_crop: Affine) -> Frame:
    """Cut the network's crop out of a frame of a data set, uint8 ``(96, 96, 3)``."""
    size = (CROP_SIZE, CROP_SIZE)
    crop = cv2.warpAffine(frame, to_crop, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def map_points(points: LipPoints, affine: Affine) -> LipPoints:
    """Map points ``(..., 2)`` with an affine map."""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float32)


def mel_chunks(
    mel: MelSpectrogram, frames: Sequence[int], offset: int, *, around: int = 0
) -> MelSpectrogram:
    """Cut what the network hears for some frames; the same columns as ``runtime.chunks``.

    Args:
        mel: ``(80, t)``.
        frames: Numbers of video frames.
        offset: Column of the chunk relative to the frame's own; not 0.
        around: Columns more on both sides.

    Returns:
        float32 ``(n, 80, 16 + 2 * around)``.
    """
    starts = np.array([first_column(frame, FPS) + offset for frame in frames])
    columns = starts[:, None] + np.arange(-around, CHUNK_COLUMNS + around)
    chunks = mel[:, np.clip(columns, 0, mel.shape[1] - 1)]
    return np.ascontiguousarray(chunks.transpose(1, 0, 2), np.float32)
