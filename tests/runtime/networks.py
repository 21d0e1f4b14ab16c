"""Random full-depth generators, thin enough to compile in a blink."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runtime.generator import Generator
from runtime.host import HostPlan
from runtime.network import Network
from runtime.types import FaceBox, ReferenceFrame

PLAN = HostPlan(precision="f32", streams=1, threads=1, batch=3)


@dataclass(frozen=True)
class Stored:
    """A network on disk as ``Generator`` takes it."""

    path: Path
    sha256: str = "5" * 64


def inputs(count=3, seed=0):
    """Random crops and mel chunks."""
    rng = np.random.default_rng(seed)
    crops = rng.integers(0, 256, (count, 96, 96, 3), np.uint8)
    return crops, rng.uniform(-4, 4, (count, 80, 16)).astype(np.float32)


def reference(crop, index=0, features=None):
    """A reference frame that is all face."""
    return ReferenceFrame(
        index=index,
        planes=np.zeros((144, 96), np.uint8),
        box=FaceBox(0, 0, 96, 96),
        angle=0.0,
        crop=crop,
        landmarks=np.zeros((468, 2), np.float32),
        features=features,
    )


def run(model, *arrays, batch=None):
    """Compile and infer once."""
    return Network(model, PLAN, batch=batch).infer(*arrays)


def difference(a, b):
    """Largest difference in levels."""
    return int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max())


def noted(items, log):
    """Yield items, writing each into a list when it is pulled."""
    for item in items:
        log.append(item)
        yield item


class CountingGenerator(Generator):
    """Counts the mouths it is asked for."""

    asked = 0

    def generate(self, pairs):
        def counted():
            for pair in pairs:
                self.asked += 1
                yield pair

        return super().generate(counted())
