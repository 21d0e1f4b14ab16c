"""Draw batches: wide-open and closed mouths equally often, groups of faces fairly."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from runtime.types import CROP_SIZE, MelSpectrogram
from training.augment import Floats, View, another_voice, mask_spans, random_view
from training.corpus import Affine, map_points, mel_chunks
from training.frame_store import FrameStore, StoredClip, crop_from_store
from training.lips import MIRRORED, LipPoints, openings

#: Half of all samples are drawn evenly over these classes of opening, half as they come.
_OPENING_STEP = 0.05
_OPENING_CLASSES = 9
_CLOSED = 0.05
_CLOSED_REFERENCES = 0.45
_LEAST_CLOSED = 3
_LEAST_DISTANCE = 4
_OTHER_VOICE_SHARE = 0.6
_MOUTH_HALF = np.array([0.75, 0.95], np.float32)
_LEAST_HALF = np.array([10, 8], np.float32)


class Batch(NamedTuple):
    """What one step learns from.

    Attributes:
        mel: float32 ``(n, 1, 80, 16)``.
        face: float32 ``(n, 6, 96, 96)``: lower half blanked, then the reference.
        target: float32 ``(n, 3, 96, 96)``, [0, 1].
        mouth: float32 ``(n, 1, 96, 96)``, 1 around the lips.
        lips: float32 ``(n, 40, 2)``, pixels of the crop.
        said: float32 ``(n, k)``: gestures of the lips, see ``GestureTable``.
        more_mel: float32 ``(m, 1, 80, 16)``: more sound, without pictures.
        gestures: float32 ``(m, k)``: what the lips do meanwhile.
    """

    mel: Tensor
    face: Tensor
    target: Tensor
    mouth: Tensor
    lips: Tensor
    said: Tensor
    more_mel: Tensor
    gestures: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Move every tensor."""
        return Batch(*(tensor.to(device) for tensor in self))


class GestureTable:
    """What lips do in every frame of a sound, whatever face says it.

    See ``gestures_of``: the median over all faces that say the sound, normalised over the table.

    Attributes:
        sounds: Names, sorted.
        width: Numbers a frame.
    """

    def __init__(self, store: FrameStore) -> None:
        found: dict[str, list[Floats]] = defaultdict(list)
        for clip in store.clips:
            lips = store.lips[clip.start : clip.start + clip.count]
            found[clip.entry.sound].append(gestures_of(lips))
        raw = {sound: _median(tables) for sound, tables in found.items()}
        joined = np.concatenate(list(raw.values()))
        self._mean, self._spread = joined.mean(axis=0), joined.std(axis=0) + 1e-6
        self._tables = {sound: self.normalise(table) for sound, table in raw.items()}
        self.sounds = sorted(self._tables)
        self.width = joined.shape[1]

    def normalise(self, gestures: Floats) -> Floats:
        """Bring gestures from ``gestures_of`` to the table's mean 0 and deviation 1."""
        return np.asarray((gestures - self._mean) / self._spread, np.float32)

    def of(self, sound: str) -> Floats:
        """Give a sound's table, float32 ``(frames, width)``."""
        table: Floats = self._tables[sound]
        return table


def gestures_of(lips: LipPoints) -> Floats:
    """Describe the lips of one clip ``(n, 40, 2)`` by five numbers a frame, free of the face.

    Returns:
        float32 ``(n, 5)``: opening over width; gaps of the inner lips in the middle and at the
        sides, widening, and lowering of the outer lower lip, in widths of the closed mouth.
    """
    width = np.linalg.norm(lips[:, 10] - lips[:, 0], axis=-1)
    opening = openings(lips)
    # A clip without closed lips is measured against its least open ones.
    closed = opening <= max(_CLOSED, np.sort(opening)[min(_LEAST_CLOSED, len(opening)) - 1])
    typical = max(float(width[closed].mean()), 1e-6)
    gaps = np.linalg.norm(lips[:, (33, 35, 37)] - lips[:, (23, 25, 27)], axis=-1) / typical
    outer = np.linalg.norm(lips[:, 15] - lips[:, 5], axis=-1) / typical
    sides = (gaps[:, 0] + gaps[:, 2]) / 2  # together: a mirrored face makes the same gestures
    moved = [width / typical - 1, outer - outer[closed].mean()]
    return np.column_stack([opening, gaps[:, 1], sides, *moved]).astype(np.float32)


class Sampler:
    """Draws batches from a store; the same seed gives the same batches."""

    def __init__(
        self,
        store: FrameStore,
        mels: dict[str, list[MelSpectrogram]],
        *,
        mel_offset: int,
        group_weights: dict[str, float] | None = None,
    ) -> None:
        """Prepare.

        Args:
            store: Pictures and lips.
            mels: For every sound its own spectrogram first, then those of other voices that say
                the same at the same time.
            mel_offset: First column of a frame's chunk.
            group_weights: How often faces of a group are drawn, 1 for groups not named.
        """
        self._store = store
        self._mels = mels
        self._offset = mel_offset
        self._clip_of = np.repeat(np.arange(len(store.clips)), [c.count for c in store.clips])
        self._openings = openings(store.lips)
        self._chances = np.cumsum(self._weights(group_weights or {}))
        self.gestures = GestureTable(store)

    def draw(self, size: int, more: int, rng: np.random.Generator) -> Batch:
        """Draw ``size`` samples with pictures and ``more`` with sound alone."""
        samples = [self._sample(rng) for _ in range(size)]
        face, target, mouth, lips, said, mel = (
            np.stack(part) for part in zip(*samples, strict=True)
        )
        arrays = (mel[:, None], face, target, mouth, lips, said)
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        tensors[1] = tensors[1].contiguous(memory_format=torch.channels_last)
        tensors += self.draw_sounds(more, rng)
        return Batch(*tensors)

    def draw_sounds(
        self, count: int, rng: np.random.Generator, *, mask: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Draw sounds alone.

        Args:
            count: How many.
            rng: Source of chance.
            mask: Hide bands and columns of some, see ``augment.mask_spans``.

        Returns:
            Mel chunks ``(count, 1, 80, 16)`` and gestures ``(count, k)``, see ``GestureTable``.
        """
        mels, gestures = zip(*(self._gesture(rng) for _ in range(count)), strict=True)
        heard = [mask_spans(mel, rng) for mel in mels] if mask else mels
        return torch.from_numpy(np.stack(heard)[:, None]), torch.from_numpy(np.stack(gestures))

    def _weights(self, group_weights: dict[str, float]) -> NDArray[np.float64]:
        classes = (self._openings / _OPENING_STEP).astype(int).clip(0, _OPENING_CLASSES - 1)
        counts = np.bincount(classes, minlength=_OPENING_CLASSES)
        total = len(classes)
        even = 1 / np.maximum(counts[classes], total / 40)
        fair = [group_weights.get(clip.entry.group, 1.0) for clip in self._store.clips]
        weights = (0.5 / total + 0.5 * even / even.sum()) * np.array(fair)[self._clip_of]
        return np.asarray(weights / weights.sum())

    def _sample(self, rng: np.random.Generator) -> tuple[Floats, ...]:
        place = min(int(np.searchsorted(self._chances, rng.random())), len(self._clip_of) - 1)
        clip = self._store.clips[self._clip_of[place]]
        view = random_view(crop_from_store(), rng)
        reference = clip.start + self._reference(clip, place - clip.start, rng)
        target = self._picture(place, view.to_crop, view)
        shown = self._picture(reference, view.reference_to_crop, view)
        lips = map_points(self._store.lips[place], view.to_crop)
        lips = lips[list(MIRRORED)] if view.is_mirrored else lips
        pose = target.copy()
        pose[:, CROP_SIZE // 2 :] = 0
        sound, frame = clip.entry.sound, place - clip.start
        table = self.gestures.of(sound)
        said = table[min(frame, len(table) - 1)]
        mel = self._mel(sound, frame, rng)
        return np.concatenate([pose, shown]), target, mouth_mask(lips), lips, said, mel

    def _gesture(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        sounds = self.gestures.sounds
        sound = sounds[rng.integers(len(sounds))]
        table = self.gestures.of(sound)
        frame = int(rng.integers(len(table)))
        return self._mel(sound, frame, rng), table[frame]

    def _mel(self, sound: str, frame: int, rng: np.random.Generator) -> Floats:
        voices = self._mels[sound]
        other = len(voices) > 1 and rng.random() < _OTHER_VOICE_SHARE
        voice = voices[1 + rng.integers(len(voices) - 1)] if other else voices[0]
        return another_voice(mel_chunks(voice, [frame], self._offset)[0], rng)

    def _reference(self, clip: StoredClip, frame: int, rng: np.random.Generator) -> int:
        """Choose a reference: often a closed mouth, as portraits have; not the target itself."""
        own = self._openings[clip.start : clip.start + clip.count]
        closed = np.flatnonzero(own < _CLOSED)
        if len(closed) and rng.random() < _CLOSED_REFERENCES:
            return int(rng.choice(closed))
        far = np.flatnonzero(np.abs(np.arange(clip.count) - frame) >= _LEAST_DISTANCE)
        return int(rng.choice(far)) if len(far) else frame

    def _picture(self, place: int, affine: Affine, view: View) -> Floats:
        size = (CROP_SIZE, CROP_SIZE)
        cut = cv2.warpAffine(
            self._store.frames[place], affine, size, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(view.develop(cut.astype(np.float32)).transpose(2, 0, 1) / 255, np.float32)


def mouth_mask(lips: LipPoints) -> Floats:
    """Mark the mouth, float32 ``(1, 96, 96)``: 1 in a box around the lips and chin."""
    low, high = lips.min(axis=0), lips.max(axis=0)
    centre = (low + high) / 2
    half = np.maximum((high - low) * _MOUTH_HALF, _LEAST_HALF)
    x1, y1 = np.maximum(centre - half, 0).astype(int)
    x2, y2 = np.maximum(centre + half, 0).astype(int) + 1
    mask = np.zeros((1, CROP_SIZE, CROP_SIZE), np.float32)
    mask[:, y1:y2, x1:x2] = 1
    return mask


def _median(tables: Sequence[Floats]) -> Floats:
    shortest = min(map(len, tables))
    return np.asarray(np.median([table[:shortest] for table in tables], axis=0), np.float32)
