"""``mouthpiece serve``: the HTTP service."""

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on [default: 127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port to listen on [default: 8080].")
    ] = None,
) -> None:
    """Serve animations over HTTP until SIGTERM, then finish what was accepted."""
    from api import app
    from api.settings import Settings

    settings = Settings()
    given = {"host": host or settings.host, "port": settings.port if port is None else port}
    app.serve(settings.model_copy(update=given))
