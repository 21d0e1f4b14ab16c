"""Learns what light is seen inside a mouth from how its lips stand.

The picture inside an open mouth is cut out of a data set's frames into a grid between the inner
lip contours, as bright as the clip's brightest teeth are white, and a small network is fitted
that tells it from the movement of the lips alone. ``runtime.blending.warp.inside`` uses it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from runtime.blending.warp.inside import GRID, InsideLight
from training.corpus import Clip, ClipEntry, Corpus
from training.dense import dense_arrays, write_halves
from training.lip_motions import (
    INNER,
    Floats,
    closed_frames,
    gap_of,
    lip_motions,
    mirrored_motions,
    principal,
)
from training.metrics import correlation

logger = logging.getLogger(__name__)

_MOVEMENTS, _LIGHTS, _HIDDEN = 8, 12, 48
#: Frames open less far, in mouth widths, show lips and not what is behind them at this size.
_LEAST_OPEN = 0.055
_LEAST_FRAMES = 5
#: What counts as the clip's lit teeth: this quantile of the light inside its open mouths.
_TEETH = 0.97
_MOST_LIGHT = 1.15
#: Relative error of movements that are heard or read, which the light must not follow.
_NOISE = 0.15
#: Lips blur into what is behind them: pixels of a data set's frame left out at either contour.
_INSET = 0.7
_BATCH, _RATE, _DECAY = 256, 3e-3, 1e-3


class Mouths(NamedTuple):
    """Open mouths.

    Attributes:
        motions: ``(n, 88)``, see ``lip_motions``.
        light: ``(n, rows, columns)``, lit teeth being 1, as bright as they look.
    """

    motions: Floats
    light: Floats

    @classmethod
    def of(cls, found: Sequence[Mouths]) -> Mouths:
        """Put mouths together."""
        return cls(*(np.concatenate(part) for part in zip(*found, strict=True)))


def collect(corpus: Corpus, entries: Sequence[ClipEntry]) -> Iterator[Mouths]:
    """Yield the open mouths of every clip whose lips close at some time."""
    for entry in entries:
        clip = corpus.read(entry)
        closed = closed_frames(clip.lips)
        if not closed.size:
            continue
        motions, _ = lip_motions(clip.lips, closed)
        frames = np.flatnonzero(gap_of(motions) > _LEAST_OPEN)
        if len(frames) >= _LEAST_FRAMES:
            yield Mouths(motions[frames], inside_light(clip, frames))


def inside_light(clip: Clip, frames: NDArray[np.intp]) -> Floats:
    """Cut the light out of open mouths, mirrored halves averaged, ``(n, rows, columns)``."""
    rows, columns = GRID
    along = (np.arange(columns) + 0.5) * 10 / columns
    down = ((np.arange(rows) + 0.5) / rows)[:, None, None].astype(np.float32)
    found = []
    for frame in frames:
        upper, lower = (_along(contour, along) for contour in clip.lips[frame][INNER])
        inset = np.minimum(_INSET, (lower - upper)[:, 1:] / 4) * (0, 1)
        at = np.asarray((upper + inset) * (1 - down) + (lower - inset) * down, np.float32)
        inside = cv2.remap(clip.frames[frame], at[..., 0], at[..., 1], cv2.INTER_LINEAR)
        found.append(cv2.cvtColor(inside, cv2.COLOR_BGR2GRAY))
    light = np.stack(found).astype(np.float32)
    light /= max(float(np.quantile(light, _TEETH)), 1.0)
    return np.minimum((light + light[..., ::-1]) / 2, _MOST_LIGHT)


def fit(mouths: Mouths, *, epochs: int = 12, seed: int = 0) -> dict[str, Floats]:
    """Fit the network.

    Returns:
        Arrays as ``runtime.blending.warp.inside`` takes them.
    """
    torch.manual_seed(seed)
    motions = np.concatenate([mouths.motions, mirrored_motions(mouths.motions)])
    light = mouths.light.reshape(len(mouths.light), -1)
    mean = light.mean(0)
    patterns = principal(light - mean, _LIGHTS)
    basis = principal(motions, _MOVEMENTS)
    basis = basis / (motions @ basis).std(0)
    network = nn.Sequential(
        nn.Linear(_MOVEMENTS, _HIDDEN),
        nn.Tanh(),
        nn.Linear(_HIDDEN, _HIDDEN),
        nn.Tanh(),
        nn.Linear(_HIDDEN, _LIGHTS),
    )
    wanted = np.concatenate([(light - mean) @ patterns] * 2)
    _train(network, motions @ basis, wanted, epochs)
    arrays = {"basis": basis, **dense_arrays(network)}
    arrays["w2"] = arrays["w2"] @ patterns.T
    arrays["b2"] = arrays["b2"] @ patterns.T + mean
    return arrays


def _train(network: nn.Sequential, inputs: Floats, wanted: Floats, epochs: int) -> None:
    seen, goal = (torch.from_numpy(np.asarray(a, np.float32)) for a in (inputs, wanted))
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    steps = epochs * (len(seen) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        order = torch.randperm(len(seen))[: len(seen) // _BATCH * _BATCH]
        for batch in torch.split(order, _BATCH):
            motion = seen[batch] + _NOISE * torch.randn(_BATCH, _MOVEMENTS)
            loss = ((network(motion) - goal[batch]) ** 2).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


def _along(contour: Floats, places: NDArray[np.floating]) -> Floats:
    """Give points at fractional places of a contour ``(11, 2)``."""
    knots = np.arange(len(contour))
    return np.stack([np.interp(places, knots, side) for side in contour.T], -1)


def main() -> None:
    """Collect, fit, and write the network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder of the data set")
    parser.add_argument("--output", required=True, type=Path, help="inside.npz to write")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    corpus = Corpus(chosen.data)
    mouths = Mouths.of(list(collect(corpus, corpus.split("train"))))
    heldout = Mouths.of(list(collect(corpus, corpus.heldout)))
    told = InsideLight(write_halves(chosen.output, fit(mouths)))
    seen = np.stack([told.of(motion.reshape(4, 11, 2)) for motion in heldout.motions])
    logger.info(
        "learned from %d open mouths; light of %d held-out ones correlates by %.2f",
        len(mouths.light),
        len(heldout.light),
        correlation(seen.ravel(), heldout.light.ravel()),
    )


if __name__ == "__main__":
    main()
