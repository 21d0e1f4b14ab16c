"""A surrogate of the picture half: what lips does the rest of the network draw for a sound vector?

Drawing costs many times what hearing does. A table of sound vectors, each drawn on some faces and
read by the lip network, is enough for a small network that tells the gestures from the vector, and
through it the audio encoder alone learns from many more sounds a second. The surrogate knows the
vectors of its table only, so it says as well how far a vector lies from them.
"""

import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from training.corpus import cut_face
from training.frame_store import FrameStore, crop_from_store
from training.lip_net import LipNet
from training.network import FIRST_BLANK_ROW, FIRST_LOW_ROW, TrainedNetwork, face_input
from training.sampling import Sampler, gestures_of

logger = logging.getLogger(__name__)

_HIDDEN, _DROPOUT, _RATE, _DECAY = 96, 0.1, 3e-3, 0.3
#: Share of the table's variance that its principal components keep.
_KEPT_VARIANCE = 0.97
#: Mean squared score of the components from which on a vector counts as far out, and its weight.
_USUAL_SCORE, _SCORE_WEIGHT = 1.6, 0.3
_BATCH = 32
_UNSEEN_SHARE = 6  # one vector of so many measures the fit


class Surrogate(nn.Module):
    """Tells lip gestures from sound vectors ``(n, c)``, and whether it knows such vectors."""

    mean: Tensor
    spread: Tensor
    basis: Tensor
    variances: Tensor

    def __init__(self, vectors: int, gestures: int, components: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(_DROPOUT),
            *(nn.Linear(vectors, _HIDDEN), nn.Softplus()),
            nn.Linear(_HIDDEN, gestures),
        )
        self.register_buffer("mean", torch.zeros(vectors))
        self.register_buffer("spread", torch.ones(vectors))
        self.register_buffer("basis", torch.zeros(components, vectors))
        self.register_buffer("variances", torch.ones(components))

    def forward(self, heard: Tensor) -> Tensor:
        """Give gestures ``(n, k)``, normalised as ``GestureTable``."""
        gestures: Tensor = self.layers((heard - self.mean) / self.spread)
        return gestures

    def strangeness(self, heard: Tensor) -> Tensor:
        """Give how far vectors lie from those of the table: off its main directions, or far out."""
        normal = (heard - self.mean) / self.spread
        scores = normal @ self.basis.T
        off = (normal - scores @ self.basis).square().mean()
        far = functional.relu((scores.square() / self.variances).mean(1) - _USUAL_SCORE).mean()
        return off + _SCORE_WEIGHT * far


@torch.no_grad()
def vectors_and_gestures(
    network: TrainedNetwork,
    lip_net: LipNet,
    sampler: Sampler,
    store: FrameStore,
    *,
    sounds: int,
    faces: int = 6,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Draw sounds of the training clips on some of their faces and read the lips.

    Args:
        network: Whose picture half is to be known.
        lip_net: Reads what it draws.
        sampler: Draws sounds.
        store: Where the faces are taken from.
        sounds: How many.
        faces: How many; the median over them counts.
        seed: Of both choices.

    Returns:
        Sound vectors ``(sounds, c)`` and their gestures ``(sounds, k)``, normalised.
    """
    network.eval()
    rng = np.random.default_rng([seed, 2])
    mel, _ = sampler.draw_sounds(sounds, rng)
    heard = torch.cat([network.listen(part) for part in torch.split(mel, _BATCH)])
    read = []
    for place in rng.integers(len(store.frames), size=faces):
        crop = cut_face(store.frames[place], crop_from_store())
        face = face_input(torch.from_numpy(crop[None]))
        drawn = [
            network(part, face.expand(len(part), -1, -1, -1), low=True)
            for part in torch.split(heard, _BATCH)
        ]
        lips = torch.cat([lip_net(part[:, :, FIRST_BLANK_ROW - FIRST_LOW_ROW :]) for part in drawn])
        read.append(gestures_of(lips.numpy()))
    gestures = sampler.gestures.normalise(np.median(read, axis=0))
    return heard.flatten(1), torch.from_numpy(gestures)


def fit_surrogate(
    vectors: Tensor, gestures: Tensor, *, steps: int = 800, seed: int = 0
) -> Surrogate:
    """Fit a surrogate to a table, ``(n, c)`` and ``(n, k)``; its fit on unseen rows is logged."""
    torch.manual_seed(seed)
    mean, spread = vectors.mean(0), vectors.std(0) + 1e-3
    normal = (vectors - mean) / spread
    _, singular, directions = torch.linalg.svd(normal, full_matrices=False)
    variances = singular.square() / len(vectors)
    shares = variances.cumsum(0) / variances.sum()
    kept = int((shares < _KEPT_VARIANCE).sum()) + 1
    surrogate = Surrogate(vectors.shape[1], gestures.shape[1], kept)
    surrogate.mean.copy_(mean)
    surrogate.spread.copy_(spread)
    surrogate.basis.copy_(directions[:kept])
    surrogate.variances.copy_(variances[:kept])
    seen = torch.arange(len(vectors)) % _UNSEEN_SHARE != 0
    _fit(surrogate, vectors[seen], gestures[seen], steps)
    surrogate.eval().requires_grad_(False)
    error = (surrogate(vectors[~seen]) - gestures[~seen]).square().mean(0)
    explained = 1 - error / gestures[~seen].var(0).clamp_min(1e-6)
    logger.info("surrogate: %d components; R2 on unseen vectors %s", kept,
                " ".join(f"{value:.3f}" for value in explained.tolist()))  # fmt: skip
    return surrogate


def save_surrogate(surrogate: Surrogate, path: Path) -> None:
    """Write the weights."""
    save_file({name: value.contiguous() for name, value in surrogate.state_dict().items()}, path)


def load_surrogate(path: Path) -> Surrogate:
    """Read weights written by ``save_surrogate``; not to be trained further."""
    tensors = load_file(path)
    components, vectors = tensors["basis"].shape
    surrogate = Surrogate(vectors, len(tensors["layers.3.bias"]), components)
    surrogate.load_state_dict(tensors)
    surrogate.eval().requires_grad_(False)
    return surrogate


def _fit(surrogate: Surrogate, vectors: Tensor, gestures: Tensor, steps: int) -> None:
    optimiser = torch.optim.AdamW(surrogate.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total_iters=steps)
    for _ in range(steps):
        error = functional.smooth_l1_loss(surrogate(vectors), gestures)
        optimiser.zero_grad()
        error.backward()  # type: ignore[no-untyped-call]  # torch stub
        optimiser.step()
        schedule.step()
