"""The network in training: Wav2Lip's topology, its weights file, and its lower half alone."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from convert.networks.wav2lip import Wav2Lip, channels_for_width
from runtime.types import CROP_SIZE, FaceCrop, MelSpectrogram, MouthCrop

#: First row of the masked half.
FIRST_BLANK_ROW = CROP_SIZE // 2
#: The lower half alone is computed from this row on; rows from ``FIRST_EXACT_ROW`` are the same
#: as in the whole picture: the decoder's last levels look 7 rows up.
FIRST_LOW_ROW = 36
FIRST_EXACT_ROW = 43
#: Rows cut off the top after a decoder level (of its output), and where its face level begins.
_CUT_AFTER = {3: 3, 4: 3}
_FACE_ROW = {3: 3, 4: 9, 5: 18, 6: 36}
_LEVELS = 7
_BATCH = 25


class Trainable(nn.Module, ABC):
    """A network that a run can train.

    Attributes:
        body: All that the weights file holds.
    """

    body: nn.Module

    @abstractmethod
    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""


class TrainedNetwork(Trainable):
    """A generator that can be trained.

    Attributes:
        body: The topology, tensors named as in the public checkpoint.
        mel_offset: First mel column of a frame's chunk relative to the frame's own.
        widths: Width of the face half and of the audio half, relative to the public network.
    """

    def __init__(self, width_face: float, width_audio: float, *, mel_offset: int = -5) -> None:
        super().__init__()
        self.body: Wav2Lip = Wav2Lip(channels_for_width(width_face, width_audio))
        self.body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch stub
        self.mel_offset = mel_offset
        self.widths = (width_face, width_audio)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a weights file written by ``save``."""
        with safe_open(path, framework="pt") as stored:
            facts: Mapping[str, str] = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        network = cls(
            float(facts["width_face"]),
            float(facts["width_audio"]),
            mel_offset=int(facts["mel_offset"]),
        )
        network.body.load_state_dict(tensors)
        return network

    def facts(self) -> dict[str, str]:
        """Give what the weights file says about itself."""
        return {
            "layout": "wav2lip",
            "width_face": str(self.widths[0]),
            "width_audio": str(self.widths[1]),
            "mel_offset": str(self.mel_offset),
            "crop_size": str(CROP_SIZE),
            "colour": "BGR",
            "format": "pt",
        }

    def listen(self, mel: Tensor) -> Tensor:
        """Encode mel chunks ``(n, 1, 80, 16)`` to ``(n, c, 1, 1)``."""
        heard: Tensor = self.body.audio_encoder(mel)
        return heard

    def forward(
        self, heard: Tensor, face: Tensor, *, low: bool = False, train_face: bool = True
    ) -> Tensor:
        """Draw mouths.

        Args:
            heard: Sound, from ``listen``.
            face: ``(n, 6, 96, 96)``, BGR, [0, 1]: lower half blanked, then whole.
            low: Compute rows from ``FIRST_LOW_ROW`` only.
            train_face: Whether gradients reach the face encoder.

        Returns:
            ``(n, 3, 96, 96)`` or, with ``low``, ``(n, 3, 60, 96)``; BGR, [0, 1].
        """
        levels = []
        with torch.set_grad_enabled(train_face and torch.is_grad_enabled()):
            for block in self.body.face_encoder_blocks:
                face = block(face)
                levels.append(face)
        joined = heard
        for index, block in enumerate(self.body.face_decoder_blocks):
            joined = block(joined)
            level = levels[_LEVELS - 1 - index]
            if low:
                joined = joined[:, :, _CUT_AFTER.get(index, 0) :]
                level = level[:, :, _FACE_ROW.get(index, 0) :]
            joined = torch.cat((joined, level), 1)
        mouths: Tensor = self.body.output_block(joined)
        return mouths

    def draw(self, crop: FaceCrop, chunks: MelSpectrogram) -> MouthCrop:
        """Draw one face's mouths.

        Args:
            crop: uint8 ``(96, 96, 3)``.
            chunks: float32 ``(n, 80, 16)``.

        Returns:
            uint8 ``(n, 96, 96, 3)``.
        """
        was_training = self.training
        self.eval()
        device = next(self.parameters()).device
        face = face_input(torch.from_numpy(crop[None])).to(device)
        drawn = []
        with torch.no_grad():
            for batch in torch.split(torch.from_numpy(chunks)[:, None].to(device), _BATCH):
                mouths = self(self.listen(batch), face.expand(len(batch), -1, -1, -1))
                drawn.append((mouths * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu())
        self.train(was_training)
        return np.asarray(torch.cat(drawn).numpy(), np.uint8)


def with_hearing(drawing: TrainedNetwork, hearing: Sequence[TrainedNetwork]) -> TrainedNetwork:
    """Give a copy of a network whose audio encoder is the mean of some others'.

    Encoders that were trained on from the same weights, on other voices, say, hear together better
    than each alone (Wortsman et al. 2022).

    Args:
        drawing: Gives all but the audio encoder; stays as it is.
        hearing: Networks of the same width.
    """
    joined = copy.deepcopy(drawing)
    encoders = [network.body.audio_encoder.state_dict() for network in hearing]
    joined.body.audio_encoder.load_state_dict(
        {
            name: torch.stack([encoder[name].float() for encoder in encoders]).mean(0).to(own.dtype)
            for name, own in encoders[0].items()
        }
    )
    return joined


def save(tensors: Mapping[str, Tensor], facts: Mapping[str, str], path: Path) -> None:
    """Write a weights file, complete or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in tensors.items()},
        partial,
        metadata=dict(facts),
    )
    partial.replace(path)


def face_input(crops: Tensor, targets: Tensor | None = None) -> Tensor:
    """Join what the network sees.

    Args:
        crops: Reference crops, uint8 ``(n, 96, 96, 3)`` or float ``(n, 3, 96, 96)`` in [0, 1].
        targets: Crops whose upper half gives the pose, of the same kind; ``None`` for ``crops``.

    Returns:
        float32 ``(n, 6, 96, 96)``: lower half blanked, then whole.
    """
    whole = crops.permute(0, 3, 1, 2).float() / 255 if crops.dtype == torch.uint8 else crops
    pose = (whole if targets is None else targets).clone()
    pose[:, :, FIRST_BLANK_ROW:] = 0
    return torch.cat((pose, whole), 1).contiguous(memory_format=torch.channels_last)
