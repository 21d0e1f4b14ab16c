"""The networks on this machine: which exist, where their files lie, and whether they are intact.

Nothing is downloaded or converted here. A models folder holds ``NAME.xml/.bin`` (full precision)
and ``NAME-int8.xml/.bin``, either directly or in a folder called ``NAME``; networks that the
manifest does not list bring a ``NAME.card.json``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runtime.errors import ModelNotFoundError
from runtime.manifest import CARD_SUFFIX, NetworkEntry, read_card, read_manifest

#: The folder in the repository (or installed package) with the manifest and the bundled network.
BUNDLED_DIR = Path(__file__).resolve().parent.parent / "models"
MANIFEST = BUNDLED_DIR / "manifest.toml"
#: Names the generator that ``use`` chose, one line, in a models folder.
CHOICE_FILE = "default-generator"
#: Which file serves a precision: bf16 is a way to compute, not another file.
_SUFFIXES = {"f32": "", "bf16": "", "int8": "-int8"}


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One network's files on this machine.

    Attributes:
        path: The .xml; the .bin lies beside it.
        entry: What the network is.
        precision: ``f32`` or ``int8``, of the files.
        sha256: Hex digest over the .xml and the .bin: changes whenever an output could.
    """

    path: Path
    entry: NetworkEntry
    precision: str
    sha256: str


class ModelSource(Protocol):
    """The part of ``ModelFile`` that a network is read from."""

    @property
    def path(self) -> Path:
        """The ``.xml`` of the IR."""

    @property
    def sha256(self) -> str:
        """Digest of the network."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Result of checking one file.

    Attributes:
        name: Of the network.
        path: The file.
        state: ``ok``, ``changed`` (digest differs), ``missing``, or ``unlisted`` (no digest known).
    """

    name: str
    path: Path
    state: str


def model_dirs(models_dir: Path | None = None) -> tuple[Path, ...]:
    """Give the folders to search, in order.

    Args:
        models_dir: The user's own folder, searched first; ``None`` for none.

    Returns:
        The user's folder, the bundled one, and the bundled one's ``local``.
    """
    own = () if models_dir is None else (models_dir,)
    return (*own, BUNDLED_DIR, BUNDLED_DIR / "local")


def file_sha256(*paths: Path) -> str:
    """Give the hex SHA-256 over the contents of ``paths`` in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


class ModelStore:
    """The networks in some folders.

    Attributes:
        dirs: Folders searched, in order.
    """

    def __init__(self, dirs: Sequence[Path] | None = None, *, manifest: Path = MANIFEST) -> None:
        """Read the manifest.

        Args:
            dirs: Folders to search, in order; ``None`` for ``model_dirs()``.
            manifest: What is known of networks.

        Raises:
            ModelNotFoundError: The manifest is missing or unreadable.
        """
        self.dirs = tuple(model_dirs() if dirs is None else dirs)
        self._manifest = read_manifest(manifest)

    def entries(self) -> list[NetworkEntry]:
        """Give every network of the manifest, then those the user converted, installed or not."""
        entries = dict(self._manifest.networks)
        for folder in self.dirs:
            for card in sorted(folder.glob(f"*{CARD_SUFFIX}")):
                entry = read_card(card)
                entries.setdefault(entry.name, entry)
        return list(entries.values())

    def entry(self, name: str) -> NetworkEntry:
        """Give what is known of the network called ``name``.

        Raises:
            ModelNotFoundError: Nothing is; the message lists the names.
        """
        entries = {entry.name: entry for entry in self.entries()}
        if name not in entries:
            raise ModelNotFoundError(f"no network is called {name!r}; known: {', '.join(entries)}")
        return entries[name]

    def find(self, name: str, precision: str = "f32") -> ModelFile:
        """Find a network's files.

        Args:
            name: Name in the manifest or of a converted network.
            precision: ``f32``, ``bf16`` (the same files) or ``int8``.

        Raises:
            ModelNotFoundError: Unknown name or precision, or not installed; the message says how to
                install it.
        """
        entry = self.entry(name)
        if precision not in _SUFFIXES:
            raise ModelNotFoundError(f"no precision {precision!r}; choose {', '.join(_SUFFIXES)}")
        for path in self._candidates(name, precision):
            weights = path.with_suffix(".bin")
            if path.is_file() and weights.is_file():
                kept = "int8" if precision == "int8" else "f32"
                return ModelFile(path, entry, kept, file_sha256(path, weights))
        raise ModelNotFoundError(_how_to_install(entry, precision, self.dirs))

    def precisions(self, name: str) -> tuple[str, ...]:
        """Give which of ``f32`` and ``int8`` are installed for ``name``; empty when none is."""
        return tuple(
            precision
            for precision in ("f32", "int8")
            if any(
                path.is_file() and path.with_suffix(".bin").is_file()
                for path in self._candidates(name, precision)
            )
        )

    def generators(self) -> list[NetworkEntry]:
        """Give the installed generators, the manifest's order first."""
        return [
            entry
            for entry in self.entries()
            if entry.role == "generator" and self.precisions(entry.name)
        ]

    def default(self) -> str:
        """Give the name of the generator to use when none is asked for."""
        for folder in self.dirs:
            choice = folder / CHOICE_FILE
            if choice.is_file():
                return choice.read_text(encoding="utf-8").strip()
        return self._manifest.default_generator

    def use(self, name: str, *, folder: Path) -> None:
        """Make an installed generator the default one.

        Args:
            name: Name of the generator.
            folder: Where to note the choice: one of ``dirs``.

        Raises:
            ModelNotFoundError: It is no generator or is not installed.
        """
        if self.entry(name).role != "generator":
            raise ModelNotFoundError(f"{name} is a {self.entry(name).role}, not a generator")
        if not self.precisions(name):
            raise ModelNotFoundError(_how_to_install(self.entry(name), "f32", self.dirs))
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{CHOICE_FILE}.partial"
        partial.write_text(f"{name}\n", encoding="utf-8")
        partial.replace(folder / CHOICE_FILE)

    def verify(self) -> list[FileCheck]:
        """Compare every installed network's files with their known digests."""
        checks: list[FileCheck] = []
        for entry in self.entries():
            for precision in self.precisions(entry.name):
                path = next(p for p in self._candidates(entry.name, precision) if p.is_file())
                digests = {**entry.sha256, **_card_digests(path, entry.name)}
                checks += [
                    FileCheck(entry.name, file, _state(file, digests.get(file.name, ())))
                    for file in (path, path.with_suffix(".bin"))
                ]
        return checks

    def _candidates(self, name: str, precision: str) -> list[Path]:
        stem = f"{name}{_SUFFIXES[precision]}.xml"
        return [path for folder in self.dirs for path in (folder / stem, folder / name / stem)]


def _card_digests(model: Path, name: str) -> Mapping[str, tuple[str, ...]]:
    card = model.parent / f"{name}{CARD_SUFFIX}"
    return read_card(card).sha256 if card.is_file() else {}


def _state(path: Path, digests: tuple[str, ...]) -> str:
    if not path.is_file():
        return "missing"
    if not digests:
        return "unlisted"
    return "ok" if file_sha256(path) in digests else "changed"


def _how_to_install(entry: NetworkEntry, precision: str, dirs: Sequence[Path]) -> str:
    remedy = "check the repository out again"
    if precision == "int8":
        remedy = "convert it with `mouthpiece convert`"
    elif entry.origin in {"wheel", "checkpoint"}:
        remedy = f"run `mouthpiece models fetch {entry.name}`"
    searched = ", ".join(str(folder) for folder in dirs)
    return f"{entry.name} ({precision}) is not installed in {searched}; {remedy}"
