"""What the HTTP service needs of the engine; ``api.service.Mouthpiece`` has it."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from api.options import AnimateOptions, AnimateReport, Precision

Progress = Callable[[float], None]


class Summary(Protocol):
    """What the store tells about one avatar."""

    @property
    def avatar_id(self) -> str:
        """Its name."""

    @property
    def path(self) -> Path:
        """Its file."""

    @property
    def fingerprint(self) -> str:
        """Hash over its source and settings."""

    @property
    def faces(self) -> int:
        """Frames with a face."""

    @property
    def frames(self) -> int:
        """Frames."""

    @property
    def seconds(self) -> float:
        """Length of the source in seconds; 0 for an image."""

    @property
    def cached(self) -> bool:
        """True when it had been prepared before."""


class Plan(Protocol):
    """How a network runs."""

    @property
    def precision(self) -> str:
        """Arithmetic."""


class Network(Protocol):
    """A loaded generator."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def digest(self) -> str:
        """What changes whenever its output could."""

    @property
    def plan(self) -> Plan:
        """How it runs."""

    def warm_up(self) -> None:
        """Run once, so that the first request is not slow."""


class Networks(Protocol):
    """The networks on this machine."""

    def entries(self) -> Sequence[Any]:
        """All that are known."""

    def precisions(self, name: str) -> Sequence[str]:
        """Which are installed."""

    def default(self) -> str:
        """The generator to use when none is named."""

    def find(self, name: str, precision: str = ...) -> Any:
        """Its files and digest."""


class Avatars(Protocol):
    """The avatar store."""

    def list(self) -> Sequence[Summary]:
        """All avatars."""

    def show(self, avatar_id: str) -> Summary:
        """One avatar; AvatarNotFoundError when there is none."""

    def open(self, avatar_id: str) -> Any:
        """The avatar itself, as a context manager that yields ``Avatar``."""

    def remove(self, avatar_id: str) -> None:
        """Forget it."""

    def import_(self, source: Path, *, avatar_id: str | None = None) -> Summary:
        """Take in a .avatar file after checking its hashes."""


class Engine(Protocol):
    """Blocking and safe to call from any thread."""

    @property
    def avatars(self) -> Avatars:
        """The avatar store."""

    @property
    def models(self) -> Networks:
        """The networks on this machine."""

    def animate(
        self,
        avatar: Path | str,
        audio: Path,
        output: Path,
        options: AnimateOptions | None = None,
        *,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> AnimateReport:
        """Make a face say a recording."""

    def say(
        self,
        text: str,
        avatar: Path | str,
        output: Path,
        *,
        voice: str = ...,
        options: AnimateOptions | None = None,
        cancel: threading.Event | None = None,
    ) -> AnimateReport:
        """Make a face say a text."""

    def add_avatar(
        self,
        source: Path,
        *,
        avatar_id: str | None = None,
        options: AnimateOptions | None = None,
    ) -> Summary:
        """Prepare an image or video."""

    def inspect(self, source: Path) -> Any:
        """Tell what is in a file."""

    def generator(self, name: str | None = None, precision: Precision = ...) -> Network:
        """Return a generator, loaded once; ModelError when it cannot be used."""

    def capabilities(self) -> Any:
        """Chosen precision and why."""

    def close(self) -> None:
        """Let go of the networks."""
