"""Read a JSON object whose long strings are files: they go to disk, decoded, while they arrive.

Memory stays small however long the strings are, and no single step holds the interpreter for long.
Everything that is not a long string is collected and given to ``json`` in the end.
"""

import json
import uuid
from collections.abc import Callable
from typing import NoReturn

from api.problems import Problem
from api.uploads import Base64Sink

#: Strings up to this stay in memory, in bytes of JSON text.
INLINE_BYTES = 64 << 10
#: All other text together.
SKELETON_BYTES = 1 << 20
#: More long strings than any request needs.
MAX_BLOBS = 8

_ESCAPED_BLANKS = frozenset(b"nrt")


class JsonBody:
    """Push parser for one JSON object.

    Args:
        open_blob: Opens the file of the next long string.
    """

    def __init__(self, open_blob: Callable[[], Base64Sink]) -> None:
        self._open_blob = open_blob
        self._skeleton = bytearray()
        self._blobs: dict[str, Base64Sink] = {}
        self._mark = uuid.uuid4().hex
        self._in_string = False
        self._escaped = False
        self._string_start = 0
        self._blob: Base64Sink | None = None

    def push(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Problem: The body is too large, or a long string is not base64.
        """
        at = 0
        while at < len(chunk):
            if self._escaped:
                self._take_escape(chunk[at : at + 1])
                at += 1
            elif self._in_string:
                at = self._inside(chunk, at)
            else:
                at = self._outside(chunk, at)
        if len(self._skeleton) > SKELETON_BYTES:
            raise Problem(
                "INPUT_TOO_LARGE", f"the JSON text beside files is over {SKELETON_BYTES} bytes"
            )

    def _outside(self, chunk: bytes, at: int) -> int:
        quote = chunk.find(b'"', at)
        end = len(chunk) if quote < 0 else quote + 1
        self._skeleton += chunk[at:end]
        if quote >= 0:
            self._in_string = True
            self._string_start = len(self._skeleton)
        return end

    def _inside(self, chunk: bytes, at: int) -> int:
        quote = chunk.find(b'"', at)
        end = len(chunk) if quote < 0 else quote
        backslash = chunk.find(b"\\", at, end)
        if backslash >= 0:
            self._take(chunk[at:backslash])
            self._escaped = True
            return backslash + 1
        self._take(chunk[at:end])
        if quote < 0:
            return end
        self._skeleton += b'"'
        self._in_string = False
        self._blob = None
        return end + 1

    def _take(self, text: bytes) -> None:
        if self._blob is not None:
            self._blob.write(text)
            return
        self._skeleton += text
        if len(self._skeleton) - self._string_start > INLINE_BYTES:
            self._move_out()

    def _take_escape(self, letter: bytes) -> None:
        self._escaped = False
        if self._blob is None:
            self._skeleton += b"\\" + letter
        elif letter == b"/":
            self._blob.write(b"/")
        elif letter[0] not in _ESCAPED_BLANKS:
            _not_base64()

    def _move_out(self) -> None:
        if len(self._blobs) == MAX_BLOBS:
            raise Problem("INPUT_TOO_LARGE", f"more than {MAX_BLOBS} long strings in one body")
        text = bytes(self._skeleton[self._string_start :])
        for escape, plain in ((rb"\/", b"/"), (rb"\n", b""), (rb"\r", b""), (rb"\t", b"")):
            text = text.replace(escape, plain)
        if b"\\" in text:
            _not_base64()
        name = f"{self._mark}:{len(self._blobs)}"
        del self._skeleton[self._string_start :]
        self._skeleton += name.encode()
        self._blob = self._blobs[name] = self._open_blob()
        self._blob.write(text)

    def finish(self) -> dict[str, object]:
        """Parse what was pushed.

        Returns:
            The object; a long string is a ``Base64Sink`` in it, still to be closed.

        Raises:
            Problem: 400 when it is not a JSON object.
        """
        try:
            body = json.loads(self._skeleton, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise Problem("INVALID_REQUEST", f"not JSON: {error}", status=400) from error
        if not isinstance(body, dict):
            raise Problem("INVALID_REQUEST", "the body must be a JSON object")
        return {
            key: self._blobs.get(value, value) if isinstance(value, str) else value
            for key, value in body.items()
        }


def _not_base64() -> NoReturn:
    raise Problem("INPUT_UNREADABLE", "a long string of the body is not base64")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
