"""Wav2Lip's generator at any width.

Topology and tensor names: Wav2Lip, Prajwal et al. 2020, the public checkpoint; that one has width 1.
"""

from typing import NamedTuple

import torch
from torch import nn

from convert.networks.blocks import ConvBlock, shortcuts

#: Channels at width 1, from the 96 x 96 level down to the 1 x 1 level.
FACE_CHANNELS = (16, 32, 64, 128, 256, 512, 512)
AUDIO_CHANNELS = (32, 64, 128, 256, 512)
DECODER_CHANNELS = (512, 512, 384, 256, 128, 64)
OUTPUT_CHANNELS = 32

_FACE_SHORTCUTS = (0, 2, 3, 2, 2, 1)
#: Stride and number of shortcut blocks of each audio level but the last.
_AUDIO_LEVELS: tuple[tuple[int | tuple[int, int], int], ...] = (
    (1, 2),
    ((3, 1), 2),
    (3, 2),
    ((3, 2), 1),
)


class Channels(NamedTuple):
    """Channels of every level.

    Attributes:
        face: Seven numbers, face encoder, 96 x 96 first.
        audio: Five numbers, audio encoder, input first.
        decoder: Six numbers, decoder after its first block, 3 x 3 first.
        output: Channels before the three colours.
    """

    face: tuple[int, ...]
    audio: tuple[int, ...]
    decoder: tuple[int, ...]
    output: int


def channels_for_width(width_face: float, width_audio: float | None = None) -> Channels:
    """Give the channels of a network of this width.

    Args:
        width_face: Factor on the face encoder's and decoder's public channels.
        width_audio: Factor on the audio encoder's; ``None`` for the same.

    Returns:
        Channels, at least 8 per encoder level and 16 per decoder level.
    """

    def scale(channels: tuple[int, ...], width: float, floor: int) -> tuple[int, ...]:
        return tuple(max(floor, int(count * width)) for count in channels)

    return Channels(
        face=scale(FACE_CHANNELS, width_face, 8),
        audio=scale(AUDIO_CHANNELS, width_face if width_audio is None else width_audio, 8),
        decoder=scale(DECODER_CHANNELS, width_face, 16),
        output=scale((OUTPUT_CHANNELS,), width_face, 16)[0],
    )


class Wav2Lip(nn.Module):
    """Wav2Lip's generator.

    Attributes:
        face_encoder_blocks: Seven levels; the output of each goes to the decoder as well.
        audio_encoder: One chunk of mel to one vector.
        face_decoder_blocks: Seven levels; each takes the join of the last one and a face level.
        output_block: Join of the 96 x 96 levels to three colours.
    """

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self.face_encoder_blocks = _face_encoder(channels.face)
        self.audio_encoder = _audio_encoder(channels.audio)
        self.face_decoder_blocks = _face_decoder(channels)
        self.output_block = nn.Sequential(
            ConvBlock(channels.decoder[-1] + channels.face[0], channels.output),
            nn.Conv2d(channels.output, 3, 1),
            nn.Sigmoid(),
        )

    def forward(self, mel: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
        """Generate mouths.

        Args:
            mel: Float ``(n, 1, 80, 16)``, [-4, 4].
            face: Float ``(n, 6, 96, 96)``, BGR, [0, 1]: lower half blanked, then whole.

        Returns:
            Float ``(n, 3, 96, 96)``, BGR, [0, 1].
        """
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        joined = self.audio_encoder(mel)
        for block, feature in zip(self.face_decoder_blocks, reversed(features), strict=True):
            joined = torch.cat((block(joined), feature), dim=1)
        mouth: torch.Tensor = self.output_block(joined)
        return mouth


def _face_encoder(channels: tuple[int, ...]) -> nn.ModuleList:
    levels = [nn.Sequential(ConvBlock(6, channels[0], 7, padding=3))]
    levels += [
        nn.Sequential(
            ConvBlock(channels[level - 1], channels[level], stride=2),
            *shortcuts(channels[level], _FACE_SHORTCUTS[level]),
        )
        for level in range(1, 6)
    ]
    levels.append(
        nn.Sequential(
            ConvBlock(channels[5], channels[6], padding=0),
            ConvBlock(channels[6], channels[6], 1, padding=0),
        )
    )
    return nn.ModuleList(levels)


def _audio_encoder(channels: tuple[int, ...]) -> nn.Sequential:
    blocks: list[ConvBlock] = []
    previous = 1
    for count, (stride, repeats) in zip(channels, _AUDIO_LEVELS, strict=False):
        blocks += [ConvBlock(previous, count, stride=stride), *shortcuts(count, repeats)]
        previous = count
    last = channels[-1]
    blocks += [ConvBlock(previous, last, padding=0), ConvBlock(last, last, 1, padding=0)]
    return nn.Sequential(*blocks)


def _face_decoder(channels: Channels) -> nn.ModuleList:
    audio = channels.audio[-1]
    decoder = channels.decoder
    levels = [
        nn.Sequential(ConvBlock(audio, audio, 1, padding=0)),
        nn.Sequential(
            ConvBlock(audio + channels.face[6], decoder[0], padding=0, output_padding=0),
            *shortcuts(decoder[0], 1),
        ),
    ]
    levels += [
        nn.Sequential(
            ConvBlock(
                decoder[level - 1] + channels.face[6 - level],
                decoder[level],
                stride=2,
                output_padding=1,
            ),
            *shortcuts(decoder[level], 2),
        )
        for level in range(1, 6)
    ]
    return nn.ModuleList(levels)
