"""What the store tells about its avatars."""

from dataclasses import asdict, dataclass
from pathlib import Path

from avatar_cache.manifest import Manifest


@dataclass(frozen=True, slots=True)
class AvatarSummary:
    """What a list of avatars shows.

    Attributes:
        avatar_id: Its id.
        path: Its file.
        manifest: Its facts.
        size_bytes: Size of its file.
        used_at: When it was last used, seconds since 1970.
        cached: Whether ``add`` found it ready.
    """

    avatar_id: str
    path: Path
    manifest: Manifest
    size_bytes: int
    used_at: float
    cached: bool = False

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256 of its source, settings, detector and schema."""
        return self.manifest.fingerprint

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.manifest.frame_count

    @property
    def faces(self) -> int:
        """Number of frames that are animated."""
        return self.frames - sum(last - first for first, last in self.manifest.missing)

    @property
    def seconds(self) -> float:
        """Length in seconds; 0 for an image."""
        return 0.0 if self.manifest.kind == "image" else self.frames / self.manifest.fps

    @property
    def height(self) -> int:
        """Pixels."""
        return self.manifest.height

    @property
    def width(self) -> int:
        """Pixels."""
        return self.manifest.width

    def as_json(self) -> dict[str, object]:
        """Give everything known about it as plain values, without the list of members."""
        facts = asdict(self.manifest)
        del facts["members"]
        own: dict[str, object] = {"avatar_id": self.avatar_id, "path": str(self.path)}
        return {**own, "size_bytes": self.size_bytes, "used_at": self.used_at, **facts}


@dataclass(frozen=True, slots=True)
class AvatarCheck:
    """The result of checking one avatar.

    Attributes:
        avatar_id: Its id.
        problem: What is wrong and how to repair it; empty when it is intact.
    """

    avatar_id: str
    problem: str = ""
