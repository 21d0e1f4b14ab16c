"""What a run of training needs, put together from a data set's folder."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from training.audio_lips import AudioLipsNet
from training.audio_lips_trainer import Said, basis_of
from training.corpus import Corpus
from training.frame_store import FrameStore
from training.lip_net import LipNet, load_lip_net, save_lip_net, train_lip_net
from training.network import TrainedNetwork
from training.sampling import Batch, Sampler
from training.surrogate import (
    Surrogate,
    fit_surrogate,
    load_surrogate,
    save_surrogate,
    vectors_and_gestures,
)
from training.voice_tables import read_voices

logger = logging.getLogger(__name__)

_SURROGATE_FILE = "surrogate.safetensors"
_LIP_BATCH = 32


def network_for(weights: Path | None, widths: tuple[float, float], *, seed: int) -> TrainedNetwork:
    """Give the network of a weights file, or a new one of these widths with random weights."""
    if weights is not None:
        return TrainedNetwork.load(weights)
    torch.manual_seed(seed)
    return TrainedNetwork(*widths)


def lips_for(said: Sequence[Said], *, init: Path | None, seed: int) -> AudioLipsNet:
    """Give the network of a weights file that hears lips, or a new one with random weights."""
    if init is not None:
        return AudioLipsNet.load(init)
    torch.manual_seed(seed)
    return AudioLipsNet(basis_of(said))


def sampler_for(data: Corpus, store: FrameStore, voices: Path | None, mel_offset: int) -> Sampler:
    """Give a sampler that hears every sound in its own voice and in those of ``voices``."""
    others = read_voices(voices) if voices else {}
    sounds = sorted({clip.entry.sound for clip in store.clips})
    mels = {sound: [data.mel(sound), *others.get(sound, [])] for sound in sounds}
    return Sampler(store, mels, mel_offset=mel_offset)


def lip_net_for(sampler: Sampler, path: Path, *, steps: int, seed: int) -> LipNet:
    """Give the lip reader of a file; trained first and written there when it is missing."""
    if not path.exists():
        logger.info("training the lip reader, %d steps", steps)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_lip_net(train_lip_net(_batches(sampler, seed), steps, seed=seed), path)
    return load_lip_net(path)


def surrogate_for(
    network: TrainedNetwork,
    lip_net: LipNet,
    sampler: Sampler,
    store: FrameStore,
    *,
    folder: Path,
    sounds: int,
    seed: int,
) -> Surrogate:
    """Give a run's surrogate of the picture half; fitted to ``sounds`` sounds when it has none."""
    path = folder / _SURROGATE_FILE
    if not path.exists():
        logger.info("fitting the surrogate of the picture half")
        folder.mkdir(parents=True, exist_ok=True)
        table = vectors_and_gestures(network, lip_net, sampler, store, sounds=sounds, seed=seed)
        save_surrogate(fit_surrogate(*table, seed=seed), path)
    return load_surrogate(path)


def _batches(sampler: Sampler, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng([seed, 1])
    while True:
        yield sampler.draw(_LIP_BATCH, 1, rng)
