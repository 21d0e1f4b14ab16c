"""Toy face networks: a red square is a face, its mesh a typical one of the square's size."""

from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from runtime.faces import mesh_points
from runtime.types import FaceBox


def save(model: ov.Model, path: Path, role: str) -> Path:
    for key, value in {"schema": "1", "role": role, "name": "toy"}.items():
        model.set_rt_info(value, ["mouthpiece", key])
    ov.save_model(model, path, compress_to_fp16=False)
    return path


def redness(image: ov.Node) -> ov.Node:
    """1 where float RGB pixels are red, else 0: ``(1, h, w, 1)``."""
    red, green, _ = ops.split(image, np.int64(3), 3).outputs()
    is_red = ops.greater(ops.subtract(red, green), np.float32(0.4))
    return ops.convert(is_red, np.float32)


def blazeface(path: Path) -> Path:
    """Fires at the anchors whose cell is red; every box is 40 input pixels wide."""
    image = ops.parameter([1, 128, 128, 3], np.float32, name="input")
    planes = ops.transpose(redness(image), np.array([0, 3, 1, 2]))
    scores = []
    for step, repeats in ((8, 2), (16, 6)):
        cells = ops.avg_pool(planes, [step, step], [0, 0], [0, 0], [step, step], True)
        flat = ops.reshape(cells, np.array([1, -1, 1]), False)
        scores.append(ops.reshape(ops.tile(flat, [1, 1, repeats]), np.array([1, -1, 1]), False))
    logits = ops.multiply(ops.subtract(ops.concat(scores, 1), np.float32(0.5)), np.float32(12))
    offsets = np.zeros((1, 896, 16), np.float32)
    offsets[..., 2:4] = 40
    offsets[..., 4:8] = (-8, -8, 8, -8)
    model = ov.Model([ops.constant(offsets), logits], [image], "toy-blazeface")
    return save(model, path, "detector")


def facemesh(path: Path) -> Path:
    """Centres a typical mesh on the red pixels; the score says whether there are any."""
    image = ops.parameter([1, 192, 192, 3], np.float32, name="input")
    red = ops.reshape(redness(image), np.array([192, 192]), False)
    count = ops.reduce_sum(red, np.array([0, 1]), keep_dims=False)
    total = ops.maximum(count, np.float32(1))
    y, x = np.mgrid[0:192, 0:192].astype(np.float32)
    centre = [
        ops.divide(ops.reduce_sum(ops.multiply(red, axis), np.array([0, 1]), False), total)
        for axis in (x, y)
    ]
    typical = mesh_points.typical_landmarks(FaceBox(0, 0, 1000, 1000)) / 1000 - 0.5
    side = ops.sqrt(total)
    columns = [
        ops.add(ops.multiply(side, np.ascontiguousarray(typical[:, axis])), centre[axis])
        for axis in (0, 1)
    ]
    depth = ops.constant(np.zeros((468, 1), np.float32))
    points = ops.concat([*(ops.unsqueeze(column, np.int64(1)) for column in columns), depth], 1)
    points = ops.reshape(points, np.array([1, 1, 1, 1404]), False)
    logit = ops.reshape(ops.subtract(count, np.float32(300)), np.array([1, 1, 1, 1]), False)
    return save(ov.Model([points, logit], [image], "toy-facemesh"), path, "landmarks")


LIPS = (61, 291, 13, 14, 78, 308)


def attention_trunk(path: Path, mesh: np.ndarray) -> Path:
    """Always reads the same mesh; its features are zeros."""
    image = ops.parameter([1, 192, 192, 3], np.float32, name="input")
    nothing = ops.multiply(ops.reduce_mean(image, np.array([0, 1, 2, 3]), False), np.float32(0))
    points = np.concatenate([mesh, np.zeros((468, 1), np.float32)], axis=1).reshape(1, 1, 1, -1)
    outputs = [
        ops.add(ops.constant(points.astype(np.float32)), nothing),
        ops.constant(np.full((1, 1, 1, 1), 9, np.float32)),
        ops.constant(np.zeros((1, 48, 48, 32), np.float32)),
    ]
    return save(ov.Model(outputs, [image], "toy-trunk"), path, "landmarks")


def attention_lips(path: Path, place: tuple[float, float]) -> Path:
    """Puts every point of the lips at one place of its crop, 0 to 1 across."""
    crop = ops.parameter([1, 16, 16, 32], np.float32, name="crop")
    nothing = ops.multiply(ops.reduce_mean(crop, np.array([0, 1, 2, 3]), False), np.float32(0))
    points = np.tile(np.array(place, np.float32) * 64, (len(LIPS), 1)).reshape(1, 1, 1, -1)
    model = ov.Model([ops.add(ops.constant(points), nothing)], [crop], "toy-lips")
    facts = {
        "points": " ".join(map(str, LIPS)),
        "rotation_points": "61 291",
        "scale": "1.5",
        "crop": "16",
        "features_per_pixel": "0.25",
    }
    for key, value in facts.items():
        model.set_rt_info(value, ["mouthpiece", key])
    return save(model, path, "landmarks")
