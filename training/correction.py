"""Sound vectors moved to say what the lips truly do: for learning to draw without guessing.

Sound alone does not tell exactly what lips do. A network that learns to draw from sound draws the
mean of all mouths that go with it: soft, and never wide open. So the picture half may be trained on
vectors that are corrected first: a small network tells the gestures from the vector, and the vector
is moved until they are the true ones. What remains of the sound (tongue, teeth) stays in it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from training.network import TrainedNetwork
from training.sampling import Sampler
from training.surrogate import fit_surrogate

_ROUNDS = 2
_RIDGE = 1e-3
_BATCH = 96


class Correction(nn.Module):
    """Moves sound vectors towards the gestures that they should tell."""

    steps: Tensor

    def __init__(self, told: nn.Module, steps: Tensor) -> None:
        """Keep the parts.

        Args:
            told: Gestures ``(n, k)`` from vectors ``(n, c)``.
            steps: ``(k, c)``: change of the vector for a change of one in each gesture.
        """
        super().__init__()
        self.told = told
        self.register_buffer("steps", steps)

    @torch.no_grad()
    def forward(self, heard: Tensor, gestures: Tensor, share: Tensor) -> Tensor:
        """Correct sound vectors.

        Args:
            heard: ``(n, c, 1, 1)``.
            gestures: What the lips truly do, ``(n, k)``, normalised as ``GestureTable``.
            share: ``(n, 1)``, 1 to move all the way.

        Returns:
            ``(n, c, 1, 1)``, not negative, as the encoder's own.
        """
        vectors = heard.flatten(1)
        for _ in range(_ROUNDS):
            missing = gestures - self.told(vectors)
            vectors = (vectors + share * missing @ self.steps).clamp_min(0)
        return vectors[:, :, None, None]


@torch.no_grad()
def fit_correction(
    network: TrainedNetwork, sampler: Sampler, *, sounds: int, seed: int = 0
) -> Correction:
    """Fit a correction to the vectors of ``sounds`` training sounds and their true gestures."""
    network.eval()
    mel, gestures = sampler.draw_sounds(sounds, np.random.default_rng([seed, 4]))
    vectors = torch.cat([network.listen(part).flatten(1) for part in torch.split(mel, _BATCH)])
    with torch.enable_grad():
        surrogate = fit_surrogate(vectors, gestures, seed=seed)
    told = surrogate(vectors)
    # From told gestures to vectors, by least squares: the way back along the surrogate.
    known = torch.cat([told, torch.ones(len(told), 1)], 1)
    normal = known.T @ known + _RIDGE * len(known) * torch.eye(known.shape[1])
    return Correction(surrogate, torch.linalg.solve(normal, known.T @ vectors)[:-1])
