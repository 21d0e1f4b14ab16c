"""An array in an avatar file, read row by row."""

import os
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


class StoredRows:
    """Rows that are read when they are asked for; any thread may ask.

    Read, not mapped: a mapped file counts as this process's memory once it is read, and a long
    avatar's landmarks alone are 94 kB a second.
    """

    def __init__(
        self, file: BinaryIO, kind: np.dtype[Any], shape: tuple[int, ...], *, start: int
    ) -> None:
        """Take the place of an array in an open file.

        Args:
            file: Stays the caller's, open as long as rows are read.
            kind: Type of the values.
            shape: Rows first.
            start: First byte.
        """
        self.shape = shape
        self._file = file
        self._kind = kind
        self._start = start

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Read one row."""
        return self._read(index, self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """Read all rows."""
        return self._read(0, self.shape)

    def _read(self, row: int, shape: tuple[int, ...]) -> NDArray[Any]:
        values = np.empty(shape, self._kind)
        row_bytes = self._kind.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        if values.size:
            os.preadv(self._file.fileno(), [values.data], self._start + row * row_bytes)
        return values
