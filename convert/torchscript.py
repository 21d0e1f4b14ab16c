"""Tensors out of a TorchScript archive, without loading its code.

An archive is a ZIP with ``data.pkl`` (the module tree) and one file per storage. ``torch.jit.load``
would compile the archive's own programs and run their ``__setstate__``; this reader knows how to
rebuild tensors and plain containers and nothing else.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any, cast

import numpy as np
import torch

from runtime.errors import CheckpointError

_DTYPES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Tell whether a ZIP file is a TorchScript archive: those carry code and its constants."""
    with zipfile.ZipFile(path) as archive:
        return any(PurePosixPath(name).name == "constants.pkl" for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a TorchScript archive.

    Args:
        path: The archive.

    Returns:
        Parameters and buffers by their dotted names.

    Raises:
        CheckpointError: Damaged, or holding something else than tensors and plain values.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            root = _root(archive)
            with archive.open(f"{root}/data.pkl") as file:
                tree = _Reader(file, archive, root).load()
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a readable TorchScript archive: {error}") from error
    tensors: dict[str, torch.Tensor] = {}
    _collect(tree, "", tensors)
    return tensors


class _Module:
    """Stands for any module of the archive: only its attributes matter."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class _StorageType:
    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Reader(pickle.Unpickler):
    """An unpickler that can build tensors, modules as plain holders, and nothing else."""

    def __init__(self, file: Any, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(file)
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name in {"_rebuild_tensor_v2", "_rebuild_tensor"}:
            return _rebuild
        if module == "torch" and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle":
            return _plain_list
        if module.startswith("__torch__"):
            return _Module
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> torch.Tensor:
        _, storage_type, key, _, count = pid
        content = self._archive.read(f"{self._root}/data/{key}")
        dtype = cast(_StorageType, storage_type).dtype
        return torch.frombuffer(bytearray(content), dtype=dtype, count=count)


def _rebuild(
    storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
) -> torch.Tensor:
    # as_strided trusts its numbers; these come from the file.
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if np.prod(size, dtype=np.int64) and not 0 <= last < storage.numel():
        raise pickle.UnpicklingError("a tensor reaches outside its storage")
    return torch.as_strided(storage, size, stride, offset).clone()


def _plain_list(value: Any, *_: object) -> Any:
    return value


def _root(archive: zipfile.ZipFile) -> str:
    for name in archive.namelist():
        if PurePosixPath(name).name == "data.pkl":
            return str(PurePosixPath(name).parent)
    raise ValueError("it has no data.pkl")


def _collect(node: object, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    for name, value in vars(node).items():
        if isinstance(value, torch.Tensor):
            tensors[f"{prefix}{name}"] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", tensors)
