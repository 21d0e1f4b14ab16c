"""What every converted network's files have in common: metadata and whole writes. No torch here."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import openvino as ov

from runtime.manifest import CARD_SUFFIX, NetworkEntry
from runtime.models import file_sha256

SCHEMA = "1"
RT_INFO = "mouthpiece"


def write_metadata(model: ov.Model, values: Mapping[str, str]) -> None:
    """Record ``values``, and the schema's version, in ``rt_info`` under ``mouthpiece``."""
    for key, value in {"schema": SCHEMA, **values}.items():
        model.set_rt_info(value, [RT_INFO, key])


def save_model(model: ov.Model, path: Path) -> None:
    """Write a model, complete or not at all.

    Floating-point weights are stored in half precision and widened again when the model is read.

    Args:
        model: What to write.
        path: The .xml; the .bin comes beside it. The folder is made when missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.partial.xml")
    try:
        ov.save_model(model, partial, compress_to_fp16=True)
        partial.with_suffix(".bin").replace(path.with_suffix(".bin"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_suffix(".bin").unlink(missing_ok=True)


def write_card(folder: Path, entry: NetworkEntry, networks: Iterable[Path]) -> Path:
    """Write what ``ModelStore`` needs to know of files that were made on this machine.

    Args:
        folder: Where the files are.
        entry: What the network is; its digests are replaced.
        networks: The .xml and .bin files.

    Returns:
        The card.
    """
    path = folder / f"{entry.name}{CARD_SUFFIX}"
    card = {
        "name": entry.name,
        "role": entry.role,
        "layout": entry.layout,
        "title": entry.title,
        "licence": entry.licence,
        "lips": entry.lips,
        "sha256": {file.name: file_sha256(file) for file in networks},
    }
    write_json(path, card)
    return path


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as JSON, complete or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(f"{json.dumps(content, indent=2)}\n", encoding="utf-8")
    partial.replace(path)


def size_bytes(path: Path) -> int:
    """Give the size of a model's two files together."""
    return path.stat().st_size + path.with_suffix(".bin").stat().st_size
