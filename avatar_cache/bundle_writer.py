"""Writes an avatar file: stored members, then the manifest with their hashes."""

import hashlib
import itertools
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from avatar_cache.bundle import Bundle
from avatar_cache.manifest import Manifest, Member
from avatar_cache.members import MANIFEST

#: Fixed, so that the same avatar gives the same file.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_BLOCK = 1 << 20


class BundleWriter:
    """Writes an avatar file member by member; the manifest comes last."""

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, name: str, content: bytes) -> None:
        """Add a member from memory."""
        self._zip.writestr(zipfile.ZipInfo(name, _TIMESTAMP), content)
        self._members[name] = Member(hashlib.sha256(content).hexdigest(), len(content))

    def add_blocks(self, name: str, blocks: Iterator[bytes]) -> None:
        """Add a member that is too large for memory."""
        digest, size = hashlib.sha256(), 0
        with self._zip.open(zipfile.ZipInfo(name, _TIMESTAMP), "w", force_zip64=True) as file:
            for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
        self._members[name] = Member(digest.hexdigest(), size)

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """Add an array, which may be mapped from disk, in NumPy's file format."""
        rows = max(1, _BLOCK // max(1, array[:1].nbytes))
        blocks = (array[first : first + rows] for first in range(0, len(array), rows))
        self.add_array_blocks(name, array.dtype, array.shape, blocks)

    def add_array_blocks(
        self,
        name: str,
        kind: np.dtype[Any],
        shape: tuple[int, ...],
        blocks: Iterator[NDArray[Any]],
    ) -> None:
        """Add an array of known shape that comes a few rows at a time."""
        content = (np.ascontiguousarray(block, kind).tobytes() for block in blocks)
        self.add_blocks(name, itertools.chain([_npy_header(kind, shape)], content))

    def copy(self, bundle: Bundle, name: str) -> None:
        """Add a member of another bundle, checked on the way."""
        self.add_blocks(name, bundle.blocks(name))
        if self._members[name] != bundle.manifest.members[name]:
            raise bundle.corrupt(name)

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, with the hashes of all members."""
        content = manifest.with_members(self._members).to_json()
        self._zip.writestr(zipfile.ZipInfo(MANIFEST, _TIMESTAMP), content)


def _npy_header(kind: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    description = {
        "descr": np.lib.format.dtype_to_descr(kind),
        "fortran_order": False,
        "shape": shape,
    }
    text = repr(description).encode()
    padding = -(10 + len(text) + 1) % 64
    text += b" " * padding + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text
