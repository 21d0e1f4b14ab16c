"""Trains the network that hears lip movements, on whole sentences in many voices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from runtime.chunks import COLUMNS_PER_S
from runtime.errors import OptionError
from runtime.types import MelSpectrogram
from training.audio_lips import AROUND, COLUMNS, MEL_OFFSET, AudioLipsNet
from training.augment import another_voice, mask_spans, sampled
from training.corpus import FPS, Corpus
from training.lip_motions import Floats, closed_frames, gap_of, lip_motions, principal
from training.lips import LipPoints
from training.metrics import correlation
from training.run_loop import Run, RunOptions

MOVEMENTS = 8
_PER_FRAME = COLUMNS_PER_S / FPS
#: The recording itself is drawn this many times as often as another voice.
_OWN_WEIGHT = 4.0
_AS_IT_IS = 0.15
#: Sentences are said up to this much faster or slower.
_PACE_SHARE, _PACES = 0.5, (0.85, 1.2)
#: Errors of the opening are counted in this many mouth widths, those of a closed mouth more.
_GAP_UNIT, _GAP_WEIGHT, _CLOSED_WEIGHT = 0.03, 0.1, 1.5
_LEAST_IMPORTANCE = 0.15
_SMOOTH_BETA = 0.3


class Said(NamedTuple):
    """A sentence: its lips, and the voices that say it with them.

    Attributes:
        motions: ``(n, 88)``, see ``lip_motions``.
        mels: Spectrograms, the recording's own first.
    """

    motions: Floats
    mels: Sequence[MelSpectrogram]


def read_said(
    data: Corpus, voices: Mapping[str, Sequence[MelSpectrogram]], *, splits: Sequence[str]
) -> list[Said]:
    """Read the sentences of some splits.

    Args:
        data: The data set: many faces may say a sentence, and the median of them is taken.
        voices: Other voices by sound, see ``voice_tables``.
        splits: Of the index.

    Returns:
        Those whose lips close at some time.
    """
    clips = defaultdict(list)
    for entry in data.split(*splits):
        clips[entry.sound].append(entry)
    found = []
    for sound, entries in sorted(clips.items()):
        motions = [_motions(data.lips(entry)) for entry in entries]
        seen = [motion for motion in motions if motion is not None]
        if not seen:
            continue
        count = min(map(len, seen))
        median = np.median([motion[:count] for motion in seen], 0).astype(np.float32)
        found.append(Said(median, [data.mel(sound), *voices.get(sound, ())]))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLipsOptions(RunOptions):
    """How to train; see ``RunOptions`` as well.

    Attributes:
        sentences: Sentences a step.
        frames: Neighbouring frames of each.
        change_weight: Weight of errors of the movement from frame to frame.
        spread_weight: Weight of the sorted openings' differences.
    """

    rate: float = 1.5e-3
    weight_decay: float = 2e-2
    sentences: int = 24
    frames: int = 20
    change_weight: float = 0.3
    spread_weight: float = 0.05


class _Drawn(NamedTuple):
    mel: Tensor
    wanted: Tensor


class AudioLipsTrainer(Run[AudioLipsNet]):
    """Trains on parts of sentences, each in a random voice."""

    def __init__(
        self, network: AudioLipsNet, said: Sequence[Said], folder: Path, options: AudioLipsOptions
    ) -> None:
        """Prepare, and go on where the folder's checkpoint stopped.

        Args:
            network: To train; its weights are replaced when there is a checkpoint.
            said: Sentences to learn from.
            folder: Checkpoints go here; a file ``PAUSE`` in it pauses the run.
            options: How to train.
        """
        super().__init__(network, folder, options)
        self.options = options
        basis = network.basis.cpu().numpy()
        to_basis = np.linalg.pinv(basis)
        self._said = [item._replace(motions=item.motions @ to_basis) for item in said]
        spread = torch.from_numpy(np.concatenate([i.motions for i in self._said]).std(0))
        self._spread = spread.to(self.device)
        self._importance = (spread / spread[0]).clamp(min=_LEAST_IMPORTANCE).to(self.device)
        self._to_gap = torch.from_numpy(gap_of(basis) / _GAP_UNIT).to(self.device)
        self._prepare(network.body.parameters(), {})

    def _step(self) -> dict[str, float]:
        drawn = _Drawn(*(part.to(self.device) for part in self._draw()))
        starts = [round(_PER_FRAME * frame) for frame in range(self.options.frames)]
        told = self.network.train().at(drawn.mel, starts)
        error, change = self._errors(told, drawn.wanted)
        gap, true = told @ self._to_gap, drawn.wanted @ self._to_gap
        each = functional.smooth_l1_loss(gap, true, reduction="none")
        opening = (each * (1 + _CLOSED_WEIGHT * torch.exp(-(true**2)))).mean()
        # Sorted: who is not sure must not move half as far.
        spread = functional.smooth_l1_loss(
            gap.flatten().sort()[0], true.flatten().sort()[0], beta=_SMOOTH_BETA
        )
        total = error + _GAP_WEIGHT * opening
        total = total + self.options.change_weight * change + self.options.spread_weight * spread
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]  # torch stub
        self._descend()
        named = {"movement": error, "change": change, "opening": opening, "spread": spread}
        return {name: float(value.detach()) for name, value in named.items()}

    def _errors(self, told: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Give the errors of movements, and of their changes from frame to frame."""
        told, wanted = told / self._spread, wanted / self._spread
        pairs = (told, wanted), (told.diff(dim=1), wanted.diff(dim=1))
        error, change = (
            functional.smooth_l1_loss(one, other, reduction="none", beta=_SMOOTH_BETA)
            for one, other in pairs
        )
        return (error * self._importance).mean(), (change * self._importance).mean()

    def _draw(self) -> _Drawn:
        parts = [self._part() for _ in range(self.options.sentences)]
        mels, wanted = zip(*parts, strict=True)
        return _Drawn(*(torch.from_numpy(np.stack(part)) for part in (mels, wanted)))

    def _part(self) -> tuple[Floats, Floats]:
        """Draw a part of a sentence at some pace: mel and coefficients."""
        rng, frames = self._rng, self.options.frames
        item = self._said[rng.integers(len(self._said))]
        weights = np.array([_OWN_WEIGHT, *[1.0] * (len(item.mels) - 1)])
        mel = item.mels[rng.choice(len(weights), p=weights / weights.sum())]
        pace = rng.uniform(*_PACES) if rng.random() < _PACE_SHARE else 1.0
        first = rng.uniform(0, max(1e-6, len(item.motions) - 1 - (frames - 1) * pace))
        wanted = sampled(item.motions.T, first + np.arange(frames) * pace).T
        count = round(_PER_FRAME * frames) + COLUMNS
        heard = sampled(mel, _PER_FRAME * first + (np.arange(count) + MEL_OFFSET - AROUND) * pace)
        if rng.random() >= _AS_IT_IS:
            heard = mask_spans(another_voice(heard, rng), rng)
        return heard, wanted


def basis_of(said: Sequence[Said]) -> Floats:
    """Give the movements that make up most of what the lips do, ``(8, 88)``.

    Raises:
        OptionError: There are no sentences.
    """
    if not said:
        raise OptionError("no sentence of the data set closes its lips: nothing to learn from")
    motions = np.concatenate([item.motions for item in said])
    return np.ascontiguousarray(principal(motions, MOVEMENTS).T)


def hearing_score(network: AudioLipsNet, said: Sequence[Said]) -> float:
    """Give the mean correlation of openings told with true ones, over sentences and voices."""
    return float(
        np.mean(
            [
                correlation(gap_of(network.motions(mel, len(item.motions))), gap_of(item.motions))
                for item in said
                for mel in item.mels
            ]
        )
    )


def _motions(lips: LipPoints) -> Floats | None:
    closed = closed_frames(lips)
    return lip_motions(lips, closed)[0] if closed.size else None
