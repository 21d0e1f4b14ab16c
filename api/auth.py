"""Optional API keys: compared in constant time, before anything of a request is read."""

import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem, response

#: Probes and pages that hold nothing secret; everything else needs a key once keys are set.
OPEN_PATHS = frozenset(
    {
        "/",
        "/docs",
        "/docs/oauth2-redirect",
        "/health",
        "/livez",
        "/openapi.json",
        "/readyz",
        "/redoc",
        "/v1/health",
        "/v1/health_check",
    }
)


class KeyGuard:
    """ASGI middleware that answers 401 to requests without a valid key.

    Args:
        app: The application behind it.
        keys: Valid keys; when empty, every request passes.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[str]) -> None:
        self._app = app
        self._keys = [key.encode() for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        guarded = self._keys and scope["type"] in {"http", "websocket"}
        if not guarded or scope["path"] in OPEN_PATHS or self._admits(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "UNAUTHORIZED"})
            return
        problem = Problem("UNAUTHORIZED", "this service needs a key and none that is valid came")
        await response(problem, scope["state"]["request_id"])(scope, receive, send)

    def _admits(self, headers: Headers) -> bool:
        offered = offered_key(headers).encode("utf-8", "surrogatepass")
        # All keys are compared, always: the time then says nothing about any of them.
        matches = [hmac.compare_digest(offered, key) for key in self._keys]
        return any(matches)


def offered_key(headers: Headers) -> str:
    """Return the key that a request brings, or an empty string.

    OPEA's orchestrator sends the literal ``Authorization: Bearer None`` when it has no key: that
    is no key.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and token and token != "None":  # noqa: S105 - a literal, no secret
        return token
    return headers.get("x-api-key", "")
