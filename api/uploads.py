"""Files that clients send: written to disk while they arrive, counted, hashed, bounded."""

import binascii
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from api.folders import HeldFolder, SharedHold
from api.problems import Problem, busy


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """One file of a request.

    Attributes:
        path: Where it is until the request is over. The client's file name is not part of it.
        size: Bytes.
        sha256: Hex digest of its bytes.
    """

    path: Path
    size: int
    sha256: str


class Budget:
    """Bytes that all requests together may have on disk; safe from any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self.used = 0

    def take(self, size: int) -> None:
        """Count ``size`` bytes in.

        Raises:
            Problem: 503 BUFFER_OVERFLOW when the limit would be passed.
        """
        with self._lock:
            if self.used + size > self._limit:
                raise busy(
                    f"the uploads of all requests hold {self.used} bytes, {self._limit} allowed",
                    retry_after_s=5,
                    status=503,
                    code="BUFFER_OVERFLOW",
                )
            self.used += size

    def give_back(self, size: int) -> None:
        """Count ``size`` bytes out."""
        with self._lock:
            self.used -= size


class Inbox:
    """The folder of one request's files, removed when request and work have both left it.

    Args:
        root: Folder of all inboxes.
        max_file_bytes: Largest file.
        budget: Shared by all inboxes.
    """

    def __init__(self, root: Path, *, max_file_bytes: int, budget: Budget) -> None:
        self._folder = HeldFolder(root)
        self._max_file_bytes = max_file_bytes
        self._budget = budget
        self._taken = 0
        self.in_use = SharedHold(self._folder, on_release=self._give_back)
        self._sinks: list[FileSink] = []

    def new_file(self, field: str) -> "FileSink":
        """Open the next file; ``field`` names it in messages only."""
        path = self._folder.path / f"{len(self._sinks):03}"
        sink = FileSink(path, field, limit=self._max_file_bytes, take=self._take)
        self._sinks.append(sink)
        return sink

    def _take(self, size: int) -> None:
        self._budget.take(size)
        self._taken += size

    def _give_back(self) -> None:
        for sink in self._sinks:
            sink.abandon()
        self._budget.give_back(self._taken)


class FileSink:
    """Writes one file and stops at its limit."""

    def __init__(self, path: Path, field: str, *, limit: int, take: Callable[[int], None]) -> None:
        self._path = path
        self._field = field
        self._limit = limit
        self._take = take
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()
        self._size = 0

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises:
            Problem: 413 beyond the limit of a file, 503 beyond that of all uploads.
        """
        self._size += len(block)
        if self._size > self._limit:
            raise Problem(
                "INPUT_TOO_LARGE",
                f"{self._field} is over {self._limit} bytes (MOUTHPIECE_MAX_UPLOAD_BYTES)",
            )
        self._take(len(block))
        self._sha256.update(block)
        self._file.write(block)

    def close(self) -> UploadedFile:
        """Finish the file."""
        self._file.close()
        return UploadedFile(self._path, self._size, self._sha256.hexdigest())

    def abandon(self) -> None:
        """Close the file, used or not; closing twice does no harm."""
        self._file.close()


class Base64Sink:
    """Decodes base64 text into a file as it arrives.

    Takes the standard and the URL-safe alphabet, line breaks, missing padding and a ``data:`` URL.
    """

    _ALPHABET = bytes.maketrans(b"-_", b"+/")
    _BLANKS = b" \t\r\n"
    _LONGEST_PREFIX = 256

    def __init__(self, sink: FileSink, field: str) -> None:
        self._sink = sink
        self._field = field
        self._rest = b""
        self._started = False
        self._ended = False

    def write(self, text: bytes) -> None:
        """Decode the next piece of text.

        Raises:
            Problem: 422 INPUT_UNREADABLE when it is not base64; 413 when it is too much.
        """
        if not self._started:
            self._rest += text
            if self._rest.startswith(b"data:"[: len(self._rest)]):
                if len(self._rest) < self._LONGEST_PREFIX and b"," not in self._rest:
                    return
                self._rest = (
                    self._rest[: self._LONGEST_PREFIX].partition(b",")[2]
                    + self._rest[self._LONGEST_PREFIX :]
                )
            text, self._rest, self._started = self._rest, b"", True
        self._decode(self._rest + text.translate(self._ALPHABET, self._BLANKS))

    def _decode(self, text: bytes) -> None:
        if self._ended and text:
            raise self._unreadable("there is text after its end")
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        if not whole:
            return
        self._ended = text[whole - 1 : whole] == b"="
        if self._ended and self._rest:
            raise self._unreadable("there is text after its end")
        try:
            self._sink.write(binascii.a2b_base64(text[:whole], strict_mode=True))
        except binascii.Error as error:
            raise self._unreadable(str(error)) from error

    def close(self) -> UploadedFile:
        """Finish the file.

        Raises:
            Problem: 422 INPUT_UNREADABLE when it is cut or empty.
        """
        if not self._started:
            self._started = True
            self._rest = self._rest.translate(self._ALPHABET, self._BLANKS)
        if self._rest:
            self._decode(self._rest + b"=" * (-len(self._rest) % 4))
        finished = self._sink.close()
        if finished.size == 0:
            raise self._unreadable("it is empty")
        return finished

    def _unreadable(self, why: str) -> Problem:
        return Problem("INPUT_UNREADABLE", f"{self._field} is not base64: {why}")
