"""A sync expert: do these mouths belong to this sound?

The idea is SyncNet's (Chung and Zisserman 2016): five frames of mouths and 0.2 s of sound are
mapped to one space, where those that belong together are near. Trained on the same data with
sounds of other moments of the same clip as the hard wrong answers, it scores generators.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from runtime.types import CROP_SIZE, MelSpectrogram, MouthCrop
from training.augment import another_voice, random_view
from training.corpus import mel_chunks
from training.frame_store import FrameStore, crop_from_store

#: Frames a window; the sound's 16 columns are 5 frames long as well.
WINDOW = 5
_DIMENSIONS = 128
#: Frames between the right sound and a wrong one of the same clip.
_LEAST_SHIFT = 3
#: Shifts that ``offset_of`` tries, in frames to either side.
REACH = 10


class SyncExpert(nn.Module):
    """Maps windows of mouths and sounds to unit vectors that agree when both belong together."""

    def __init__(self) -> None:
        super().__init__()
        seen = ((3 * WINDOW, 32, 2), (32, 48, 2), (48, 96, 2), (96, 128, 2))
        heard = ((1, 24, (2, 1)), (24, 48, (2, 1)), (48, 96, 2), (96, 128, 2))
        self.eye = _encoder(seen, 128 * 3 * 6)
        self.ear = _encoder(heard, 128 * 5 * 4)
        self.sharpness = nn.Parameter(torch.tensor(math.log(10.0)))

    def look(self, mouths: Tensor) -> Tensor:
        """Map lower halves ``(n, 15, 48, 96)`` of five frames in [0, 1] to ``(n, 128)``."""
        return functional.normalize(self.eye(mouths * 2 - 1))

    def hear(self, mel: Tensor) -> Tensor:
        """Map mel chunks ``(n, 1, 80, 16)`` to ``(n, 128)``."""
        return functional.normalize(self.ear(mel / 4))


class Windows(NamedTuple):
    """Windows of pictures, sounds that belong to them, and sounds of another moment."""

    mouths: Tensor
    mel: Tensor
    wrong_mel: Tensor


def windows(
    store: FrameStore, mels: dict[str, MelSpectrogram], size: int, rng: np.random.Generator
) -> Iterator[Windows]:
    """Draw batches without end."""
    clips = [clip for clip in store.clips if clip.count > WINDOW + 2 * _LEAST_SHIFT]
    while True:
        mouths, right, wrong = [], [], []
        for _ in range(size):
            clip = clips[rng.integers(len(clips))]
            start = int(rng.integers(clip.count - WINDOW))
            other = int(rng.integers(clip.count - WINDOW))
            if abs(other - start) < _LEAST_SHIFT:
                other = (start + _LEAST_SHIFT) % (clip.count - WINDOW)
            view = random_view(crop_from_store(), rng)
            frames = store.frames[clip.start + start : clip.start + start + WINDOW]
            cuts = [_lower(frame, view.to_crop) for frame in frames]
            mouths.append(np.concatenate([view.develop(c).transpose(2, 0, 1) for c in cuts]) / 255)
            chunks = _sounds(mels[clip.entry.sound], [start, other])
            right.append(another_voice(chunks[0], rng))
            wrong.append(another_voice(chunks[1], rng))
        parts = np.stack(mouths), np.stack(right)[:, None], np.stack(wrong)[:, None]
        yield Windows(*(torch.from_numpy(part.astype(np.float32)) for part in parts))


def train_expert(batches: Iterator[Windows], steps: int, *, seed: int = 0) -> SyncExpert:
    """Train with the right sound against the clip's other moment and all others of the batch."""
    torch.manual_seed(seed)
    expert = SyncExpert()
    optimiser = torch.optim.AdamW(expert.parameters(), 1e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, total_steps=max(steps, 2))
    for _ in range(steps):
        batch = next(batches)
        seen = expert.look(batch.mouths)
        heard = expert.hear(torch.cat((batch.mel, batch.wrong_mel)))
        agreement = seen @ heard.T * expert.sharpness.exp()
        error = functional.cross_entropy(agreement, torch.arange(len(seen)))
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]  # torch stub
        optimiser.step()
        schedule.step()
    return expert.eval()


@torch.no_grad()
def agreements(expert: SyncExpert, mouths: MouthCrop, mel: MelSpectrogram) -> dict[int, float]:
    """Give the mean agreement of mouths with their sound moved by so many frames.

    Args:
        expert: Trained.
        mouths: uint8 ``(n, 96, 96, 3)``.
        mel: The sound's spectrogram.

    Returns:
        Cosine, -1 to 1, for every shift from -10 to 10 frames; 0 means in sync.
    """
    lower = mouths[:, CROP_SIZE // 2 :].transpose(0, 3, 1, 2).astype(np.float32) / 255
    count = len(mouths) - WINDOW + 1
    stacked = np.stack(
        [lower[start : start + WINDOW].reshape(-1, 48, 96) for start in range(count)]
    )
    seen = expert.look(torch.from_numpy(stacked))
    moments = list(range(-REACH, count + REACH))
    heard = expert.hear(torch.from_numpy(_sounds(mel, moments))[:, None])
    found = {}
    for shift in range(-REACH, REACH + 1):
        moved = heard[REACH + shift : REACH + shift + count]
        found[shift] = float((seen * moved).sum(1).mean())
    return found


class SyncJudge:
    """Judges sync by an expert, as the evaluation asks for it."""

    def __init__(self, expert: SyncExpert) -> None:
        self._expert = expert

    def __call__(self, mouths: MouthCrop, mel: MelSpectrogram) -> tuple[int, float]:
        """Give the lag of the sound in frames and the confidence.

        The confidence is SyncNet's: how far the highest agreement is above the median.
        """
        found = agreements(self._expert, mouths, mel)
        lag = max(found, key=lambda shift: found[shift])
        return lag, found[lag] - float(np.median(list(found.values())))


def save_expert(expert: SyncExpert, path: Path) -> None:
    """Write the weights."""
    save_file(expert.state_dict(), path)


def load_expert(path: Path) -> SyncExpert:
    """Read weights written by ``save_expert``."""
    expert = SyncExpert()
    expert.load_state_dict(load_file(path))
    return expert.eval()


def _encoder(
    levels: tuple[tuple[int, int, int | tuple[int, int]], ...], flat: int
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, stride in levels:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, _DIMENSIONS))


def _lower(frame: np.ndarray, affine: np.ndarray) -> np.ndarray:
    size = (CROP_SIZE, CROP_SIZE)
    crop = cv2.warpAffine(frame, affine, size, borderMode=cv2.BORDER_REPLICATE)
    return crop[CROP_SIZE // 2 :].astype(np.float32)


def _sounds(mel: MelSpectrogram, starts: list[int]) -> MelSpectrogram:
    """Cut the 0.2 s that begin with each frame, ``(n, 80, 16)``."""
    return mel_chunks(mel, starts, 0)
