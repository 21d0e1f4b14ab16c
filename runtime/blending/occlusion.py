"""Find what is in front of a face - a hand, a microphone, a cup - so that it stays in front.

A small network of our own (``training/occlusion_net.py``) looks at the crop once, when the avatar
is prepared. It was trained on drawn things of any shape, colour and texture over real pictures of
faces, half of them turned aside, and on beards, shadows and odd light that are in front of nothing.
"""

import hashlib
import io
from functools import lru_cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from runtime.blending.lips import Points
from runtime.blending.masks import lower_face_mask
from runtime.blending.options import BlendOptions
from runtime.faces.compiled import FaceNetwork
from runtime.types import COVER_SIZE, CROP_SIZE, Cover, FaceCrop, Mask

#: The network was built from these blocks, in this order; name, stride.
_DOWN = (("halves", 2),), (("quarters0", 2), ("quarters1", 1)), (("eighths0", 2), ("eighths1", 1))
_DEEPEST = (("deepest0", 2), ("deepest1", 1), ("deepest2", 1))
_UP = ("up_eighths", "up_quarters", "up_halves")
#: A face whose eyes and forehead seem covered by more than this is none the network knows: flat
#: drawings, say. On photographs, paintings and renderings this share is below 0.1.
STRANGE = 0.5
_UPPER_FACE = (slice(6, 20), slice(8, 40))
#: A thing is believed when the network is this sure of some part of it: on 138 clean pictures and
#: frames, 96 of them of turned heads, it never was surer than 0.86, on 750 with a hand, microphone
#: or cup in front less than 0.99 once.
SURE = 0.97
#: ... and when all around it that is at least this likely ...
LIKELY = 0.35
#: ... covers this many of the 48 x 48 parts of a crop ...
LEAST_PARTS = 8
#: ... where the weight of a mouth is above this.
MOUTH_AREA = 0.25


def find_cover(crop: FaceCrop, points: Points) -> Cover:
    """Tell which part of a face is covered.

    Args:
        crop: uint8 ``(96, 96, 3)`` BGR, upright.
        points: Its face mesh in crop pixels, ``(468, 2)``.

    Returns:
        uint8 ``(48, 48)``: how much of each two by two pixels of the lower face is covered; all
        0 where nothing certain is in front.
    """
    share = _network()(crop[None])[0].reshape(COVER_SIZE, COVER_SIZE)
    # Most faces end here: without a sure pixel no part can be certain.
    if not (share > SURE).any() or (share[_UPPER_FACE] > 0.5).mean() > STRANGE:
        return np.zeros((COVER_SIZE, COVER_SIZE), np.uint8)
    return certain_parts(share, _small(lower_face_mask(points, BlendOptions())) > MOUTH_AREA)


@lru_cache(maxsize=1)
def _network() -> FaceNetwork:
    """Load the network once, when the first face is looked at."""
    content = (files("runtime.blending") / "occlusion.npz").read_bytes()
    return FaceNetwork(_build(content), hashlib.sha256(content).hexdigest())


def certain_parts(share: Mask, mouth: NDArray[np.bool_]) -> Cover:
    """Keep what hangs together with something certain in front of the mouth's surroundings.

    Args:
        share: What the network believes, ``(48, 48)``, 0 to 1.
        mouth: Where something must be to matter, ``(48, 48)``.

    Returns:
        uint8 ``(48, 48)``, 255 is covered.
    """
    count, parts = cv2.connectedComponents((share > LIKELY).astype(np.uint8))
    certain = np.zeros(count, np.bool_)
    certain[np.unique(parts[mouth & (share > SURE)])] = True
    certain &= np.bincount(parts[mouth], minlength=count) >= LEAST_PARTS
    # Full from a likely half on: a thing in front is no glass.
    level = np.clip((share - LIKELY / 2) / (0.5 - LIKELY / 2), 0, 1)
    around = cv2.dilate(certain[parts].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.asarray(np.rint(255 * level * around), np.uint8)


def _small(mask: Mask) -> Mask:
    size = (COVER_SIZE, COVER_SIZE)
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32)


def _build(content: bytes) -> ov.Model:
    """Build the network from its weights; normalisation is folded into them."""
    arrays = {name: array.astype(np.float32) for name, array in _stored(content).items()}

    def level(signal: Any, name: str, stride: int = 1) -> Any:
        sides = ([1, 1], [1, 1])
        weight, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        summed = op.convolution(signal, op.constant(weight), [stride] * 2, *sides, [1, 1])
        return op.relu(op.add(summed, op.constant(bias.reshape(1, -1, 1, 1))))

    pictures = op.parameter([1, CROP_SIZE, CROP_SIZE, 3], np.uint8)
    signal = op.transpose(op.convert(pictures, np.float32), op.constant(np.array([0, 3, 1, 2])))
    signal = op.subtract(op.multiply(signal, op.constant(np.float32(2 / 255))), np.float32(1))
    skipped = []
    for blocks in _DOWN:
        for name, stride in blocks:
            signal = level(signal, name, stride)
        skipped.append(signal)
    for name, stride in _DEEPEST:
        signal = level(signal, name, stride)
    for name, finer in zip(_UP, reversed(skipped), strict=True):
        signal = level(op.concat([_doubled(signal), finer], 1), name)
    weight, bias = arrays["head.weight"], arrays["head.bias"]
    summed = op.convolution(signal, op.constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
    share = op.sigmoid(op.add(summed, op.constant(bias.reshape(1, -1, 1, 1))))
    return ov.Model([share], [pictures], "occlusion")


def _stored(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as weights:
        return {name: weights[name] for name in weights.files}


def _doubled(signal: Any) -> Any:
    """Repeat every row and column."""
    return op.interpolate(
        signal,
        op.constant(np.array([2, 2], np.float32)),
        "nearest",
        "scales",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
        axes=op.constant(np.array([2, 3])),
    )
