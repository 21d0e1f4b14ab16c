"""The picture stage: trains a generator on true pictures, an adversary and more sound at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from convert.networks.wav2lip import channels_for_width
from training.correction import Correction
from training.lip_net import LipNet, lip_errors
from training.losses import Adversary, adversary_error, balanced_gradient, picture_errors
from training.network import FIRST_BLANK_ROW, FIRST_EXACT_ROW, FIRST_LOW_ROW, TrainedNetwork
from training.run_loop import Run, RunOptions
from training.sampling import Batch, Sampler

#: The whole picture is drawn in one step of eight, the lower half alone in the others.
_WHOLE_EVERY = 8
_UPPER_WEIGHT = 0.5
#: Sound vectors are corrected at least by this share: those met later are not perfect either.
_LEAST_CORRECTED = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions(RunOptions):
    """How to train on pictures; see ``RunOptions`` as well.

    Attributes:
        batch: Samples with pictures a step.
        sounds: Samples with sound alone a step.
        adversary_rate: Learning rate of the adversary.
        lip_share: Pull of the lip reader relative to the pictures'.
        adversary_share: Pull of the adversary relative to the pictures'.
        adversary_from: Step at which the adversary, trained from the start, begins to pull.
        sound_weight: Weight of predicting lip gestures from sound alone.
        train_face: Whether the face encoder learns as well; a continued run can leave it.
    """

    batch: int = 32
    sounds: int = 48
    adversary_rate: float = 5e-4
    lip_share: float = 1.0
    adversary_share: float = 0.3
    adversary_from: int = 200
    sound_weight: float = 0.02
    train_face: bool = True


class Trainer(Run[TrainedNetwork]):
    """Trains the whole network, or all but the face encoder, on pictures."""

    def __init__(
        self,
        network: TrainedNetwork,
        sampler: Sampler,
        lip_net: LipNet,
        folder: Path,
        options: TrainOptions,
        *,
        correction: Correction | None = None,
    ) -> None:
        """Prepare, and go on where the folder's checkpoint stopped.

        Args:
            network: To train; its weights are replaced when there is a checkpoint.
            sampler: Draws batches.
            lip_net: Reads lips, trained and frozen.
            folder: Checkpoints go here; a file ``PAUSE`` in it pauses the run.
            options: How to train.
            correction: Of the sound vectors before drawing; the audio encoder then stays.
        """
        super().__init__(network, folder, options)
        self.sampler, self.options = sampler, options
        self.correction = correction.to(self.device) if correction else None
        self.lip_net = lip_net.to(self.device)
        heard = channels_for_width(*network.widths).audio[-1]
        self.gesture_head = nn.Linear(heard, sampler.gestures.width).to(self.device)
        self.adversary = Adversary().to(self.device)
        self.adversary_optimiser = torch.optim.Adam(
            self.adversary.parameters(), options.adversary_rate, betas=(0.5, 0.99)
        )
        if not options.train_face:
            network.body.face_encoder_blocks.requires_grad_(False)
        if correction:
            network.body.audio_encoder.requires_grad_(False)
        own = [p for p in network.parameters() if p.requires_grad]
        self._prepare(
            [*own, *self.gesture_head.parameters()],
            {
                "gesture_head": self.gesture_head,
                "adversary": self.adversary,
                "adversary_optimiser": self.adversary_optimiser,
                **({"correction": self.correction} if self.correction else {}),
            },
        )

    def _step(self) -> dict[str, float]:
        options = self.options
        batch = self.sampler.draw(options.batch, options.sounds, self._rng).to(self.device)
        self._set_modes()
        low = self.progress.step % _WHOLE_EVERY != 0
        heard, sound_error = self._hear(batch)
        drawn = self.network(heard, batch.face, low=low, train_face=options.train_face)
        leaf = drawn.detach().requires_grad_()
        figures, gradient = self._pull(leaf, batch, FIRST_LOW_ROW if low else 0)
        self.optimiser.zero_grad(set_to_none=True)
        weight = torch.tensor(options.sound_weight, device=self.device)
        torch.autograd.backward([drawn, sound_error], [gradient, weight])
        self._descend()
        judge = self._train_adversary(leaf.detach(), batch, FIRST_LOW_ROW if low else 0)
        return {**figures, "sound": float(sound_error.detach()), "adversary": judge}

    def _hear(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give the vectors to draw from, and the error of gestures told from more sounds."""
        heard = self.network.listen(torch.cat((batch.mel, batch.more_mel)))
        own, more = heard[: len(batch.mel)], heard[len(batch.mel) :]
        error = functional.smooth_l1_loss(self.gesture_head(more.flatten(1)), batch.gestures)
        if self.correction is None:
            return own, error
        share = _LEAST_CORRECTED + (1 - _LEAST_CORRECTED) * torch.rand(len(own), 1)
        return self.correction(own, batch.said, share.to(self.device)), error

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
        if self.correction:
            self.network.body.audio_encoder.eval()
