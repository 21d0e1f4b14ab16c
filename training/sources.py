"""Mouths for the evaluation: drawn by an OpenVINO network or by a checkpoint in training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.faces.mesh_points import typical_landmarks
from runtime.generator import Generator
from runtime.host import HostPlan, Precision
from runtime.models import file_sha256
from runtime.network import read_facts
from runtime.planes import to_planes
from runtime.types import (
    CROP_SIZE,
    FaceBox,
    MelSpectrogram,
    MouthCrop,
    ReferenceFrame,
)
from training.cases import Case
from training.corpus import mel_chunks

if TYPE_CHECKING:
    from training.evaluation import MouthSource
    from training.network import TrainedNetwork


def mouths_of(path: Path, models_dir: Path, *, threads: int = 2) -> MouthSource:
    """Open a network (INT8 when its name ends so) or a weights file.

    Args:
        path: Of a generator, or of a network that hears lips, which ``warp`` makes visible.
        models_dir: Folder with the face networks, for ``warp``.
        threads: Threads to use.
    """
    if path.suffix == ".safetensors":
        from training.network import TrainedNetwork

        return CheckpointMouths(TrainedNetwork.load(path), path.stem)
    if read_facts(path).get("role") == "lips":
        from training.mesh_tracking import MeshTracker
        from training.warped_mouths import WarpedMouths

        model = NetworkFile(path, file_sha256(path, path.with_suffix(".bin")))
        return WarpedMouths(model, MeshTracker(models_dir), threads=threads)
    precision: Precision = "int8" if path.stem.endswith("-int8") else "f32"
    return GeneratorMouths(path, precision=precision, threads=threads)


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """An IR and its digest."""

    path: Path
    sha256: str


class GeneratorMouths:
    """Mouths from an IR, through the same engine that serves it."""

    def __init__(self, path: Path, *, precision: Precision = "f32", threads: int = 2) -> None:
        """Compile.

        Args:
            path: The ``.xml``.
            precision: How to compute; ``int8`` for a quantized network.
            threads: Threads to use.
        """
        plan = HostPlan(precision=precision, threads=threads, batch=8)
        model = NetworkFile(path, file_sha256(path, path.with_suffix(".bin")))
        self._generator = Generator(model, plan)
        self.name = f"{path.stem} ({precision})"

    def draw(self, case: Case, mel: MelSpectrogram) -> MouthCrop:
        """Draw a case's mouths, see ``evaluation.MouthSource``."""
        crop = case.crop
        chunks = mel_chunks(mel, range(len(case.goal)), self._generator.mel_offset)
        whole = FaceBox(0, 0, CROP_SIZE, CROP_SIZE)
        reference = ReferenceFrame(0, to_planes(crop), whole, 0.0, crop, typical_landmarks(whole))
        return np.stack(list(self._generator.generate((reference, chunk) for chunk in chunks)))


class CheckpointMouths:
    """Mouths from a network with its weights, in torch."""

    def __init__(self, network: TrainedNetwork, name: str = "checkpoint") -> None:
        self._network = network
        self.name = name

    def draw(self, case: Case, mel: MelSpectrogram) -> MouthCrop:
        """Draw a case's mouths, see ``evaluation.MouthSource``."""
        chunks = mel_chunks(mel, range(len(case.goal)), self._network.mel_offset)
        return self._network.draw(case.crop, chunks)
