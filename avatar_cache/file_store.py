"""A folder of immutable files under keys: safe for any number of processes, bounded by bytes.

A file appears complete or not at all (temporary name, then rename), so readers need no lock.
Whatever a killed process leaves behind lies in a draft folder that the next one removes.
"""

import fcntl
import logging
import os
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import OptionError

logger = logging.getLogger(__name__)

#: What a key may look like; it is part of a file name.
KEY_PATTERN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def check_key(key: str) -> str:
    """Give the key back when it may be a file name.

    Raises:
        OptionError: It may not.
    """
    if not KEY_PATTERN.fullmatch(key):
        raise OptionError(
            f"{key[:80]!r} cannot be an id: use 1 to 64 of A-Z a-z 0-9 . _ - without a leading dot"
        )
    return key


class FileStore:
    """Files by key, least recently used first out."""

    def __init__(self, root: Path, *, suffix: str, budget_bytes: int) -> None:
        """Open a folder, creating it when needed.

        Args:
            root: The folder.
            suffix: Ending of every file's name, with its dot.
            budget_bytes: Sum of sizes above which the files used longest ago are removed.
        """
        self.root = root
        self.suffix = suffix
        self.budget_bytes = budget_bytes
        self._drafts = root / ".drafts"
        self._locks = root / ".locks"
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._locks.mkdir(exist_ok=True)
        self._sweep()

    def path(self, key: str) -> Path:
        """Give where a key's file is or would be."""
        return self.root / f"{check_key(key)}{self.suffix}"

    def get(self, key: str) -> Path:
        """Give a key's file and note that it was used.

        Raises:
            KeyError: There is none.
        """
        path = self.path(key)
        try:
            os.utime(path)
        except FileNotFoundError:
            raise KeyError(key) from None
        except PermissionError:
            # A read-only store still serves; only its order of use stays as it is.
            logger.debug("cannot note the use of %s", path)
        return path

    def stored_keys(self) -> list[str]:
        """List the keys, most recently used first."""
        files = sorted(self._files(), key=lambda item: (-item[1].st_mtime_ns, item[0].name))
        return [path.name.removesuffix(self.suffix) for path, _ in files]

    def size_bytes(self) -> int:
        """Give the sum of the sizes of all files; a file under two keys counts once."""
        return sum({status.st_ino: status.st_size for _, status in self._files()}.values())

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Hold the right to replace a key's file, waiting for any other holder."""
        with (self._locks / f"{check_key(key)}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give a private folder in the store's file system, removed afterwards."""
        folder = self._drafts / uuid.uuid4().hex
        with self._draft_guard():
            folder.mkdir()
            alive = (folder / "alive").open("w")
            fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            alive.close()

    def publish(self, draft: Path, key: str) -> Path:
        """Move a finished file under its key, replacing an older one, and keep the budget."""
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        target = self.path(key)
        draft.replace(target)
        self.evict(keep=target)
        return target

    def alias(self, key: str, other: str) -> Path:
        """Put the file of ``key`` under ``other`` as well, without copying where possible."""
        source, target = self.path(key), self.path(other)
        with self.draft() as folder:
            link = folder / "alias"
            try:
                os.link(source, link)
            except OSError:
                shutil.copyfile(source, link)
            link.replace(target)
        return target

    def remove(self, key: str) -> None:
        """Delete a key's file.

        Raises:
            KeyError: There is none.
        """
        try:
            self.path(key).unlink()
        except FileNotFoundError:
            raise KeyError(key) from None

    def evict(self, *, keep: Path | None = None) -> list[str]:
        """Delete the files used longest ago until the budget is kept.

        Args:
            keep: A file that stays whatever its size.

        Returns:
            The keys deleted.
        """
        files = sorted(self._files(), key=lambda item: item[1].st_mtime_ns)
        names = Counter(status.st_ino for _, status in files)
        total = self.size_bytes()
        removed: list[str] = []
        for path, status in files:
            if total <= self.budget_bytes:
                break
            if path == keep:
                continue
            path.unlink(missing_ok=True)
            removed.append(path.name.removesuffix(self.suffix))
            names[status.st_ino] -= 1
            # Space is only freed with the last name of a file.
            total -= status.st_size if not names[status.st_ino] else 0
            logger.debug("removed %s to keep the budget of %d bytes", path, self.budget_bytes)
        return removed

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        found: list[tuple[Path, os.stat_result]] = []
        with os.scandir(self.root) as entries:
            for entry in entries:
                if not entry.name.endswith(self.suffix) or entry.name.startswith("."):
                    continue
                try:
                    found.append((Path(entry.path), entry.stat()))
                except FileNotFoundError:
                    continue  # Another process removed it meanwhile.
        return found

    @contextmanager
    def _draft_guard(self) -> Iterator[None]:
        """Keep sweeping away from a draft that is not marked as alive yet."""
        with (self._drafts / ".guard").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sweep(self) -> None:
        """Remove drafts whose process is gone."""
        with self._draft_guard():
            for folder in [path for path in self._drafts.iterdir() if path.is_dir()]:
                with (folder / "alive").open("a") as alive:
                    try:
                        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    shutil.rmtree(folder, ignore_errors=True)
