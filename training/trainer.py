"""Train a generator: pause, stop and go on at any time; the best checkpoint is kept."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.networks.wav2lip import channels_for_width
from training.lip_net import LipNet, lip_errors
from training.losses import Adversary, adversary_error, balanced_gradient, picture_errors
from training.network import (
    FIRST_BLANK_ROW,
    FIRST_EXACT_ROW,
    FIRST_LOW_ROW,
    TrainedNetwork,
    save,
)
from training.sampling import Batch, Sampler

logger = logging.getLogger(__name__)

PAUSE_FILE, STATE_FILE, AVERAGE_FILE, BEST_FILE = (
    "PAUSE", "state.pt", "average.safetensors", "best.safetensors",
)  # fmt: skip
_PAUSE_POLL_S = 2.0
_LEAST_RATE_SHARE = 0.03
#: The whole picture is drawn in one step of eight, the lower half alone in the others.
_WHOLE_EVERY = 8
_UPPER_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to train.

    Attributes:
        steps: Steps in all, those of earlier runs included.
        batch: Samples with pictures a step.
        sounds: Samples with sound alone a step.
        rate: Highest learning rate of the generator.
        adversary_rate: Learning rate of the adversary.
        lip_share: Pull of the lip reader relative to the pictures'.
        adversary_share: Pull of the adversary relative to the pictures'.
        adversary_from: Step at which the adversary, trained from the start, begins to pull.
        sound_weight: Weight of predicting lip gestures from sound alone.
        average: Decay of the moving average of the weights, which is what is kept.
        train_face: Whether the face encoder learns as well; a continued run can leave it.
        seed: Of everything random.
        save_every_s: Seconds between checkpoints.
        score_every: Steps between scorings on held-out clips, 0 for never.
    """

    steps: int = 100_000
    batch: int = 32
    sounds: int = 48
    rate: float = 1e-3
    adversary_rate: float = 5e-4
    lip_share: float = 1.0
    adversary_share: float = 0.3
    adversary_from: int = 200
    sound_weight: float = 0.02
    average: float = 0.998
    train_face: bool = True
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


class Trainer:
    """Trains one generator in one folder."""

    def __init__(
        self,
        network: TrainedNetwork,
        sampler: Sampler,
        lip_net: LipNet,
        folder: Path,
        options: TrainOptions,
    ) -> None:
        """Prepare, and go on where the folder's checkpoint stopped.

        Args:
            network: To train; its weights are replaced when there is a checkpoint.
            sampler: Draws batches.
            lip_net: Reads lips, trained and frozen.
            folder: Checkpoints go here; a file ``PAUSE`` in it pauses the run.
            options: How to train.
        """
        torch.manual_seed(options.seed)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.network, self.sampler, self.options = network.to(self.device), sampler, options
        self.lip_net = lip_net.to(self.device)
        self.folder = folder
        heard = channels_for_width(*network.widths).audio[-1]
        self.gesture_head = nn.Linear(heard, sampler.gestures.width).to(self.device)
        self.adversary = Adversary().to(self.device)
        if not options.train_face:
            network.body.face_encoder_blocks.requires_grad_(False)
        own = [p for p in network.parameters() if p.requires_grad]
        self._learning = [*own, *self.gesture_head.parameters()]
        self.optimiser = torch.optim.AdamW(
            self._learning, options.rate, betas=(0.9, 0.98), weight_decay=1e-5
        )
        self.adversary_optimiser = torch.optim.Adam(
            self.adversary.parameters(), options.adversary_rate, betas=(0.5, 0.99)
        )
        self.average = {k: v.clone() for k, v in network.body.state_dict().items()}
        self.progress = Progress()
        self._rng = np.random.default_rng(options.seed)
        self._resume()

    def run(self, score: Callable[[TrainedNetwork], float] | None = None) -> Progress:
        """Train to the last step.

        Args:
            score: Rates the averaged network, higher is better; called every ``score_every`` steps.
        """
        saved_s = time.monotonic()
        options = self.options
        while self.progress.step < options.steps:
            self._wait_while_paused()
            figures = self._step(self.sampler.draw(options.batch, options.sounds, self._rng))
            self.progress.follow(figures)
            self.progress.step += 1
            if score and options.score_every and self.progress.step % options.score_every == 0:
                self._keep_best(score)
            if time.monotonic() - saved_s > options.save_every_s:
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

    def averaged(self) -> TrainedNetwork:
        """Give a copy of the network with the averaged weights."""
        face, audio = self.network.widths
        copy = TrainedNetwork(face, audio, mel_offset=self.network.mel_offset).to(self.device)
        copy.body.load_state_dict(self.average)
        return copy.eval()

    def _step(self, batch: Batch) -> dict[str, float]:
        batch = batch.to(self.device)
        self._set_modes()
        self._set_rate()
        low = self.progress.step % _WHOLE_EVERY != 0
        heard = self.network.listen(torch.cat((batch.mel, batch.more_mel)))
        guessed = self.gesture_head(heard[len(batch.mel) :].flatten(1))
        sound_error = functional.smooth_l1_loss(guessed, batch.gestures)
        drawn = self.network(
            heard[: len(batch.mel)], batch.face, low=low, train_face=self.options.train_face
        )
        leaf = drawn.detach().requires_grad_()
        figures, gradient = self._pull(leaf, batch, FIRST_LOW_ROW if low else 0)
        self.optimiser.zero_grad(set_to_none=True)
        weight = torch.tensor(self.options.sound_weight, device=self.device)
        torch.autograd.backward([drawn, sound_error], [gradient, weight])
        nn.utils.clip_grad_norm_(self._learning, 1.0)
        self.optimiser.step()
        judge = self._train_adversary(leaf.detach(), batch, FIRST_LOW_ROW if low else 0)
        self._move_average()
        return {**figures, "sound": float(sound_error.detach()), "adversary": judge}

    def _pull(self, drawn: Tensor, batch: Batch, first_row: int) -> tuple[dict[str, float], Tensor]:
        """Give figures and the joined gradient at the drawn rows, which begin at ``first_row``."""
        exact = FIRST_EXACT_ROW + 1
        errors = picture_errors(
            drawn[:, :, exact - first_row :], batch.target[:, :, exact:], batch.mouth[:, :, exact:]
        )
        total = errors.total
        if first_row == 0:
            upper = (drawn[:, :, :exact] - batch.target[:, :, :exact]).abs().mean()
            total = total + _UPPER_WEIGHT * upper
        lower = drawn[:, :, FIRST_BLANK_ROW - first_row :]
        lips = lip_errors(self.lip_net(lower), batch.lips)
        judged = -self.adversary(lower, batch.face[:, 3:, FIRST_BLANK_ROW:]).mean()
        ramp = min(1.0, max(0.0, (self.progress.step - self.options.adversary_from) / 150))
        gradient = balanced_gradient(
            [total, lips.total, judged],
            [1.0, self.options.lip_share, self.options.adversary_share * ramp],
            drawn,
            most=[1.0, 0.3, math.inf],
        )
        named = {"pixels": errors.pixels, "mouth": errors.mouth, "edges": errors.edges}
        named |= {"lips": lips.points, "opening": lips.opening, "spread": lips.spread}
        return {name: float(value.detach()) for name, value in named.items()}, gradient

    def _train_adversary(self, drawn: Tensor, batch: Batch, first_row: int) -> float:
        reference = batch.face[:, 3:, FIRST_BLANK_ROW:]
        error = adversary_error(
            self.adversary(batch.target[:, :, FIRST_BLANK_ROW:], reference),
            self.adversary(drawn[:, :, FIRST_BLANK_ROW - first_row :], reference),
        )
        self.adversary_optimiser.zero_grad(set_to_none=True)
        error.backward()  # type: ignore[no-untyped-call]  # torch stub
        self.adversary_optimiser.step()
        return float(error.detach())

    def _set_modes(self) -> None:
        self.network.train()
        if not self.options.train_face:
            # A continued run: statistics of the halves that see pictures are settled.
            self.network.body.face_encoder_blocks.eval()
            self.network.body.face_decoder_blocks.eval()
            self.network.body.output_block.eval()

    def _set_rate(self) -> None:
        """Warm up over 200 steps, then fall along half a cosine."""
        step, steps = self.progress.step, self.options.steps
        falling = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
        share = min(1.0, (step + 1) / 200) * max(_LEAST_RATE_SHARE, falling)
        for group in self.optimiser.param_groups:
            group["lr"] = self.options.rate * share

    @torch.no_grad()
    def _move_average(self) -> None:
        # Early on the average follows closely, or it would remember the beginning for long.
        keep = min(self.options.average, (1 + self.progress.step) / (10 + self.progress.step))
        for name, value in self.network.body.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                self.average[name] = value.clone()

    def _keep_best(self, score: Callable[[TrainedNetwork], float]) -> None:
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
            "network": self.network.body.state_dict(),
            "average": self.average,
            "gesture_head": self.gesture_head.state_dict(),
            "adversary": self.adversary.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "adversary_optimiser": self.adversary_optimiser.state_dict(),
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
        for name in ("gesture_head", "adversary", "optimiser", "adversary_optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.progress = Progress(state["step"], state["best_score"], state["figures"])
        self._rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"].cpu())
        logger.info("go on from step %d", self.progress.step)
