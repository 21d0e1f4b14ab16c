"""S3FD with weights to an OpenVINO model that takes uint8 BGR pictures of any size."""

import numpy as np
import openvino as ov
import openvino.opset13 as ops
from openvino import Node
from torch import nn

from convert.ir import write_metadata
from convert.layers import apply_layer, named, number_nodes
from convert.networks.s3fd import NORM_EPSILON, SOURCES, STAGES, ChannelNorm

#: Channel means, BGR, subtracted from every pixel: the public checkpoint's training.
CHANNEL_MEANS = (104.0, 117.0, 123.0)


def export_s3fd(network: nn.Module, *, name: str, checkpoint_sha256: str, licence: str) -> ov.Model:
    """Write S3FD as an OpenVINO model.

    Args:
        network: ``S3FD`` with its weights.
        name: Name to record.
        checkpoint_sha256: Hex digest of the checkpoint.
        licence: Licence of the weights.

    Returns:
        A model with input ``image`` (uint8 ``(n, h, w, 3)`` BGR) and twelve outputs, finest level
        first: ``score_i`` (float ``(n, h_i, w_i)``, probability of a face) and ``offset_i`` (float
        ``(n, 4, h_i, w_i)``, raw box offsets) for the strides 4, 8, 16, 32, 64 and 128 pixels.
    """
    image = ops.parameter([-1, -1, -1, 3], np.uint8, name="image")
    x = ops.subtract(ops.convert(image, np.float32), np.array(CHANNEL_MEANS, np.float32))
    x = ops.transpose(x, np.array([0, 3, 1, 2], np.int64))
    outputs = []
    for index, (level, (source, _)) in enumerate(zip(_levels(x, network), SOURCES, strict=True)):
        outputs += _heads(level, network, source, index)
    model = ov.Model(outputs, [image], name)
    model.input(0).set_names({"image"})
    number_nodes(model)
    metadata = {
        "role": "detector",
        "name": name,
        "layout": "s3fd",
        "crop_size": "0",
        "mel_spec": "",
        "mel_offset": "0",
        "colour": "BGR",
        "precision": "f32",
        "checkpoint_sha256": checkpoint_sha256,
        "licence": licence,
        "width": "1",
    }
    write_metadata(model, metadata)
    return model


def _levels(x: Node, network: nn.Module) -> list[Node]:
    levels = []
    for stage, (count, _) in enumerate(STAGES, start=1):
        for index in range(1, count + 1):
            x = ops.relu(_convolved(x, network, f"conv{stage}_{index}"))
        if stage >= 3:
            levels.append(_normalised(x, network.get_submodule(f"conv{stage}_{count}_norm")))
        x = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
    for pair in (("fc6", "fc7"), ("conv6_1", "conv6_2"), ("conv7_1", "conv7_2")):
        for name in pair:
            x = ops.relu(_convolved(x, network, name))
        levels.append(x)
    return levels


def _convolved(x: Node, network: nn.Module, name: str) -> Node:
    return apply_layer(x, network.get_submodule(name), name)


def _normalised(x: Node, norm: nn.Module) -> Node:
    if not isinstance(norm, ChannelNorm):
        raise TypeError(f"expected a channel norm, got {type(norm).__name__}")
    axis = np.array([1], np.int64)
    length = ops.sqrt(ops.reduce_sum(ops.multiply(x, x), axis, keep_dims=True))
    weight = norm.weight.detach().numpy().reshape(1, -1, 1, 1)
    return ops.multiply(ops.divide(x, ops.add(length, np.float32(NORM_EPSILON))), weight)


def _heads(x: Node, network: nn.Module, source: str, index: int) -> list[Node]:
    conf = _convolved(x, network, f"{source}_mbox_conf")
    classes = conf.output(0).partial_shape[1].get_length()
    parts = ops.variadic_split(conf, np.int64(1), np.array([classes - 1, 1], np.int64))
    axis = np.array([1], np.int64)
    background = ops.reduce_max(parts.output(0), axis, keep_dims=False)
    face = ops.squeeze(parts.output(1), axis)
    score = ops.sigmoid(ops.subtract(face, background))
    offset = _convolved(x, network, f"{source}_mbox_loc")
    return [named(score, f"score_{index}"), named(offset, f"offset_{index}")]
