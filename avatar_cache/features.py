"""Face-encoder features stored with an avatar, so that animating computes none."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

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
        crops = avatar.crops()
        batches = _encoded(crops, encoder)
        first = next(batches)
        if sum(level.nbytes for level in first[0]) * len(avatar) > budget_bytes:
            return False
        levels = _spool(first, batches, target)
    _rewrite(source, target, encoder.digest, levels)
    return True


def _encoded(
    crops: Iterator[FaceCrop], encoder: FeatureEncoder
) -> Iterator[list[tuple[NDArray[Any], ...]]]:
    while batch := list(islice(crops, BATCH)):
        yield encoder.encode(batch)


def _spool(
    first: list[tuple[NDArray[Any], ...]],
    rest: Iterator[list[tuple[NDArray[Any], ...]]],
    target: Path,
) -> list[NDArray[Any]]:
    """Write each level of all frames to its own file and map it."""
    paths = [target.with_suffix(f".level{level}") for level in range(len(first[0]))]
    files = [path.open("wb") for path in paths]
    count = 0
    try:
        for batch in (first, *rest):
            count += len(batch)
            for features in batch:
                for file, level in zip(files, features, strict=True):
                    file.write(np.ascontiguousarray(level).tobytes())
    finally:
        for file in files:
            file.close()
    return [
        np.memmap(path, level.dtype, "r", shape=(count, *level.shape))
        for path, level in zip(paths, first[0], strict=True)
    ]


def _rewrite(source: Path, target: Path, digest: str, levels: list[NDArray[Any]]) -> None:
    bundle = Bundle(source)
    try:
        with BundleWriter(target) as writer:
            for name in bundle.manifest.members:
                if name != MANIFEST:
                    writer.copy(bundle, name)
            for level, array in enumerate(levels):
                writer.add_array(feature_name(digest, level), array)
            features = {**bundle.manifest.features, digest: len(levels)}
            writer.finish(replace(bundle.manifest, features=features))
    finally:
        bundle.close()
