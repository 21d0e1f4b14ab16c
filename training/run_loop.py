"""A run of training in one folder: pause, stop and go on at any time; the best checkpoint is kept.

What one step does is left to the stages, see ``trainer`` and ``audio_trainer``.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from training.network import Trainable, save

logger = logging.getLogger(__name__)

PAUSE_FILE, STATE_FILE, AVERAGE_FILE, BEST_FILE = (
    "PAUSE", "state.pt", "average.safetensors", "best.safetensors",
)  # fmt: skip
_PAUSE_POLL_S = 2.0
_WARM_UP_STEPS = 200
_LEAST_RATE_SHARE = 0.03

Net = TypeVar("Net", bound=Trainable)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What every stage of training is told.

    Attributes:
        steps: Steps in all, those of earlier runs included.
        rate: Highest learning rate.
        weight_decay: Of the generator's optimiser.
        average: Decay of the moving average of the weights, which is what is kept.
        seed: Of everything random.
        save_every_s: Seconds between checkpoints.
        score_every: Steps between scorings on held-out clips, 0 for never.
    """

    steps: int = 100_000
    rate: float = 1e-3
    weight_decay: float = 1e-5
    average: float = 0.998
    seed: int = 0
    save_every_s: float = 180.0
    score_every: int = 0


@dataclass(slots=True)
class Progress:
    """How far a run is; part of the checkpoint.

    Attributes:
        step: Steps made.
        best_score: Highest score so far.
        figures: Running means of the losses.
    """

    step: int = 0
    best_score: float = -math.inf
    figures: dict[str, float] = field(default_factory=dict)

    def follow(self, figures: dict[str, float]) -> None:
        """Move the running means towards this step's figures."""
        for name, value in figures.items():
            self.figures[name] = 0.98 * self.figures.get(name, value) + 0.02 * value


class Run(ABC, Generic[Net]):
    """Trains one network in one folder.

    Attributes:
        network: In training.
        average: Moving average of its weights.
        progress: How far it is.
    """

    def __init__(self, network: Net, folder: Path, options: RunOptions) -> None:
        """Seed everything random.

        Args:
            network: To train; its weights are replaced when there is a checkpoint.
            folder: Checkpoints go here; a file ``PAUSE`` in it pauses the run.
            options: How to train.
        """
        torch.manual_seed(options.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network = network.to(self.device)
        self.folder = folder
        self.average = {k: v.clone() for k, v in network.body.state_dict().items()}
        self.progress = Progress()
        self._options = options
        self._rng = np.random.default_rng(options.seed)

    def _prepare(self, learning: Iterable[nn.Parameter], parts: dict[str, Any]) -> None:
        """Make the optimiser and go on where the folder's checkpoint stopped; ends ``__init__``.

        Args:
            learning: Parameters that the optimiser moves.
            parts: Whatever else belongs to the checkpoint, by name: has ``state_dict``.
        """
        self._learning = list(learning)
        options = self._options
        self.optimiser = torch.optim.AdamW(
            self._learning, options.rate, betas=(0.9, 0.98), weight_decay=options.weight_decay
        )
        self._parts = {**parts, "optimiser": self.optimiser}
        self._resume()

    @abstractmethod
    def _step(self) -> dict[str, float]:
        """Draw a batch, move the weights once and give the losses."""

    def run(self, score: Callable[[Net], float] | None = None) -> Progress:
        """Train to the last step.

        Args:
            score: Rates the averaged network every ``score_every`` steps, higher is better.
        """
        saved_s = time.monotonic()
        options = self._options
        while self.progress.step < options.steps:
            self._wait_while_paused()
            self._set_rate()
            self.progress.follow(self._step())
            self._move_average()
            self.progress.step += 1
            if score and options.score_every and self.progress.step % options.score_every == 0:
                self._keep_best(score)
            if time.monotonic() - saved_s >= options.save_every_s:
                self.save()
                saved_s = time.monotonic()
        self.save()
        return self.progress

    def save(self) -> None:
        """Write the checkpoint and the averaged weights, complete or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{STATE_FILE}.partial"
        torch.save(self._state(), partial)
        partial.replace(self.folder / STATE_FILE)
        save(self.average, self._facts(), self.folder / AVERAGE_FILE)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.progress.figures.items())
        logger.info("step %d: %s", self.progress.step, shown)

    def averaged(self) -> Net:
        """Give a copy of the network with the averaged weights."""
        averaged = copy.deepcopy(self.network)
        averaged.body.load_state_dict(self.average)
        return averaged.eval()

    def _descend(self) -> None:
        """Move the weights along their gradients, which are clipped to a norm of 1."""
        nn.utils.clip_grad_norm_(self._learning, 1.0)
        self.optimiser.step()

    def _set_rate(self) -> None:
        """Warm up, then fall along half a cosine."""
        step, steps = self.progress.step, self._options.steps
        falling = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
        share = min(1.0, (step + 1) / _WARM_UP_STEPS) * max(_LEAST_RATE_SHARE, falling)
        for group in self.optimiser.param_groups:
            group["lr"] = self._options.rate * share

    @torch.no_grad()
    def _move_average(self) -> None:
        # Early on the average follows closely, or it would remember the beginning for long.
        keep = min(self._options.average, (1 + self.progress.step) / (10 + self.progress.step))
        for name, value in self.network.body.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                self.average[name] = value.clone()

    def _keep_best(self, score: Callable[[Net], float]) -> None:
        value = score(self.averaged())
        logger.info("step %d: score %.4f, best %.4f", self.progress.step, value,
                    self.progress.best_score)  # fmt: skip
        if value > self.progress.best_score:
            self.progress.best_score = value
            self.folder.mkdir(parents=True, exist_ok=True)
            save(self.average, self._facts(), self.folder / BEST_FILE)

    def _facts(self) -> dict[str, str]:
        return {**self.network.facts(), "iterations": str(self.progress.step)}

    def _wait_while_paused(self) -> None:
        while (self.folder / PAUSE_FILE).exists():
            time.sleep(_PAUSE_POLL_S)

    def _state(self) -> dict[str, Any]:
        progress = self.progress
        return {
            **{name: part.state_dict() for name, part in self._parts.items()},
            "network": self.network.body.state_dict(),
            "average": self.average,
            "step": progress.step,
            "best_score": progress.best_score,
            "figures": dict(progress.figures),
            "rng": self._rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
        }

    def _resume(self) -> None:
        path = self.folder / STATE_FILE
        if not path.exists():
            return
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.network.body.load_state_dict(state["network"])
        self.average = state["average"]
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self.progress = Progress(state["step"], state["best_score"], state["figures"])
        self._rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"].cpu())
        logger.info("go on from step %d", self.progress.step)
