"""Where an output goes: its kind from its name, a temporary beside it, published by renaming."""

import os
import re
import secrets
import shutil
from pathlib import Path

from runtime.errors import OptionError, OutputError
from runtime.image_sequence import DEFAULT_PATTERN

#: FFmpeg's container names by suffix.
FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
PATTERN = re.compile(r"[^%]*%0?\d*d[^%]*\.png")


def check_output(target: Path) -> None:
    """Refuse an output that could not be written, before any work is done for it.

    Raises:
        OptionError: The suffix is not one that can be written.
        OutputError: The folder is missing or not writable, or something is in the way.
    """
    Destination(target).remove()


class Destination:
    """A film's path or a picture sequence's folder, reserved under a temporary name.

    Attributes:
        path: The film, or the folder of a sequence.
        pattern: File name pattern of a sequence, empty for a film.
        format_name: FFmpeg's container name of a film, empty for a sequence.
        temporary: What is written to: an empty file or folder beside ``path``.

    Raises:
        OptionError: The suffix is not one that can be written.
        OutputError: The folder is missing or not writable, or something is in the way.
    """

    def __init__(self, target: Path) -> None:
        self.path, self.pattern = _split_pattern(target)
        self.format_name = "" if self.pattern else _format_name(target)
        absolute = self.path.absolute()
        self.temporary = absolute.with_name(f".{absolute.name}.{secrets.token_hex(4)}.part")
        self._refuse_what_is_in_the_way()
        try:
            if self.pattern:
                self.temporary.mkdir()
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
                os.close(os.open(self.temporary, flags, 0o666))
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error

    def publish(self) -> None:
        """Put what was written in its place, replacing an older film."""
        self.temporary.replace(self.path)

    def remove(self) -> None:
        """Remove what was written; nothing to do once it is published."""
        if self.temporary.is_dir():
            shutil.rmtree(self.temporary, ignore_errors=True)
        else:
            self.temporary.unlink(missing_ok=True)

    def _refuse_what_is_in_the_way(self) -> None:
        if not self.pattern and self.path.is_dir():
            raise OutputError(f"cannot write {self.path}: it is a folder")
        if self.pattern and self.path.is_dir() and next(self.path.iterdir(), None) is not None:
            raise OutputError(f"cannot write pictures to {self.path}: the folder is not empty")
        if self.pattern and self.path.is_file():
            raise OutputError(f"cannot write pictures to {self.path}: it is a file")


def _split_pattern(target: Path) -> tuple[Path, str]:
    if PATTERN.fullmatch(target.name):
        return target.parent, target.name
    return target, "" if target.suffix else DEFAULT_PATTERN


def _format_name(target: Path) -> str:
    try:
        return FORMATS[target.suffix.lower()]
    except KeyError:
        raise OptionError(
            f"cannot write {target}: expected a name ending in {', '.join(FORMATS)}, a folder or "
            f"a name like {DEFAULT_PATTERN}, found {target.suffix}"
        ) from None
