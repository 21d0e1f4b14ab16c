"""Tensors by name out of every kind of checkpoint file, without running code stored in it."""

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from convert.onnx_names import read_onnx
from convert.torchscript import is_torchscript, read_torchscript
from runtime.errors import CheckpointError

Tensors = dict[str, torch.Tensor]

FILE_KINDS = "a PyTorch, TorchScript, ONNX or safetensors file"
#: Keys under which training scripts keep the weights.
_WEIGHT_KEYS = ("state_dict", "model_state_dict", "generator", "model", "net")
_PARALLEL_PREFIX = "module."


def read_tensors(path: Path) -> tuple[Tensors, Mapping[str, str]]:
    """Read the tensors of a checkpoint.

    Args:
        path: An existing file; its content tells what it is, not its name.

    Returns:
        Tensors by name, without the ``module.`` of data-parallel training, and the file's notes.

    Raises:
        CheckpointError: Unreadable, of no known kind, or with objects that only code can restore.
    """
    with path.open("rb") as file:
        head = file.read(16)
    if zipfile.is_zipfile(path):
        tensors = read_torchscript(path) if is_torchscript(path) else _read_pytorch(path)
        return _plain_names(tensors), {}
    if _is_safetensors(head):
        return _read_safetensors(path)
    if head[:1] == b"\x80":
        return _plain_names(_read_pytorch(path)), {}
    if path.suffix.lower() == ".onnx":
        return read_onnx(path), {}
    raise CheckpointError(f"{path} is not a checkpoint; expected {FILE_KINDS}")


def _is_safetensors(head: bytes) -> bool:
    # The format: length of the header as 64 bits, then the header, a JSON object.
    return len(head) > 8 and head[8:9] == b"{"


def _read_safetensors(path: Path) -> tuple[Tensors, Mapping[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dict
            return _plain_names(tensors), dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is a damaged safetensors file: {error}") from error


def _read_pytorch(path: Path) -> Mapping[str, Any]:
    try:
        # An open file: given a name, torch.load would go by its suffix.
        with path.open("rb") as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} can only be read by running code stored in it, which is refused; save its "
            "state_dict alone and convert that"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, struct.error) as error:
        raise CheckpointError(f"{path} is a damaged PyTorch file: {error}") from error
    return _find_weights(path, content)


def _find_weights(path: Path, content: object) -> Mapping[str, Any]:
    """Give the mapping of tensors inside whatever a training script saved."""
    if isinstance(content, Mapping):
        for key in _WEIGHT_KEYS:
            if isinstance(content.get(key), Mapping):
                return _find_weights(path, content[key])
        if any(isinstance(value, torch.Tensor) for value in content.values()):
            return content
    raise CheckpointError(
        f"{path} holds {type(content).__name__} without tensors; expected a state_dict"
    )


def _plain_names(tensors: Mapping[str, Any]) -> Tensors:
    plain: Tensors = OrderedDict()
    for name, value in tensors.items():
        if isinstance(value, torch.Tensor):
            plain[str(name).removeprefix(_PARALLEL_PREFIX)] = value
    return plain
