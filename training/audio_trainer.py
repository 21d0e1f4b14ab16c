"""The sound stage: trains the audio encoder alone, against a surrogate of what the rest draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from runtime.types import MelSpectrogram
from training.corpus import Corpus, mel_chunks
from training.lips import Openings, openings
from training.metrics import correlation
from training.network import TrainedNetwork
from training.run_loop import Run, RunOptions
from training.sampling import Sampler
from training.surrogate import Surrogate

#: How much each gesture counts: opening, two gaps of the inner lips, width, outer lips.
_GESTURE_WEIGHTS = (2.0, 1.0, 1.0, 0.7, 0.7)
_SPREAD_BETA = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOptions(RunOptions):
    """How to train on sound; see ``RunOptions`` as well.

    Attributes:
        sounds: Sounds a step.
        spread_weight: Weight of the sorted gestures' differences.
        range_weight: Weight of staying among the sound vectors that the surrogate knows.
    """

    rate: float = 6e-4
    weight_decay: float = 2e-2
    average: float = 0.99
    sounds: int = 96
    spread_weight: float = 0.5
    range_weight: float = 0.5


class AudioTrainer(Run[TrainedNetwork]):
    """Trains the audio encoder and nothing else."""

    def __init__(
        self,
        network: TrainedNetwork,
        sampler: Sampler,
        surrogate: Surrogate,
        folder: Path,
        options: AudioOptions,
    ) -> None:
        """Prepare, and go on where the folder's checkpoint stopped.

        Args:
            network: To train; its weights are replaced when there is a checkpoint.
            sampler: Draws sounds.
            surrogate: Of the rest of ``network``.
            folder: Checkpoints go here; a file ``PAUSE`` in it pauses the run.
            options: How to train.
        """
        super().__init__(network, folder, options)
        self.sampler, self.options = sampler, options
        self.surrogate = surrogate.to(self.device)
        self._weights = torch.tensor(_GESTURE_WEIGHTS, device=self.device)
        network.body.requires_grad_(False)
        encoder = network.body.audio_encoder.requires_grad_(True)
        self._prepare(encoder.parameters(), {})

    def _step(self) -> dict[str, float]:
        mel, gestures = self.sampler.draw_sounds(self.options.sounds, self._rng, mask=True)
        self.network.eval().body.audio_encoder.train()
        heard = self.network.listen(mel.to(self.device)).flatten(1)
        told, true = self.surrogate(heard), gestures.to(self.device)
        each = functional.smooth_l1_loss(told, true, reduction="none")
        error, strangeness = (each * self._weights).mean(), self.surrogate.strangeness(heard)
        # Sorted, as in the picture stage: who is not sure must not move half as far.
        spread = functional.smooth_l1_loss(told.sort(0)[0], true.sort(0)[0], beta=_SPREAD_BETA)
        total = error + self.options.spread_weight * spread
        self.optimiser.zero_grad(set_to_none=True)
        (total + self.options.range_weight * strangeness).backward()  # type: ignore[no-untyped-call]  # torch stub
        self._descend()
        named = {"gestures": error, "spread": spread, "strangeness": strangeness}
        return {name: float(value.detach()) for name, value in named.items()}


class HeldOutSound(NamedTuple):
    """A held-out sound, in its own or another voice, and how far lips are open meanwhile."""

    mel: MelSpectrogram
    openings: Openings


def heldout_sounds(
    data: Corpus, voices: dict[str, list[MelSpectrogram]] | None = None
) -> list[HeldOutSound]:
    """Read the held-out sounds, each with the lips of the first face that says it."""
    entries = {entry.sound: entry for entry in reversed(data.heldout)}
    found = []
    for sound, entry in sorted(entries.items()):
        wanted = openings(data.read(entry).lips)
        mels = [data.mel(sound), *(voices or {}).get(sound, [])]
        found += [HeldOutSound(mel, wanted) for mel in mels]
    return found


@torch.no_grad()
def hearing_score(
    network: TrainedNetwork, surrogate: Surrogate, sounds: Sequence[HeldOutSound]
) -> float:
    """Give the mean correlation of the opening told from held-out sounds with the true one."""
    network.eval()
    device = next(network.parameters()).device
    found = []
    for sound in sounds:
        chunks = mel_chunks(sound.mel, range(len(sound.openings)), network.mel_offset)
        heard = network.listen(torch.from_numpy(chunks)[:, None].to(device)).flatten(1)
        told = surrogate(heard)[:, 0].cpu().numpy()
        found.append(correlation(told, sound.openings))
    return float(np.mean(found))
