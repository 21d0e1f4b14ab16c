"""The ``.avatar`` file: an uncompressed ZIP whose manifest hashes every other member.

The same file serves from the cache and travels between machines, so reading assumes nothing:
only known member names, no compression, no links, no duplicates, sizes as promised.
"""

import ast
import hashlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from avatar_cache.manifest import MAX_BYTES, Manifest, Member
from avatar_cache.members import MANIFEST, MEMBER_PATTERN, needed_names
from avatar_cache.stored_rows import StoredRows
from runtime.errors import AvatarCorruptError, AvatarNotFoundError

_BLOCK = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")


class Bundle:
    """An open avatar file; any thread may read any member."""

    def __init__(self, path: Path, *, remedy: str | None = None) -> None:
        """Open a file and check its table of contents, not yet the members' bytes.

        Args:
            path: The file; its stem is the avatar's id.
            remedy: What to do when it is damaged, for the message.

        Raises:
            AvatarNotFoundError: There is no such file.
            AvatarCorruptError: It is no intact avatar file.
        """
        self.path = path
        self._remedy = remedy or (
            f"run `mouthpiece avatar remove {path.stem}` and `mouthpiece avatar add` with its "
            f"source again"
        )
        self._verified: set[str] = set()
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise AvatarNotFoundError(f"no avatar file at {path}: {error.strerror}") from error
        try:
            self._entries = self._read_contents()
            self.manifest = self._read_manifest()
            self._check_members()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; arrays can be read no more."""
        self._file.close()

    def read(self, name: str) -> bytes:
        """Read a member and check its hash.

        Raises:
            AvatarCorruptError: The bytes are not those that were written.
        """
        content = self._pread(name)
        if hashlib.sha256(content).hexdigest() != self._member(name).sha256:
            raise self.corrupt(name)
        return content

    def blocks(self, name: str) -> Iterator[bytes]:
        """Yield a member's bytes in blocks, unchecked."""
        offset, end = self._span(name)
        while offset < end:
            block = os.pread(self._file.fileno(), min(_BLOCK, end - offset), offset)
            if not block:
                raise self.corrupt(name)
            yield block
            offset += len(block)

    def verify(self, name: str) -> None:
        """Check a member's hash without keeping it.

        Raises:
            AvatarCorruptError: The bytes are not those that were written.
        """
        digest = hashlib.sha256()
        for block in self.blocks(name):
            digest.update(block)
        if digest.hexdigest() != self._member(name).sha256:
            raise self.corrupt(name)
        self._verified.add(name)

    def array(self, name: str, kinds: str, shape: tuple[int, ...]) -> StoredRows:
        """Give an array to read rows of; its hash is checked the first time.

        Args:
            name: Member in NumPy's file format.
            kinds: Types allowed, as NumPy spells them, separated by spaces: "float32".
            shape: Shape it must begin with; further dimensions are free.

        Raises:
            AvatarCorruptError: It is not such an array, or its bytes changed.
        """
        if name not in self._verified:
            self.verify(name)
        offset, end = self._span(name)
        try:
            found_shape, dtype, header_bytes = _read_header(self._file.fileno(), offset)
        except (ValueError, SyntaxError, TypeError, KeyError, struct.error) as error:
            raise self.corrupt(name) from error
        count = int(np.prod(found_shape, dtype=np.int64))
        is_expected = dtype.name in kinds.split() and found_shape[: len(shape)] == shape
        if not is_expected or header_bytes + count * dtype.itemsize != end - offset:
            raise self.corrupt(name)
        return StoredRows(self._file, dtype, found_shape, start=offset + header_bytes)

    def corrupt(self, name: str) -> AvatarCorruptError:
        """Give the error that names a damaged member and how to repair it."""
        return AvatarCorruptError(
            f"avatar {self.path.stem!r} is damaged: member {name} of {self.path.name} does not "
            f"match its hash; {self._remedy}"
        )

    def _member(self, name: str) -> Member:
        try:
            return self.manifest.members[name]
        except KeyError:
            raise self.corrupt(name) from None

    def _read_contents(self) -> dict[str, zipfile.ZipInfo]:
        try:
            # The open file, not the path: another process may just be replacing it.
            with zipfile.ZipFile(self._file) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise self._unusable(f"no avatar file ({error})") from error
        end = os.fstat(self._file.fileno()).st_size
        problems = [problem for info in infos if (problem := _problem(info, end))]
        entries = {info.filename: info for info in infos}
        if sum(info.file_size for info in infos) > end:
            problems.append("members that share bytes")
        if len(entries) != len(infos):
            problems.append("two members of one name")
        if MANIFEST not in entries or entries[MANIFEST].file_size > MAX_BYTES:
            problems.append(f"no {MANIFEST} of at most {MAX_BYTES} bytes")
        if problems:
            raise self._unusable(problems[0])
        return entries

    def _read_manifest(self) -> Manifest:
        try:
            return Manifest.from_json(self._pread(MANIFEST))
        except AvatarCorruptError as error:
            raise self._unusable(str(error)) from error

    def _unusable(self, problem: str) -> AvatarCorruptError:
        return AvatarCorruptError(f"{self.path.name} is damaged: {problem}; {self._remedy}")

    def _check_members(self) -> None:
        """Compare the table of contents with the manifest."""
        sizes = {name: entry.file_size for name, entry in self._entries.items() if name != MANIFEST}
        promised = {name: member.size_bytes for name, member in self.manifest.members.items()}
        wrong = {name for name, _ in sizes.items() ^ promised.items()}
        wrong |= sizes.keys() ^ needed_names(self.manifest)
        if wrong:
            raise self.corrupt(min(wrong))

    def _pread(self, name: str) -> bytes:
        return b"".join(self.blocks(name))

    def _span(self, name: str) -> tuple[int, int]:
        """Give the first byte of a member's content and the byte after its last."""
        entry = self._entries.get(name)
        if entry is None:
            raise self.corrupt(name)
        header = os.pread(self._file.fileno(), _LOCAL_HEADER.size, entry.header_offset)
        if len(header) < _LOCAL_HEADER.size:
            raise self.corrupt(name)
        magic, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
        start = entry.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes
        if (
            magic != b"PK\x03\x04"
            or start + entry.file_size > os.fstat(self._file.fileno()).st_size
        ):
            raise self.corrupt(name)
        return start, start + entry.file_size


def _problem(info: zipfile.ZipInfo, file_bytes: int) -> str:
    """Say why a member cannot be trusted; empty when it can."""
    mode = info.external_attr >> 16
    problems = {
        "an unexpected name": not MEMBER_PATTERN.fullmatch(info.filename),
        "compression": info.compress_type != zipfile.ZIP_STORED,
        "a wrong size": info.file_size != info.compress_size,
        "a wrong place": not 0 <= info.header_offset < file_bytes,
        "encryption": bool(info.flag_bits & 0x1),
        "a link or device": stat.S_IFMT(mode) not in {0, stat.S_IFREG},
    }
    found = [problem for problem, is_met in problems.items() if is_met]
    return f"member {info.filename[:80]!r} has {found[0]}" if found else ""


def _read_header(file: int, offset: int) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Give shape, type and length in bytes of the header of an array file, version 1."""
    preamble = os.pread(file, 10, offset)
    magic, length = preamble[:8], struct.unpack("<H", preamble[8:10])[0]
    if magic != b"\x93NUMPY\x01\x00":
        raise ValueError("no array of format version 1")
    description = ast.literal_eval(os.pread(file, length, offset + 10).decode("latin-1"))
    shape = tuple(int(side) for side in description["shape"])
    if description["fortran_order"] or any(side < 0 for side in shape):
        raise ValueError("unexpected array layout")
    return shape, np.dtype(str(description["descr"])), 10 + length
