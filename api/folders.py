"""Folders with an owner: while somebody works in one, nobody deletes it.

A folder is held by an advisory lock on a file inside it. The kernel drops the lock when its process
ends, however it ends, so what a killed process left behind is recognised and removed.
"""

import fcntl
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

LOCK_NAME = ".lock"
_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """Return a fresh id: 32 hex digits."""
    return uuid.uuid4().hex


def is_id(name: str) -> bool:
    """Say whether ``name`` is an id as ``new_id`` makes them."""
    return _ID.fullmatch(name) is not None


class HeldFolder:
    """A folder ``<root>/<id>`` that ``sweep`` leaves alone until ``release``.

    Args:
        root: Where to make it; created when missing.
        name: Its id, or a fresh one.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.name = name or new_id()
        self.path = root / self.name
        self.path.mkdir(parents=True)
        self._lock = os.open(self.path / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def release(self, *, keep: bool) -> None:
        """Let go of the folder; with ``keep`` its files stay."""
        if self._lock < 0:
            return
        lock, self._lock = self._lock, -1
        if keep:
            (self.path / LOCK_NAME).unlink(missing_ok=True)
        else:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(lock)


class SharedHold:
    """Removes a folder once the last of several users has left.

    Args:
        folder: What they use.
        on_release: Called after it was removed.
    """

    def __init__(self, folder: HeldFolder, *, on_release: Callable[[], None]) -> None:
        self._folder = folder
        self._on_release = on_release
        self._users = 0
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        """Join the users of the folder."""
        with self._guard:
            self._users += 1
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave; the last one out removes the folder."""
        with self._guard:
            self._users -= 1
            last = self._users == 0
        if last:
            self._folder.release(keep=False)
            self._on_release()


def sweep(root: Path, *, older_than_s: float) -> int:
    """Delete the folders under ``root`` that nobody holds.

    Args:
        root: Parent of the folders; only names that are ids are touched.
        older_than_s: Only folders whose last change is at least this long ago.

    Returns:
        Number of files deleted, lock files not counted.
    """
    if not root.is_dir():
        return 0
    newest = time.time() - older_than_s
    return sum(_remove(path, newest) for path in root.iterdir() if is_id(path.name))


def _remove(path: Path, newest: float) -> int:
    try:
        if path.is_symlink() or path.stat().st_mtime > newest or _is_held(path):
            return 0
        count = sum(1 for entry in path.iterdir() if entry.name != LOCK_NAME)
    except OSError:
        return 0
    shutil.rmtree(path, ignore_errors=True)
    return count


def _is_held(path: Path) -> bool:
    try:
        lock = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
