"""Generators with weights to OpenVINO models: uint8 pictures in and out, all arithmetic inside."""

from dataclasses import dataclass

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from openvino import Node
from torch import nn

from convert.ir import write_metadata
from convert.layers import apply_layers, named, number_nodes
from runtime.types import CROP_SIZE

#: Rows from here down are blanked in the first three input channels (Wav2Lip, 96 x 96 crop).
FIRST_BLANK_ROW = CROP_SIZE // 2
MEL_SHAPE = (80, 16)
LEVELS = 7
_DYNAMIC = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorMetadata:
    """What the engine must know of a generator; written to ``rt_info`` under ``mouthpiece``.

    Attributes:
        name: Name in ``models/manifest.toml``, or the user's own.
        layout: ``wav2lip`` or ``nota``.
        checkpoint_sha256: Hex digest of the checkpoint file.
        licence: Licence of the weights.
        width: Channels relative to the public network, for people.
        mel_offset: First mel column of a frame's chunk relative to the frame's own column.
        mel_spec: Name of the mel settings.
    """

    name: str
    layout: str
    checkpoint_sha256: str
    licence: str
    width: str
    mel_offset: int = 0
    mel_spec: str = "wav2lip-16k-80x16"

    def as_text(self, precision: str) -> dict[str, str]:
        """Give every key of the contract as text.

        Args:
            precision: ``f32`` or ``int8``.
        """
        return {
            "role": "generator",
            "name": self.name,
            "layout": self.layout,
            "crop_size": str(CROP_SIZE),
            "mel_spec": self.mel_spec,
            "mel_offset": str(self.mel_offset),
            "colour": "BGR",
            "precision": precision,
            "checkpoint_sha256": self.checkpoint_sha256,
            "licence": self.licence,
            "width": self.width,
        }


def export_generator(network: nn.Module, metadata: GeneratorMetadata) -> ov.Model:
    """Write a generator as an OpenVINO model.

    Args:
        network: ``Wav2Lip`` with its weights.
        metadata: What to record about it.

    Returns:
        A model with inputs ``face`` (uint8 ``(n, 96, 96, 3)`` BGR) and ``mel`` (float32
        ``(n, 80, 16)``) and output ``mouth`` (uint8 ``(n, 96, 96, 3)``). The face encoder's levels
        are named ``feature_0`` ..., the decoder's joins ``concat_0`` ...: ``concat_i`` joins the
        output of decoder level i and ``feature_{6-i}``.
    """
    face = ops.parameter([_DYNAMIC, CROP_SIZE, CROP_SIZE, 3], np.uint8, name="face")
    mel = ops.parameter([_DYNAMIC, *MEL_SHAPE], np.float32, name="mel")
    features = []
    x = _face_input(face)
    for level in range(LEVELS):
        x = named(apply_layers(x, network, f"face_encoder_blocks.{level}"), f"feature_{level}")
        features.append(x)
    x = apply_layers(ops.unsqueeze(mel, np.int64(1)), network, "audio_encoder")
    for level in range(LEVELS):
        x = apply_layers(x, network, f"face_decoder_blocks.{level}")
        x = named(ops.concat([x, features.pop()], 1), f"concat_{level}")
    x = apply_layers(x, network, "output_block")
    model = ov.Model([_mouth_output(x)], [face, mel], metadata.name)
    for port in model.inputs:
        port.set_names({port.get_node().friendly_name})
    number_nodes(model)
    write_metadata(model, metadata.as_text("f32"))
    return model


def _face_input(face: Node) -> Node:
    """Blank, join and scale: uint8 NHWC to float NCHW with six channels in [0, 1]."""
    whole = ops.divide(ops.convert(face, np.float32), np.float32(255.0), name="input_scale")
    whole = ops.transpose(whole, np.array([0, 3, 1, 2], np.int64))
    kept = np.ones((1, 1, CROP_SIZE, 1), np.float32)
    kept[:, :, FIRST_BLANK_ROW:] = 0.0
    blanked = ops.multiply(whole, kept, name="input_blank")
    return ops.concat([blanked, whole], axis=1, name="input_joined")


def _mouth_output(x: Node) -> Node:
    """Scale, round to nearest, clip and lay out: float NCHW in [0, 1] to uint8 NHWC."""
    x = ops.multiply(x, np.float32(255.0), name="output_scale")
    x = ops.round(x, "half_to_even")
    x = ops.transpose(ops.clamp(x, 0.0, 255.0), np.array([0, 2, 3, 1], np.int64))
    return named(ops.convert(x, np.uint8), "mouth")
