"""What surrounds every request: its id, one log line, one count, and a last answer to errors."""

import asyncio
import logging
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import logs
from api.folders import new_id
from api.metrics import Metrics
from api.problems import Problem, as_problem, response

logger = logging.getLogger(__name__)

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 << 10
#: Asked every few seconds by machines; logged at debug only.
QUIET_PATHS = frozenset(
    {"/livez", "/readyz", "/health", "/v1/health", "/v1/health_check", "/metrics"}
)

#: How much of a refused body is read and thrown away, so that simple clients see the answer
#: instead of a broken pipe.
DRAIN_BYTES = 1 << 20
DRAIN_S = 1.0


class Surround:
    """ASGI middleware; the outermost of this service's own.

    Args:
        app: The application behind it.
        metrics: Counts every answer.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            scope.setdefault("state", {})["request_id"] = new_id()
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        token = logs.request_id.set(request_id)
        exchange = _Exchange(scope, receive, send, request_id)
        start = time.monotonic()
        try:
            check_headers(scope)
            await self._app(scope, exchange.receive, exchange.send)
        except Problem as problem:
            await response(problem, request_id)(scope, exchange.receive, exchange.send)
        except Exception as error:
            logger.exception("request_failed")
            if exchange.status is None:
                answer = response(as_problem(error), request_id)
                await answer(scope, exchange.receive, exchange.send)
        finally:
            self._note(scope, exchange, time.monotonic() - start)
            logs.request_id.reset(token)

    def _note(self, scope: Scope, exchange: "_Exchange", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if len(scope["method"]) < 10 else "none"
        status = exchange.status or 499
        self._metrics.requests.labels(method, route, status).inc()
        if exchange.code:
            self._metrics.problems.labels(exchange.code).inc()
        facts: dict[str, Any] = {
            "method": method,
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 4),
            "client": (scope.get("client") or ("",))[0],
        }
        if own := Headers(scope=scope).get("x-request-id"):
            facts["client_request_id"] = own[:64]
        level = logging.DEBUG if scope["path"] in QUIET_PATHS else logging.INFO
        logger.log(level, "request", extra=facts)


class _Exchange:
    """The two channels of one request, watched."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        headers = Headers(scope=scope)
        self.status: int | None = None
        self.code: str | None = None
        self._request_id = request_id
        self._receive = receive
        self._send = send
        self._has_body = "content-length" in headers or "transfer-encoding" in headers
        self._may_drain = "expect" not in headers

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._has_body = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message.setdefault("headers", [])
            headers.append((b"x-request-id", self._request_id.encode()))
            headers.append((b"x-content-type-options", b"nosniff"))
            self.code = next((v.decode() for k, v in headers if k == b"x-problem"), None)
            if self.status >= 400 and self._has_body and self._may_drain:
                await self._drain()
        await self._send(message)

    async def _drain(self) -> None:
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_S):
                while self._has_body and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def check_headers(scope: Scope) -> None:
    """Refuse absurd headers.

    Raises:
        Problem: 431.
    """
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise Problem(
            "INPUT_TOO_LARGE",
            f"{len(headers)} headers of {size} bytes; allowed are {MAX_HEADERS} of"
            f" {MAX_HEADER_BYTES} bytes",
            status=431,
        )
