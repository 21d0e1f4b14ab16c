"""What a run of training needs, put together from a data set's folder."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from training.corpus import Corpus
from training.frame_store import FrameStore
from training.lip_net import LipNet, load_lip_net, save_lip_net, train_lip_net
from training.sampling import Batch, Sampler
from training.voice_tables import read_voices

logger = logging.getLogger(__name__)

_LIP_FILE = "lips.safetensors"
_LIP_BATCH = 32


def sampler_for(data: Corpus, store: FrameStore, voices: Path | None, mel_offset: int) -> Sampler:
    """Give a sampler that hears every sound in its own voice and in those of ``voices``."""
    others = read_voices(voices) if voices else {}
    sounds = sorted({clip.entry.sound for clip in store.clips})
    mels = {sound: [data.mel(sound), *others.get(sound, [])] for sound in sounds}
    return Sampler(store, mels, mel_offset=mel_offset)


def lip_net_for(sampler: Sampler, folder: Path, *, steps: int, seed: int) -> LipNet:
    """Give a run's lip reader; trained first when the run has none yet."""
    path = folder / _LIP_FILE
    if not path.exists():
        logger.info("training the lip reader, %d steps", steps)
        folder.mkdir(parents=True, exist_ok=True)
        save_lip_net(train_lip_net(_batches(sampler, seed), steps, seed=seed), path)
    return load_lip_net(path)


def _batches(sampler: Sampler, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng([seed, 1])
    while True:
        yield sampler.draw(_LIP_BATCH, 1, rng)
