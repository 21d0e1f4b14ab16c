"""Train the small network that reads lips off generated mouths: ``runtime.blending.warp.reader``.

    python -m training.mouth_reader --data DATA --network N.safetensors --output reader.npz

It learns from two kinds of pictures whose lips are known exactly: the data set's own frames,
sharp or blurred, and what a generator draws for them. It always sees the change against the same
face at rest, so any face and any generator will do.
"""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runtime.blending.warp.reader import PATCH_WH, mouth_patch
from training.corpus import Clip, Corpus, crop_from_video, cut_face, map_points, mel_chunks
from training.dense import dense_arrays, write_halves
from training.lip_motions import (
    Floats,
    closed_frames,
    gap_of,
    lip_motions,
    mirrored_motions,
    principal,
)
from training.lips import CORNERS, LIP_POINTS, LipPoints
from training.network import TrainedNetwork

logger = logging.getLogger(__name__)

#: Components of movement, of change and of the resting face.
MOTIONS, CHANGES, FACES = 8, 48, 12
_CENTRE = [*CORNERS, LIP_POINTS.index(13), LIP_POINTS.index(14)]
_SILENT_MEL = -4.0
_BATCH, _RATE, _DECAY = 128, 2e-3, 1e-3
#: Noise on the inputs, in deviations: without it 64 hidden units learn the faces by heart.
_CHANGE_NOISE, _FACE_NOISE = 0.25, 0.5
_GAP_WEIGHT, _GAP_UNIT = 0.1, 0.03
_REAL_WEIGHT = 0.6


class Sample(NamedTuple):
    """What the reader sees of one frame, and what it should say.

    Attributes:
        patch: The mouth, ``(1680,)``.
        rest: The same face at rest, ``(1680,)``.
        motion: Lips against the closed mouth, in mouth widths, ``(4 * 11 * 2,)``.
        weight: How much it counts.
    """

    patch: Floats
    rest: Floats
    motion: Floats
    weight: float


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Many samples: ``(n, 1680)`` twice, ``(n, 88)``, ``(n,)``."""

    patches: Floats
    rests: Floats
    motions: Floats
    weights: Floats

    @classmethod
    def of(cls, samples: list[Sample]) -> "Samples":
        """Stack samples, and their mirror images."""
        columns = [np.asarray(column, np.float32) for column in zip(*samples, strict=True)]
        patches, rests, motions, weights = columns
        return cls(
            np.concatenate([patches, _mirrored_patches(patches)]),
            np.concatenate([rests, _mirrored_patches(rests)]),
            np.concatenate([motions, mirrored_motions(motions)]),
            np.concatenate([weights, weights]),
        )


def collect(
    corpus: Corpus, network: TrainedNetwork, *, clips: int, seed: int = 0
) -> Iterator[Sample]:
    """Yield samples of some clips of the training split, in random order.

    Args:
        corpus: The data set.
        network: Draws mouths.
        clips: How many clips to use.
        seed: Chooses clips, references and blur.
    """
    rng = np.random.default_rng(seed)
    entries = corpus.split("train")
    for place in rng.permutation(len(entries))[:clips]:
        clip = corpus.read(entries[place])
        crops = np.stack([cut_face(frame, crop_from_video()) for frame in clip.frames])
        lips = map_points(clip.lips, crop_from_video())
        closed = closed_frames(lips)
        if not closed.size:
            continue
        motions, sway = lip_motions(lips, closed)
        yield from _own_frames(crops, lips, motions, sway, int(closed[len(closed) // 2]), rng)
        yield from _drawn_frames(corpus, network, clip, crops, lips, motions, rng)


def fit(samples: Samples, *, epochs: int = 10, seed: int = 0) -> dict[str, Floats]:
    """Fit the reader.

    Args:
        samples: From ``collect``.
        epochs: Passes over them.
        seed: Chooses the order and the noise.

    Returns:
        The arrays of ``reader.npz``.
    """
    torch.manual_seed(seed)
    change = samples.patches - samples.rests
    face_mean = samples.rests.mean(0)
    motion_basis = principal(samples.motions, MOTIONS)
    change_basis = _whitened(change, CHANGES)
    face_basis = _whitened(samples.rests - face_mean, FACES)
    wanted = samples.motions @ motion_basis
    scale = wanted.std(0)
    inputs = np.column_stack([change @ change_basis, (samples.rests - face_mean) @ face_basis])
    network = nn.Sequential(
        *(nn.Linear(CHANGES + FACES, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh()),
        nn.Linear(32, MOTIONS),
    )
    _train(network, inputs, wanted / scale, scale, motion_basis, samples.weights, epochs)
    arrays = dense_arrays(network)
    arrays["w2"], arrays["b2"] = arrays["w2"] * scale, arrays["b2"] * scale
    return arrays | {
        "change_basis": change_basis,
        "face_basis": face_basis,
        "face_mean": face_mean,
        "motion_basis": motion_basis.T.reshape(MOTIONS, 4, 11, 2),
    }


def _own_frames(
    crops: NDArray[np.uint8],
    lips: LipPoints,
    motions: Floats,
    sway: Floats,
    rest: int,
    rng: np.random.Generator,
) -> Iterator[Sample]:
    """Yield every third frame of the clip itself; one blur for all."""
    centre = lips[rest, _CENTRE].mean(0) + rng.normal(0, 1.0, 2)
    sigma = rng.uniform(0.05, 1.4)
    soft = [cv2.GaussianBlur(crop, (0, 0), sigma) for crop in crops[::3]]
    at_rest = mouth_patch(np.asarray(cv2.GaussianBlur(crops[rest], (0, 0), sigma)), centre)
    for number, crop in zip(range(0, len(crops), 3), soft, strict=True):
        patch = mouth_patch(np.asarray(crop, np.uint8), centre + sway[number] - sway[rest])
        yield Sample(patch, at_rest, motions[number], _REAL_WEIGHT)


def _drawn_frames(
    corpus: Corpus,
    network: TrainedNetwork,
    clip: Clip,
    crops: NDArray[np.uint8],
    lips: LipPoints,
    motions: Floats,
    rng: np.random.Generator,
) -> Iterator[Sample]:
    """Yield what the generator draws for one of the clip's frames and its whole sound."""
    reference = int(rng.integers(len(crops)))
    centre = lips[reference, _CENTRE].mean(0) + rng.normal(0, 0.8, 2)
    silence = np.full((1, 80, 16), _SILENT_MEL, np.float32)
    rest = mouth_patch(network.draw(crops[reference], silence)[0], centre)
    chunks = mel_chunks(corpus.mel(clip.entry.sound), range(len(crops)), network.mel_offset)
    for mouth, motion in zip(network.draw(crops[reference], chunks), motions, strict=True):
        yield Sample(mouth_patch(mouth, centre), rest, motion, 1.0)


def _train(
    network: nn.Sequential,
    inputs: Floats,
    wanted: Floats,
    scale: Floats,
    motion_basis: Floats,
    weights: Floats,
    epochs: int,
) -> None:
    """Minimise the error of movements and, again, of the opening, most of all when closed."""
    to_gap = torch.from_numpy((scale * gap_of(motion_basis.T)).astype(np.float32))
    importance = torch.from_numpy(np.maximum(scale / scale[0], 0.15))
    data = [torch.from_numpy(np.asarray(a, np.float32)) for a in (inputs, wanted, weights)]
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    steps = epochs * (len(inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        order = torch.randperm(len(inputs))[: len(inputs) // _BATCH * _BATCH]
        for batch in torch.split(order, _BATCH):
            seen, goal, weight = (part[batch] for part in data)
            error = _read(network, _disturbed(seen)) - goal
            gap_error = error @ to_gap / _GAP_UNIT
            nearly_closed = 1 + 3 * torch.exp(-((goal @ to_gap / _GAP_UNIT) ** 2))
            loss = ((error * importance) ** 2).mean(1) * weight
            loss = loss + _GAP_WEIGHT * gap_error**2 * nearly_closed * weight
            optimiser.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call] # torch has no type for it
            optimiser.step()
            schedule.step()


def _read(network: nn.Sequential, inputs: Tensor) -> Tensor:
    """Read as the runtime does: no change is no movement, whatever the face."""
    face = inputs[:, CHANGES:]
    nothing = torch.cat([torch.zeros(len(inputs), CHANGES), face], 1)
    read, zero = network(torch.cat([inputs, nothing])).chunk(2)
    difference: Tensor = read - zero
    return difference


def _disturbed(inputs: Tensor) -> Tensor:
    gain = (0.75 + 0.5 * torch.rand(len(inputs), 1)).clamp(0.85, 1.2)
    change = inputs[:, :CHANGES] * gain
    change = change + _CHANGE_NOISE * torch.randn_like(change)
    face = inputs[:, CHANGES:]
    return torch.cat([change, face + _FACE_NOISE * torch.randn_like(face)], 1)


def _whitened(data: Floats, count: int) -> Floats:
    basis = principal(data, count)
    return np.asarray(basis / (data @ basis).std(0), np.float32)


def _mirrored_patches(patches: Floats) -> Floats:
    width, height = PATCH_WH
    pictures = patches.reshape(-1, height, width, 3)
    return np.ascontiguousarray(pictures[:, :, ::-1]).reshape(len(patches), -1)


def main() -> None:
    """Collect, fit, and write the reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--network", required=True, type=Path, help="generator, safetensors")
    parser.add_argument("--output", required=True, type=Path, help="reader.npz to write")
    parser.add_argument("--clips", type=int, default=300, help="clips to learn from")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    network = TrainedNetwork.load(chosen.network)
    samples = Samples.of(list(collect(Corpus(chosen.data), network, clips=chosen.clips)))
    write_halves(chosen.output, fit(samples))
    logger.info("learned from %d mouths", len(samples.weights) // 2)


if __name__ == "__main__":
    main()
