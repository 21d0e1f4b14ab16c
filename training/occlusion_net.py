"""A small network that finds what is in front of a face, and its training."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from runtime.types import CROP_SIZE, Frame, Mask
from training.corpus import Corpus
from training.occluders import SIDE, disguise, occlude
from training.turning import MeshWithDepth, turned_faces

logger = logging.getLogger(__name__)

#: Share of the pictures with something in front of the face.
OCCLUDED = 0.5
#: Share of them, and of the others, with a beard or shadow that is no occlusion.
DISGUISED = 0.45
#: Side of the face box in the pictures.
_BOX = SIDE / 1.35


class OcclusionNet(nn.Module):
    """A crop in, the share that is covered out, at half the size."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = _Level(3, 12, 2)
        self.quarters = nn.Sequential(_Level(12, 16, 2), _Level(16, 24, 1))
        self.eighths = nn.Sequential(_Level(24, 32, 2), _Level(32, 32, 1))
        self.deepest = nn.Sequential(_Level(32, 48, 2), _Level(48, 48, 1), _Level(48, 48, 1))
        self.up_eighths = _Level(48 + 32, 32, 1)
        self.up_quarters = _Level(32 + 24, 16, 1)
        self.up_halves = _Level(16 + 12, 8, 1)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, crops: Tensor) -> Tensor:
        """Find occlusions.

        Args:
            crops: ``(n, 3, 96, 96)``, BGR, [0, 1].

        Returns:
            Logits ``(n, 1, 48, 48)``.
        """
        halves = self.halves(crops * 2 - 1)
        quarters = self.quarters(halves)
        eighths = self.eighths(quarters)
        merged = self.up_eighths(_joined(self.deepest(eighths), eighths))
        merged = self.up_quarters(_joined(merged, quarters))
        merged = self.up_halves(_joined(merged, halves))
        found: Tensor = self.head(merged)
        return found


def clean_faces(data: Corpus, *, per_clip: int = 3) -> NDArray[np.uint8]:
    """Give some frames of every clip, ``(n, 128, 128, 3)``: faces with nothing in front."""
    faces = []
    for entry in data.entries:
        frames = data.read(entry).frames
        faces += [frames[i] for i in np.linspace(0, len(frames) - 1, per_clip).astype(int)]
    return np.stack(faces)


def with_turned(
    faces: NDArray[np.uint8], mesh: MeshWithDepth, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add every face turned aside; what beards and shadows it is given turn with it."""
    worn = [disguise(face, rng) if rng.random() < DISGUISED else face for face in faces]
    return np.concatenate([faces, turned_faces(np.stack(worn), mesh, rng)])


def train_occlusion_net(
    faces: NDArray[np.uint8],
    steps: int,
    *,
    batch: int = 32,
    seed: int = 0,
    rate: float = 3e-3,
) -> OcclusionNet:
    """Train on faces with and without something in front of them.

    Args:
        faces: uint8 ``(n, 128, 128, 3)`` BGR, nothing in front, the face box in the middle.
        steps: Steps to make.
        batch: Pictures a step.
        seed: Of everything that is drawn.
        rate: Highest learning rate.
    """
    torch.manual_seed(seed)
    net = OcclusionNet()
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=max(steps, 2))
    batches = occluded_batches(faces, batch, np.random.default_rng(seed))
    average = 0.0
    for step in range(steps):
        crops, covers = next(batches)
        loss = _loss(net(crops), covers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch stub
        optimiser.step()
        schedule.step()
        average = 0.98 * average + 0.02 * loss.item() if step else loss.item()
        if step % 50 == 0:
            logger.info("step %d of %d, loss %.4f", step, steps, average)
    net.eval().requires_grad_(False)
    return net


def export_occlusion_net(net: OcclusionNet, path: Path) -> None:
    """Write the weights the engine takes: normalisation folded in, half precision."""
    arrays: dict[str, Tensor] = {}
    for name, module in net.named_modules():
        if isinstance(module, _Level):
            place = name.replace(".", "")
            arrays[f"{place}.weight"], arrays[f"{place}.bias"] = module.folded()
    arrays |= {f"head.{name}": value for name, value in net.head.state_dict().items()}
    halves = {name: array.detach().numpy().astype(np.float16) for name, array in arrays.items()}
    with path.open("wb") as target:
        np.savez_compressed(target, allow_pickle=False, **halves)


def occluded_batches(
    faces: NDArray[np.uint8], size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield crops ``(n, 3, 96, 96)`` in [0, 1] and their covers ``(n, 1, 48, 48)``, endlessly."""
    while True:
        pairs = [_sample(faces, rng) for _ in range(size)]
        crops = torch.from_numpy(np.stack([crop for crop, _ in pairs])).permute(0, 3, 1, 2)
        covers = torch.from_numpy(np.stack([cover for _, cover in pairs]))[:, None]
        yield crops.float() / 255, functional.avg_pool2d(covers, 2)


def _sample(faces: NDArray[np.uint8], rng: np.random.Generator) -> tuple[Frame, Mask]:
    picture = faces[rng.integers(len(faces))]
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    if rng.random() < DISGUISED:
        picture = disguise(picture, rng)
    cover = np.zeros((SIDE, SIDE), np.float32)
    if rng.random() < OCCLUDED:
        picture, cover = occlude(picture, faces, rng)
    view = _view(rng)
    size_wh = (CROP_SIZE, CROP_SIZE)
    edge = cv2.BORDER_REPLICATE
    crop = cv2.warpAffine(picture, view, size_wh, flags=cv2.INTER_AREA, borderMode=edge)
    seen = cv2.warpAffine(cover, view, size_wh, borderMode=edge)
    return _recoloured(np.asarray(crop, np.uint8), rng), np.asarray(seen, np.float32)


def _view(rng: np.random.Generator) -> NDArray[np.float64]:
    """Give a map from picture to crop, a little off the face box as tracked ones are."""
    scale = CROP_SIZE / _BOX * rng.normal(1, 0.05)
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.normal(0, 5), scale)
    turn[0] *= rng.normal(1, 0.05)
    turn[:, 2] = CROP_SIZE / 2 - turn[:, :2] @ np.full(2, SIDE / 2) + rng.normal(0, 2.5, 2)
    return np.asarray(turn, np.float64)


def _recoloured(crop: Frame, rng: np.random.Generator) -> Frame:
    """Change light, colours, sharpness and noise as cameras and codecs do."""
    if rng.random() < 0.3:
        crop = _painted(crop, rng)
    picture = crop.astype(np.float32)
    grey = picture.mean(-1, keepdims=True)
    vividness = 0.0 if rng.random() < 0.12 else rng.uniform(0.5, 1.7)
    picture = grey + np.float32(vividness) * (picture - grey)
    picture = 255 * np.clip(picture / 255, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.25)))
    picture = picture * rng.normal(1, 0.12) * rng.normal(1, 0.05, 3).astype(np.float32)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.3))
    picture = picture + rng.standard_normal(picture.shape, np.float32) * rng.uniform(0, 7)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _painted(crop: Frame, rng: np.random.Generator) -> Frame:
    """Smooth a face as painters and renderers do: without pores, with its contours."""
    if rng.random() < 0.5:
        return np.asarray(cv2.medianBlur(crop, int(rng.choice([3, 5]))), np.uint8)
    colour, space = rng.uniform(20, 90), rng.uniform(2, 5)
    return np.asarray(cv2.bilateralFilter(crop, 7, colour, space), np.uint8)


def _loss(found: Tensor, covers: Tensor) -> Tensor:
    """Weigh every pixel, and the overlap of every picture that has something in front."""
    pixels = functional.binary_cross_entropy_with_logits(found, covers, weight=_weight())
    share = found.sigmoid()
    common = (share * covers).sum((1, 2, 3))
    overlap = 1 - (2 * common + 1) / ((share + covers).sum((1, 2, 3)) + 1)
    has_thing = (covers.amax((1, 2, 3)) > 0.5).float()
    return pixels + 0.3 * (overlap * has_thing).sum() / has_thing.sum().clamp_min(1)


@lru_cache(maxsize=1)
def _weight() -> Tensor:
    """Make the lower face count most: beyond it nothing is ever pasted."""
    rows, columns = np.mgrid[:48, :48] + 0.5
    inside = np.hypot((columns - 24) / 22, (rows - 32) / 19) < 1
    return torch.from_numpy(np.where(inside, 1.0, 0.25).astype(np.float32))


class _Level(nn.Sequential):
    """Convolution, normalisation, rectifier."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(outputs), nn.ReLU())

    def folded(self) -> tuple[Tensor, Tensor]:
        """Give weight and bias of one convolution that does the normalisation too."""
        state = self.state_dict()
        gain = state["1.weight"] / (state["1.running_var"] + 1e-5).sqrt()
        bias = state["1.bias"] - state["1.running_mean"] * gain
        return state["0.weight"] * gain[:, None, None, None], bias


def _joined(coarse: Tensor, fine: Tensor) -> Tensor:
    larger = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
    return torch.cat([larger, fine], 1)
