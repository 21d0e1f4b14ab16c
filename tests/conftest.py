"""Tiny real objects that many tests share: a network, an avatar, sounds."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import runtime  # noqa: F401 - first: it keeps OpenVINO from sending telemetry

# isort: split

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from convert.ir import write_metadata
from runtime.host import HostPlan
from runtime.types import FaceBox, ReferenceFrame, Waveform
from runtime.video import to_planes

SHARED = Path(os.environ.get("MOUTHPIECE_SHARED", Path(__file__).parents[2] / "shared"))
TOY_METADATA = {
    "schema": "1",
    "role": "generator",
    "name": "toy",
    "layout": "wav2lip",
    "crop_size": "96",
    "mel_spec": "wav2lip-16k-80x16",
    "mel_offset": "0",
    "colour": "BGR",
    "precision": "f32",
    "licence": "Apache-2.0",
}


@dataclass(frozen=True)
class ToyModelFile:
    """A network on disk as ``Generator`` takes it."""

    path: Path
    sha256: str = "0" * 64


def toy_generator(**metadata: str) -> ov.Model:
    """Build a network that obeys the generator contract: the louder, the brighter the mouth.

    Silence (mel of -4) returns the crop as it is; every unit of mean mel above it adds 20 levels to
    rows 60 to 80, columns 30 to 66.
    """
    face = ops.parameter([-1, 96, 96, 3], np.uint8, name="face")
    mel = ops.parameter([-1, 80, 16], np.float32, name="mel")
    planes = ops.transpose(ops.convert(face, np.float32), ops.constant([0, 3, 1, 2]))
    feature = ops.multiply(planes, ops.constant(np.float32(0.5)))
    feature.set_friendly_name("feature_0")
    loudness = ops.reduce_mean(mel, ops.constant([1, 2]), keep_dims=True)
    loudness = ops.unsqueeze(ops.add(loudness, ops.constant(np.float32(4.0))), ops.constant([3]))
    where = np.zeros((1, 1, 96, 96), np.float32)
    where[..., 60:80, 30:66] = 20.0
    lit = ops.add(
        ops.multiply(feature, ops.constant(np.float32(2.0))),
        ops.multiply(loudness, ops.constant(where)),
    )
    rounded = ops.round(ops.clamp(lit, 0.0, 255.0))
    mouth = ops.convert(ops.transpose(rounded, ops.constant([0, 2, 3, 1])), np.uint8)
    model = ov.Model([ops.result(mouth, name="mouth")], [face, mel], "toy")
    model.input(0).set_names({"face"})
    model.input(1).set_names({"mel"})
    model.output(0).set_names({"mouth"})
    write_metadata(model, {**TOY_METADATA, **metadata})
    return model


@pytest.fixture(scope="session")
def toy_model_file(tmp_path_factory: pytest.TempPathFactory) -> ToyModelFile:
    """The toy network as IR files."""
    path = tmp_path_factory.mktemp("toy") / "toy.xml"
    ov.save_model(toy_generator(), path, compress_to_fp16=False)
    return ToyModelFile(path)


def toy_lips(*, around: int = 2, **metadata: str) -> ov.Model:
    """Build a network that obeys the contract of ``AudioLips``: the louder, the wider open.

    Silence (mel of -4) moves nothing; every unit of mean mel above it opens the lips by a
    twentieth of the mouth's width.
    """
    mel = ops.parameter([-1, 80, 16 + 2 * around], np.float32, name="mel")
    middle = ops.slice(
        mel, *(np.array([v], np.int64) for v in (around, 16 + around, 1)), np.array([2], np.int64)
    )
    loud = ops.reduce_mean(middle, ops.constant([1, 2]), keep_dims=True)
    loud = ops.unsqueeze(ops.add(loud, ops.constant(np.float32(4.0))), ops.constant([3]))
    opening = np.zeros((1, 4, 11, 2), np.float32)
    opening[0, 1::2, 1:-1, 1] = 0.05
    motion = ops.multiply(loud, ops.constant(opening))
    model = ov.Model([ops.result(motion, name="motion")], [mel], "toy_lips")
    facts = {"role": "lips", "mel_spec": "wav2lip-16k-80", "mel_offset": "0"}
    write_metadata(model, {**facts, **metadata})
    return model


@pytest.fixture(scope="session")
def toy_lips_file(tmp_path_factory: pytest.TempPathFactory) -> ToyModelFile:
    """The toy network that hears lips as IR files."""
    path = tmp_path_factory.mktemp("toy") / "toy-lips.xml"
    ov.save_model(toy_lips(), path, compress_to_fp16=False)
    return ToyModelFile(path, "1" * 64)


@pytest.fixture
def plan() -> HostPlan:
    """One stream, one thread: quick to compile."""
    return HostPlan(precision="f32", streams=1, threads=1, batch=4)


class ToyAvatar:
    """Reference frames in memory: flat grey pictures with a face in the middle."""

    def __init__(self, count: int = 1, *, fps: float = 25.0, without_face: tuple[int, ...] = ()):
        self.avatar_id = "toy"
        self.fps = fps
        self.size = (128, 160)
        self.has_alpha = False
        self.teeth_frame: ReferenceFrame | None = None
        self._frames = [toy_reference(i, has_face=i not in without_face) for i in range(count)]

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self, order: Iterator[int]) -> Iterator[ReferenceFrame]:
        return (self._frames[index] for index in order)


def toy_reference(index: int = 0, *, has_face: bool = True) -> ReferenceFrame:
    """A 128 x 160 frame whose grey level tells its index."""
    frame = np.full((128, 160, 3), 60 + 5 * (index % 20), np.uint8)
    box = FaceBox(40, 20, 120, 116)
    turn = np.linspace(0, 2 * np.pi, 468, endpoint=False)
    ring = np.stack([80 + 36 * np.cos(turn), 66 + 44 * np.sin(turn)], axis=1)
    return ReferenceFrame(
        index=index,
        planes=to_planes(frame),
        box=box,
        angle=0.0,
        crop=np.full((96, 96, 3), frame[0, 0, 0], np.uint8),
        landmarks=ring.astype(np.float32),
        has_face=has_face,
    )


def tone(seconds: float, *, hertz: float = 220.0, level: float = 0.3) -> Waveform:
    """A steady buzz with energy in every mel band, 16 kHz mono."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    breath = np.random.default_rng(0).normal(0, 0.5, len(time))
    buzz = np.sign(np.sin(2 * np.pi * hertz * time)) + breath
    return np.clip(level * buzz, -1, 1).astype(np.float32)


def silence(seconds: float) -> Waveform:
    """Digital silence, 16 kHz mono."""
    return np.zeros(round(seconds * 16_000), np.float32)


@pytest.fixture(scope="session", autouse=True)
def _own_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOUTHPIECE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield
