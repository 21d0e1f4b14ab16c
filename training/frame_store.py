"""The training clips decoded once into one file that is read like memory.

Decoding a clip for every sample would cost more than the network; 2,100 clips as 112 x 112 pixels
are 6 GB, of which the operating system keeps in memory what is free.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.types import Frame
from training.corpus import VIDEO_SIZE, Affine, ClipEntry, Corpus, crop_from_video
from training.lips import LipPoints

#: Side of the centre that is kept; the rest is margin that no view reaches.
STORED_SIZE = 112
_BORDER = (VIDEO_SIZE - STORED_SIZE) // 2


@dataclass(frozen=True, slots=True)
class StoredClip:
    """Where a clip lies in the store: frames ``start`` to ``start + count``."""

    entry: ClipEntry
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class FrameStore:
    """Frames and lips of many clips.

    Attributes:
        frames: uint8 ``(n, 112, 112, 3)``, on disk.
        lips: float32 ``(n, 40, 2)``, pixels of ``frames``.
        clips: Which frames belong together.
    """

    frames: Frame
    lips: LipPoints
    clips: tuple[StoredClip, ...]

    @classmethod
    def open(cls, data: Corpus, entries: Sequence[ClipEntry], folder: Path) -> "FrameStore":
        """Open the store of ``entries`` in ``folder``; make it when it is not there yet."""
        marker = folder / "stored.json"
        wanted = [entry.clip_id for entry in entries]
        if not marker.exists() or json.loads(marker.read_text())["clips"] != wanted:
            _write(data, entries, folder)
        stored = json.loads(marker.read_text())
        frames = np.load(folder / "frames.npy", mmap_mode="r")
        lips = np.load(folder / "lips.npy", allow_pickle=False)
        starts = np.concatenate([[0], np.cumsum(stored["counts"])])
        clips = tuple(
            StoredClip(entry, int(start), int(count))
            for entry, start, count in zip(entries, starts[:-1], stored["counts"], strict=True)
        )
        return cls(frames, lips, clips)


def crop_from_store() -> Affine:
    """Give the map from pixels of a stored frame to pixels of the network's crop."""
    affine = crop_from_video().copy()
    affine[:, 2] += affine[:, :2] @ np.full(2, _BORDER, np.float32)
    return affine


def _write(data: Corpus, entries: Sequence[ClipEntry], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / "stored.json"
    marker.unlink(missing_ok=True)
    total = sum(entry.frame_count for entry in entries)
    shape = (total, STORED_SIZE, STORED_SIZE, 3)
    frames = np.lib.format.open_memmap(folder / "frames.npy", "w+", np.uint8, shape)
    lips, counts, place = [], [], 0
    inside = slice(_BORDER, _BORDER + STORED_SIZE)
    for entry in entries:
        clip = data.read(entry)
        count = len(clip.frames)
        frames[place : place + count] = clip.frames[:, inside, inside]
        lips.append(clip.lips - _BORDER)
        counts.append(count)
        place += count
    frames.flush()
    np.save(folder / "lips.npy", np.concatenate(lips))
    names = [entry.clip_id for entry in entries]
    marker.write_text(json.dumps({"clips": names, "counts": counts}), encoding="utf-8")
