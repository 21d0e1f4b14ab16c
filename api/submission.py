"""Read a request's body, whichever of the two ways it comes, into fields and files."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request

from api.fetch import Fetcher
from api.json_body import JsonBody
from api.multipart import MultipartBody
from api.problems import CLIENT_CLOSED, Problem
from api.uploads import Base64Sink, Inbox, UploadedFile

#: Bytes handed to a parser at once: few thread changes, and no step that takes long.
_BLOCK = 256 << 10


@dataclass(slots=True)
class Submission:
    """What a client sent.

    Attributes:
        fields: Plain values; of a form always text.
        files: Files by field name.
        is_json: Whether the body was JSON.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)
    is_json: bool = False

    def file(self, *names: str) -> UploadedFile:
        """Return the first of the named files that was sent.

        Raises:
            Problem: 422 when none was, or when it is empty.
        """
        for name in names:
            if name in self.files:
                if self.files[name].size == 0:
                    raise Problem("INPUT_UNREADABLE", f"{name} is empty")
                return self.files[name]
        raise Problem("INVALID_REQUEST", f"{names[0]}: field required, and it must be a file")

    def expect_files(self, *names: str) -> None:
        """Refuse files under other names: unlike a field, a file is never sent without a purpose.

        Raises:
            Problem: 422; without it another face would speak than the one that was sent.
        """
        for name in self.files:
            if name not in names:
                raise Problem(
                    "INVALID_REQUEST", f"{name}: unknown file field, expected {', '.join(names)}"
                )


@dataclass(frozen=True, slots=True)
class BodyReader:
    """How bodies are read.

    Attributes:
        max_bytes: Largest body.
        timeout_s: When it must be complete.
        fetcher: Rules for URLs in place of files, or ``None`` when they are not fetched.
        offload: Runs blocking steps in a thread.
    """

    max_bytes: int
    timeout_s: float
    fetcher: Fetcher | None
    offload: Callable[[Callable[[], Any]], Awaitable[Any]]

    async def read(
        self, request: Request, inbox: Inbox, *, blobs: frozenset[str], any_type: bool = False
    ) -> Submission:
        """Read the whole body.

        Args:
            request: The request.
            inbox: Where its files go.
            blobs: JSON keys whose text is a file in base64.
            any_type: Take the body as JSON whatever its content type says.

        Raises:
            Problem: 400, 408, 413, 415 or 422.
        """
        self._check_headers(request)
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        try:
            async with asyncio.timeout(self.timeout_s):
                if kind == "multipart/form-data" and not any_type:
                    return await self._form(request, MultipartBody(content_type, inbox))
                if any_type or kind in {"", "text/plain"} or kind.endswith(("/json", "+json")):
                    return await self._json(request, inbox, blobs)
        except TimeoutError as error:
            detail = f"the body did not arrive within {self.timeout_s:g} s"
            raise Problem("TIMEOUT", detail, status=408) from error
        except ClientDisconnect as error:
            raise Problem("INVALID_REQUEST", "the client left", status=CLIENT_CLOSED) from error
        raise Problem("UNSUPPORTED_FORMAT", f"Content-Type {kind[:100]!r} is not taken here")

    def _check_headers(self, request: Request) -> None:
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Problem("UNSUPPORTED_FORMAT", "compressed bodies are not taken")
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem("INPUT_TOO_LARGE", f"the body is over {self.max_bytes} bytes")

    async def _form(self, request: Request, body: MultipartBody) -> Submission:
        await self._pump(request, body)
        body.finish()
        return Submission(dict(body.fields), dict(body.files))

    async def _json(self, request: Request, inbox: Inbox, blobs: frozenset[str]) -> Submission:
        def open_blob() -> Base64Sink:
            return Base64Sink(inbox.new_file("a long string"), "a long string")

        body = JsonBody(open_blob)
        await self._pump(request, body)
        found = await self.offload(body.finish)
        sent: Submission = await self.offload(lambda: self._unpack(found, inbox, blobs))
        return sent

    async def _pump(self, request: Request, body: "PushBody") -> None:
        block = bytearray()
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.max_bytes:
                raise self._too_large()
            block += chunk
            if len(block) >= _BLOCK:
                await self.offload(partial(body.push, bytes(block)))
                block.clear()
        await self.offload(partial(body.push, bytes(block)))

    def _unpack(self, found: dict[str, Any], inbox: Inbox, blobs: frozenset[str]) -> Submission:
        sent = Submission(is_json=True)
        for key, value in found.items():
            if key not in blobs:
                sent.fields[key] = None if isinstance(value, Base64Sink) else value
            elif isinstance(value, Base64Sink):
                sent.files[key] = value.close()
            elif value is not None:
                sent.files[key] = self._from_text(key, value, inbox)
        return sent

    def _from_text(self, key: str, value: object, inbox: Inbox) -> UploadedFile:
        if not isinstance(value, str):
            raise Problem("INVALID_REQUEST", f"{key}: base64 text expected")
        sink = inbox.new_file(key)
        if value.startswith(("http://", "https://")):
            if self.fetcher is None:
                detail = f"{key}: URLs are not fetched here (MOUTHPIECE_ALLOW_URLS)"
                raise Problem("INVALID_REQUEST", detail)
            self.fetcher.fetch(value, sink.write)
            return sink.close()
        text = Base64Sink(sink, key)
        text.write(value.encode("utf-8", "replace"))
        return text.close()


class PushBody(Protocol):
    """A parser that takes a body in pieces."""

    def push(self, chunk: bytes) -> None:
        """Take the next bytes."""
