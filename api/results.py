"""Results: one folder per request, and a cache that answers identical requests again.

The key of a result is a hash over everything that could change it, so a new model, option or
version never meets an old result.
"""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from api.folders import HeldFolder, is_id, new_id
from avatar_cache.file_store import FileStore
from runtime.errors import OutputError

VIDEO_NAME = "result.mp4"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What is kept of a result beside its video; fields as in ``AnimateReport``."""

    duration_s: float
    frames: int
    fps: float
    model: str
    precision: str
    blend: str
    av_offset_ms: float
    silence_motion: float | None
    missing_face: tuple[tuple[float, float], ...]
    warnings: tuple[str, ...]


def result_key(**parts: object) -> str:
    """Return 64 hex digits over ``parts``; equal parts give equal keys on any machine."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class ResultCache:
    """Videos by key, least recently used first to leave; any number of processes may share it.

    An entry is one file: a line of JSON with the facts and the video's hash, then the video.

    Args:
        root: Folder of the entries.
        budget_bytes: All entries together; 0 keeps nothing.
    """

    def __init__(self, root: Path, *, budget_bytes: int) -> None:
        self._store = FileStore(root, suffix=".result", budget_bytes=budget_bytes)
        self._budget_bytes = budget_bytes

    def take(self, key: str, target: Path) -> ResultFacts | None:
        """Put the video kept under ``key`` at ``target`` and return its facts.

        An entry whose bytes are not what was stored is removed and counts as absent.
        """
        try:
            with self._store.get(key).open("rb") as entry:
                return _unpack(entry, target)
        except KeyError:
            return None
        except (ValueError, TypeError):
            target.unlink(missing_ok=True)
            self._store.path(key).unlink(missing_ok=True)
            return None

    def keep(self, key: str, video: Path, facts: ResultFacts) -> None:
        """Keep a copy of ``video`` under ``key`` and make room for it."""
        if video.stat().st_size > self._budget_bytes:
            return
        with video.open("rb") as film:
            head = {
                "sha256": hashlib.file_digest(film, "sha256").hexdigest(),
                "facts": asdict(facts),
            }
        with self._store.draft() as folder:
            made = folder / "entry"
            with made.open("wb") as entry, video.open("rb") as film:
                entry.write(json.dumps(head).encode() + b"\n")
                shutil.copyfileobj(film, entry, _BLOCK)
            self._store.publish(made, key)


def _unpack(entry: BinaryIO, target: Path) -> ResultFacts:
    head = json.loads(entry.readline())
    facts = head["facts"]
    facts["missing_face"] = tuple(map(tuple, facts["missing_face"]))
    facts["warnings"] = tuple(facts["warnings"])
    digest = hashlib.sha256()
    with target.open("wb") as film:
        while block := entry.read(_BLOCK):
            digest.update(block)
            film.write(block)
    if digest.hexdigest() != head["sha256"]:
        raise ValueError("the entry is damaged")
    return ResultFacts(**facts)


class Output:
    """The folder of results that clients can fetch: ``<root>/<id>/result.mp4``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def open(self, name: str) -> HeldFolder:
        """Make the folder of one result; release it when the answer is out."""
        return HeldFolder(self.root, name)

    def find(self, name: str) -> Path | None:
        """Return the finished video of a result, or ``None``."""
        path = self.root / name / VIDEO_NAME
        return path if is_id(name) and path.is_file() else None


def publish(source: Path, target: Path) -> None:
    """Make ``source`` also available as ``target``, which changes in one step.

    A hard link when both are on one file system, else a copy.

    Raises:
        OutputError: It cannot be written.
    """
    made = target.with_name(f".{new_id()}.part")
    try:
        try:
            os.link(source, made)
        except OSError:
            shutil.copyfile(source, made)
        made.replace(target)
    except OSError as error:
        raise OutputError(f"cannot publish {target}: {error.strerror or error}") from error
    finally:
        # rename() of two links to one file does nothing, not even to the first name.
        made.unlink(missing_ok=True)
