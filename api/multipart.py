"""Read multipart/form-data: files go to disk while they arrive, fields stay small."""

from collections.abc import Callable
from email.message import Message
from typing import TYPE_CHECKING, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from api.problems import Problem
from api.uploads import FileSink, Inbox, UploadedFile

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

T = TypeVar("T")

MAX_PARTS = 64
MAX_FIELD_BYTES = 64 << 10


class MultipartBody:
    """Push parser for one form.

    Args:
        content_type: The request's header, with its boundary.
        inbox: Where files go.

    Raises:
        Problem: 400 when the header has no usable boundary.
    """

    def __init__(self, content_type: str, inbox: Inbox) -> None:
        self.fields: dict[str, str] = {}
        self.files: dict[str, UploadedFile] = {}
        self._inbox = inbox
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = [bytearray(), bytearray()]
        self._name = ""
        self._sink: FileSink | None = None
        self._field = bytearray()
        self._complete = False
        self._parser = _translated(lambda: MultipartParser(_boundary(content_type), self._calls()))

    def _calls(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._write,
            "on_part_end": self._close,
            "on_end": self._end,
        }

    def push(self, chunk: bytes) -> None:
        """Take the next bytes of the body.

        Raises:
            Problem: 400 when it is malformed, 413 when a part is too large.
        """
        _translated(lambda: self._parser.write(chunk))

    def finish(self) -> None:
        """Check that the form was complete.

        Raises:
            Problem: 400 when its end is missing.
        """
        if not self._complete:
            raise Problem("INVALID_REQUEST", "the form ends before its last boundary", status=400)

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Problem("INPUT_TOO_LARGE", f"the form has more than {MAX_PARTS} parts")
        self._headers.clear()
        self._field.clear()

    def _end_header(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._headers[name.lower()] = value
        for part in self._header:
            part.clear()

    def _open(self) -> None:
        text = self._headers.get(b"content-disposition", b"").decode("utf-8", "replace")
        disposition = _parameters(text)
        if "name" not in disposition:
            raise Problem("INVALID_REQUEST", "a part of the form has no name", status=400)
        self._name = disposition["name"]
        if "filename" in disposition:
            self._sink = self._inbox.new_file(self._name)

    def _write(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._sink.write(data[start:end])
            return
        self._field += data[start:end]
        if len(self._field) > MAX_FIELD_BYTES:
            raise Problem(
                "INPUT_TOO_LARGE",
                f"field {self._name} is over {MAX_FIELD_BYTES} bytes; files need a filename",
            )

    def _close(self) -> None:
        if self._sink is not None:
            sink, self._sink = self._sink, None
            self.files[self._name] = sink.close()
        else:
            self.fields[self._name] = self._field.decode("utf-8", "replace")

    def _end(self) -> None:
        self._complete = True


def _boundary(content_type: str) -> bytes:
    boundary = _parameters(content_type).get("boundary", "")
    if not boundary:
        raise Problem("INVALID_REQUEST", "multipart without a boundary", status=400)
    return boundary.encode("latin-1", "replace")


def _parameters(header: str) -> dict[str, str]:
    message = Message()
    message["content-type"] = header.replace("\r", " ").replace("\n", " ")
    found = message.get_params() or []
    return {name.lower(): value for name, value in found[1:]}


def _translated(step: Callable[[], T]) -> T:
    try:
        return step()
    except FormParserError as error:
        raise Problem("INVALID_REQUEST", f"malformed form: {error}", status=400) from error
