"""Face-encoder features stored with an avatar, so that animating computes none."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_cache.bundle import Bundle
from avatar_cache.bundle_writer import BundleWriter
from avatar_cache.cached_avatar import CachedAvatar
from avatar_cache.members import MANIFEST, feature_name
from runtime.types import FaceCrop

#: Crops encoded at once.
BATCH = 16
#: Features larger than this in all are not stored: a minute of video at full size is 0.9 GB.
BUDGET_BYTES = 1 << 30


#: Values of a level read at once.
_BLOCK_VALUES = 1 << 18


class FeatureEncoder(Protocol):
    """The part of a generator that sees the face alone."""

    @property
    def digest(self) -> str:
        """Hex digest of the network: features of another network are of no use."""

    def encode(self, crops: Sequence[FaceCrop]) -> list[tuple[NDArray[Any], ...]]:
        """Compute the features of crops: one tuple of levels for each crop."""


def attach_features(
    source: Path, target: Path, encoder: FeatureEncoder, *, budget_bytes: int = BUDGET_BYTES
) -> bool:
    """Write a copy of an avatar file that holds a generator's features too.

    Args:
        source: Avatar file.
        target: The copy; temporary files appear beside it.
        encoder: Computes the features.
        budget_bytes: Store nothing when the features of all frames are larger.

    Returns:
        Whether ``target`` was written: not when the features are there already or too large.
    """
    with CachedAvatar(source) as avatar:
        if encoder.digest in avatar.manifest.features:
            return False
        (sample,) = encoder.encode([avatar.frame(0).crop])
        if sum(level.nbytes for level in sample) * len(avatar) > budget_bytes:
            return False
        levels = _spool(sample, _encoded(avatar.crops(), encoder), target)
    _rewrite(source, target, encoder.digest, levels)
    return True


class _Level(NamedTuple):
    """One level of all frames, in a file of its own."""

    path: Path
    kind: np.dtype[Any]
    shape: tuple[int, ...]

    def blocks(self) -> Iterator[NDArray[Any]]:
        # Read, not mapped: a mapped file counts as this process's memory once it is read.
        with self.path.open("rb") as file:
            while block := file.read(_BLOCK_VALUES * self.kind.itemsize):
                yield np.frombuffer(block, self.kind)


def _encoded(
    crops: Iterator[FaceCrop], encoder: FeatureEncoder
) -> Iterator[list[tuple[NDArray[Any], ...]]]:
    while batch := list(islice(crops, BATCH)):
        yield encoder.encode(batch)


def _spool(
    sample: tuple[NDArray[Any], ...],
    batches: Iterator[list[tuple[NDArray[Any], ...]]],
    target: Path,
) -> list[_Level]:
    """Write each level of all frames to a file of its own."""
    paths = [target.with_suffix(f".level{level}") for level in range(len(sample))]
    count = 0
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for features in chain.from_iterable(batches):
            count += 1
            for file, level in zip(files, features, strict=True):
                file.write(np.ascontiguousarray(level).tobytes())
    return [
        _Level(path, level.dtype, (count, *level.shape))
        for path, level in zip(paths, sample, strict=True)
    ]


def _rewrite(source: Path, target: Path, digest: str, levels: list[_Level]) -> None:
    bundle = Bundle(source)
    try:
        with BundleWriter(target) as writer:
            for name in bundle.manifest.members:
                if name != MANIFEST:
                    writer.copy(bundle, name)
            for number, level in enumerate(levels):
                name = feature_name(digest, number)
                writer.add_array_blocks(name, level.kind, level.shape, level.blocks())
            features = {**bundle.manifest.features, digest: len(levels)}
            writer.finish(replace(bundle.manifest, features=features))
    finally:
        bundle.close()
