"""What is known of networks: the manifest, and cards of those that were converted here."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from runtime.errors import ModelNotFoundError

CARD_SUFFIX = ".card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """What is known of one network; fields as in ``models/manifest.toml``.

    Attributes:
        name: Unique name.
        role: ``generator``, ``lips``, ``detector``, ``landmarks`` or ``picture``.
        layout: Topology: ``wav2lip``, ``nota``, ``audio-lips``, ``s3fd``, ``blazeface``,
            ``facemesh``, ``attmesh``; of a picture its format.
        title: One line for people.
        lips: Of a generator: name of the network that hears its lip movements; empty for none.
        origin: ``bundled``, ``wheel``, ``checkpoint``, or ``local`` for one the user converted.
        licence: Short name of the licence.
        licence_text: What the licence means here.
        page: Where a person can read about it and download by hand.
        sources: Addresses of the download, in order.
        file: Name of the downloaded file.
        wheel: Requirement of the wheel that holds the network.
        member: Path inside the wheel.
        sha256: Known digests by file name.
    """

    name: str
    role: str
    layout: str
    title: str = ""
    lips: str = ""
    origin: str = "local"
    licence: str = "unknown"
    licence_text: str = ""
    page: str = ""
    sources: tuple[str, ...] = ()
    file: str = ""
    wheel: str = ""
    member: str = ""
    sha256: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Manifest(NamedTuple):
    """Content of ``models/manifest.toml``.

    Attributes:
        networks: By name, in the file's order.
        pictures: Sample portraits that set-up installs, by name.
        default_generator: Name of the generator to use when none is asked for.
    """

    networks: dict[str, NetworkEntry]
    pictures: dict[str, NetworkEntry]
    default_generator: str


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Args:
        path: The TOML file.

    Raises:
        ModelNotFoundError: The file is missing or is no manifest.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return Manifest(
            networks={table["name"]: _entry(table) for table in content["network"]},
            pictures={table["name"]: _entry(table) for table in content.get("picture", ())},
            default_generator=str(content["default_generator"]),
        )
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise ModelNotFoundError(f"no readable manifest of networks at {path}: {error}") from error


def read_card(path: Path) -> NetworkEntry:
    """Read what is known of a network that was converted on this machine.

    Args:
        path: Its card.

    Raises:
        ModelNotFoundError: The file does not describe a network.
    """
    try:
        return _entry(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise ModelNotFoundError(f"{path} does not describe a network: {error}") from error


def _entry(table: Mapping[str, Any]) -> NetworkEntry:
    fields = dict(table)
    fields["sources"] = tuple(fields.get("sources", ()))
    fields["sha256"] = {
        name: (digests,) if isinstance(digests, str) else tuple(digests)
        for name, digests in fields.get("sha256", {}).items()
    }
    return NetworkEntry(**fields)
