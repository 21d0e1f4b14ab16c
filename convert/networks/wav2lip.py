"""Wav2Lip's generator at any width, and Nota's compressed form of it.

Topology and tensor names: Wav2Lip, Prajwal et al. 2020; the public checkpoint has width 1. Nota's
(Kim et al. 2023, "28x Compressed Wav2Lip") is the same network without its shortcut blocks.
"""

from typing import NamedTuple

import torch
from torch import nn

from convert.networks.blocks import ConvBlock, shortcuts


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


class Depth(NamedTuple):
    """Number of shortcut blocks that follow each level's first block.

    Attributes:
        face: Six numbers; the seventh level has none.
        audio: Four numbers; the fifth level has none.
        decoder: Six numbers; the first level has none.
    """

    face: tuple[int, ...]
    audio: tuple[int, ...]
    decoder: tuple[int, ...]


PUBLIC_CHANNELS = Channels(
    face=(16, 32, 64, 128, 256, 512, 512),
    audio=(32, 64, 128, 256, 512),
    decoder=(512, 512, 384, 256, 128, 64),
    output=32,
)
NOTA_CHANNELS = Channels(
    face=(4, 8, 16, 32, 64, 128, 128),
    audio=(8, 16, 32, 64, 128),
    decoder=(128, 128, 96, 64, 32, 16),
    output=8,
)
WAV2LIP_DEPTH = Depth(face=(0, 2, 3, 2, 2, 1), audio=(2, 2, 2, 1), decoder=(1, 2, 2, 2, 2, 2))
NOTA_DEPTH = Depth(face=(0,) * 6, audio=(0,) * 4, decoder=(0,) * 6)

_AUDIO_STRIDES: tuple[int | tuple[int, int], ...] = (1, (3, 1), 3, (3, 2))
_LEAST_ENCODER_CHANNELS = 8
_LEAST_DECODER_CHANNELS = 16


def channels_for_width(width_face: float, width_audio: float | None = None) -> Channels:
    """Give the channels of a network of this width.

    Args:
        width_face: Factor on the face encoder's and decoder's public channels.
        width_audio: Factor on the audio encoder's; ``None`` for the same.

    Returns:
        Channels, at least 8 per encoder level and 16 per decoder level.
    """

    def scale(channels: tuple[int, ...], width: float, least: int) -> tuple[int, ...]:
        return tuple(max(least, int(count * width)) for count in channels)

    public = PUBLIC_CHANNELS
    width_audio = width_face if width_audio is None else width_audio
    return Channels(
        face=scale(public.face, width_face, _LEAST_ENCODER_CHANNELS),
        audio=scale(public.audio, width_audio, _LEAST_ENCODER_CHANNELS),
        decoder=scale(public.decoder, width_face, _LEAST_DECODER_CHANNELS),
        output=scale((public.output,), width_face, _LEAST_DECODER_CHANNELS)[0],
    )


class Wav2Lip(nn.Module):
    """Wav2Lip's generator.

    Attributes:
        face_encoder_blocks: Seven levels; the output of each goes to the decoder as well.
        audio_encoder: One chunk of mel to one vector.
        face_decoder_blocks: Seven levels; each takes the join of the last one and a face level.
        output_block: Join of the 96 x 96 levels to three colours.
    """

    def __init__(self, channels: Channels, depth: Depth = WAV2LIP_DEPTH) -> None:
        super().__init__()
        self.face_encoder_blocks = _face_encoder(channels.face, depth.face)
        self.audio_encoder = _audio_encoder(channels.audio, depth.audio)
        self.face_decoder_blocks = _face_decoder(channels, depth.decoder)
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


def _face_encoder(channels: tuple[int, ...], depth: tuple[int, ...]) -> nn.ModuleList:
    levels = [nn.Sequential(ConvBlock(6, channels[0], 7, padding=3))]
    levels += [
        nn.Sequential(
            ConvBlock(channels[level - 1], channels[level], stride=2),
            *shortcuts(channels[level], depth[level]),
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


def _audio_encoder(channels: tuple[int, ...], depth: tuple[int, ...]) -> nn.Sequential:
    blocks: list[ConvBlock] = []
    previous = 1
    for count, stride, repeats in zip(channels[:-1], _AUDIO_STRIDES, depth, strict=True):
        blocks += [ConvBlock(previous, count, stride=stride), *shortcuts(count, repeats)]
        previous = count
    last = channels[-1]
    blocks += [ConvBlock(previous, last, padding=0), ConvBlock(last, last, 1, padding=0)]
    return nn.Sequential(*blocks)


def _face_decoder(channels: Channels, depth: tuple[int, ...]) -> nn.ModuleList:
    audio = channels.audio[-1]
    decoder = channels.decoder
    levels = [
        nn.Sequential(ConvBlock(audio, audio, 1, padding=0)),
        nn.Sequential(
            ConvBlock(audio + channels.face[6], decoder[0], padding=0, output_padding=0),
            *shortcuts(decoder[0], depth[0]),
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
            *shortcuts(decoder[level], depth[level]),
        )
        for level in range(1, 6)
    ]
    return nn.ModuleList(levels)
