"""The generator's topology at any width with random weights, as an OpenVINO graph.

Speed and exactness do not depend on the weights, so measurements and tests of the full-size
network need no checkpoint. Channel counts: Wav2Lip, Prajwal et al. 2020.
"""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as ops

_FACE = (16, 32, 64, 128, 256, 512, 512)
_AUDIO = (32, 64, 128, 256, 512)
_DECODER = (512, 512, 384, 256, 128, 64)
_OUT = 32
_RESIDUALS = (0, 2, 3, 2, 2, 1)


class _Layers:
    """Convolution layers with random weights that keep activations near one."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def convolution(
        self, x: ov.Output, channels: int, kernel: int, strides: Sequence[int], pad: int
    ) -> ov.Output:
        inputs = x.get_partial_shape()[1].get_length()
        weights = self._weights((channels, inputs, kernel, kernel), inputs * kernel * kernel)
        y = ops.convolution(x, weights, list(strides), [pad, pad], [pad, pad], [1, 1])
        return self._biased(y.output(0), channels)

    def transposed(self, x: ov.Output, channels: int, stride: int) -> ov.Output:
        inputs = x.get_partial_shape()[1].get_length()
        weights = self._weights((inputs, channels, 3, 3), inputs * 9 // stride**2)
        pad = stride - 1
        y = ops.convolution_backprop_data(
            x,
            weights,
            strides=[stride, stride],
            pads_begin=[pad, pad],
            pads_end=[pad, pad],
            dilations=[1, 1],
            output_padding=[pad, pad],
        )
        return self._biased(y.output(0), channels)

    def block(
        self, x: ov.Output, channels: int, kernel: int = 3, stride: int = 1, pad: int = 1
    ) -> ov.Output:
        y = self.convolution(x, channels, kernel, (stride, stride), pad)
        return ops.relu(y).output(0)

    def residuals(self, x: ov.Output, count: int) -> ov.Output:
        channels = x.get_partial_shape()[1].get_length()
        for _ in range(count):
            y = self.convolution(x, channels, 3, (1, 1), 1)
            x = ops.relu(ops.add(y, x)).output(0)
        return x

    def _weights(self, shape: tuple[int, ...], fan_in: int) -> ov.Output:
        values = self._rng.standard_normal(shape) * np.sqrt(1.6 / max(fan_in, 1))
        return ops.constant(values.astype(np.float32)).output(0)

    def _biased(self, y: ov.Output, channels: int) -> ov.Output:
        bias = self._rng.standard_normal((1, channels, 1, 1)).astype(np.float32) * 0.1
        return ops.add(y, ops.constant(bias)).output(0)


def random_generator(
    width: float = 1.0, audio_width: float | None = None, seed: int = 0
) -> ov.Model:
    """Build a generator with random weights and the graph contract of ``convert``.

    Args:
        width: Multiplier of the face encoder's and decoder's channel counts.
        audio_width: Multiplier of the audio encoder's; ``None`` for ``width``.
        seed: Seed of the weights.

    Returns:
        Inputs ``face`` uint8 ``(N, 96, 96, 3)`` and ``mel`` float32 ``(N, 80, 16)``; output
        ``mouth`` uint8 ``(N, 96, 96, 3)``; nodes ``feature_0..6`` and ``concat_0..6``.
    """
    layers = _Layers(seed)
    face = ops.parameter([-1, 96, 96, 3], np.uint8, name="face")
    mel = ops.parameter([-1, 80, 16], np.float32, name="mel")
    features = _face_encoder(layers, _blanked_and_whole(face.output(0)), width)
    voice = _audio_encoder(layers, mel.output(0), audio_width or width)
    picture = _decoder(layers, voice, features, width)
    model = ov.Model([_to_bytes(picture)], [face, mel], "random_generator")
    model.output(0).get_tensor().set_names({"mouth"})
    _describe(model, width)
    return model


def _channels(counts: Sequence[int], width: float, floor: int = 8) -> list[int]:
    return [max(floor, int(count * width)) for count in counts]


def _scalar(value: float) -> ov.Output:
    return ops.constant(np.float32(value)).output(0)


def _blanked_and_whole(face: ov.Output) -> ov.Output:
    planes = ops.transpose(ops.convert(face, np.float32), ops.constant(np.array([0, 3, 1, 2])))
    whole = ops.multiply(planes, _scalar(1 / 255))
    upper: NDArray[np.float32] = (np.arange(96) < 48).astype(np.float32)[None, None, :, None]
    blanked = ops.multiply(whole, ops.constant(upper))
    pair = ops.concat([blanked, whole], 1)
    pair.set_friendly_name("face_pair")
    return pair.output(0)


def _face_encoder(layers: _Layers, x: ov.Output, width: float) -> list[ov.Output]:
    channels = _channels(_FACE, width)
    x = layers.block(x, channels[0], 7, 1, 3)
    features = [x]
    for count, residuals in zip(channels[1:6], _RESIDUALS[1:], strict=True):
        x = layers.residuals(layers.block(x, count, 3, 2, 1), residuals)
        features.append(x)
    x = layers.block(layers.block(x, channels[6], 3, 1, 0), channels[6], 1, 1, 0)
    features.append(x)
    for level, feature in enumerate(features):
        feature.get_node().set_friendly_name(f"feature_{level}")
    return features


def _audio_encoder(layers: _Layers, mel: ov.Output, width: float) -> ov.Output:
    channels = _channels(_AUDIO, width)
    plane = ops.unsqueeze(mel, ops.constant(np.array([1])))
    plane.set_friendly_name("mel_plane")
    x = layers.residuals(layers.block(plane.output(0), channels[0]), 2)
    for count, strides, residuals in (
        (channels[1], (3, 1), 2),
        (channels[2], (3, 3), 2),
        (channels[3], (3, 2), 1),
    ):
        x = ops.relu(layers.convolution(x, count, 3, strides, 1)).output(0)
        x = layers.residuals(x, residuals)
    x = layers.block(x, channels[4], 3, 1, 0)
    return layers.block(x, channels[4], 1, 1, 0)


def _decoder(
    layers: _Layers, voice: ov.Output, features: list[ov.Output], width: float
) -> ov.Output:
    channels = _channels(_DECODER, width, floor=16)
    x = layers.block(voice, voice.get_partial_shape()[1].get_length(), 1, 1, 0)
    for level, feature in enumerate(reversed(features)):
        joined = ops.concat([x, feature], 1)
        joined.set_friendly_name(f"concat_{level}")
        if level == len(channels):
            break
        y = layers.transposed(joined.output(0), channels[level], 1 if level == 0 else 2)
        x = layers.residuals(ops.relu(y).output(0), 1 if level == 0 else 2)
    x = layers.block(joined.output(0), max(16, int(_OUT * width)))
    logits = ops.multiply(layers.convolution(x, 3, 1, (1, 1), 0), _scalar(0.1))
    return ops.sigmoid(logits).output(0)


def _to_bytes(picture: ov.Output) -> ov.Node:
    scaled = ops.round(ops.multiply(picture, _scalar(255)), "half_to_even")
    pixels = ops.convert(ops.clamp(scaled, 0.0, 255.0), np.uint8)
    mouth = ops.transpose(pixels, ops.constant(np.array([0, 2, 3, 1])))
    mouth.set_friendly_name("mouth")
    return mouth


def _describe(model: ov.Model, width: float) -> None:
    facts = {
        "schema": "1",
        "role": "generator",
        "name": "random",
        "layout": "wav2lip",
        "crop_size": "96",
        "mel_spec": "wav2lip-16k-80x16",
        "mel_offset": "0",
        "colour": "BGR",
        "precision": "f32",
        "checkpoint_sha256": "0" * 64,
        "licence": "none",
        "width": str(width),
    }
    for key, value in facts.items():
        model.set_rt_info(value, ["mouthpiece", key])
