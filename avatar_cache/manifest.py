"""What an avatar file says about itself, checked field by field when it is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

from avatar_cache.options import SCHEMA
from runtime.errors import AvatarCorruptError

#: Largest manifest read: an hour of video at 25 frames per second needs about 1 MB.
MAX_BYTES = 16 << 20
MAX_FRAMES = 1_000_000
MAX_SIDE = 16_384


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face of the source.

    Attributes:
        face_id: Number by size at first appearance, 0-based.
        box: First box ``x1, y1, x2, y2``, in pixels.
        ranges_s: Times at which it is seen, ``(start, end)`` in seconds.
        frames: Number of frames with it.
        score: Its best score, 0 to 1.
        largest_yaw: Strongest turn of the head, 0 to 1; above 0.6 is a profile.
        largest_roll: Strongest tilt in degrees, without sign.
    """

    face_id: int
    box: tuple[int, int, int, int]
    ranges_s: tuple[tuple[float, float], ...]
    frames: int
    score: float
    largest_yaw: float
    largest_roll: float


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an avatar file."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The facts of a prepared avatar.

    Attributes:
        fingerprint: Hex SHA-256 of source, settings, detector and schema.
        source_sha256: Hex SHA-256 of the source.
        settings: The options it was prepared with.
        detector: Digest of the face detector.
        kind: "image" for one frame, else "video".
        fps: Frames per second.
        frame_count: Number of reference frames.
        height: Pixels, even.
        width: Pixels, even.
        segment_frames: Frames in each segment but the last.
        has_alpha: Whether opacity is stored.
        rest_index: The frame with the most closed mouth.
        rest_opening: Its opening between the inner lips in parts of the mouth's width.
        face_id: The face that is animated; ``None`` for a fixed box.
        faces: All faces found.
        missing: Half-open frame ranges without the face, shown as they are.
        bridged: Half-open frame ranges without the face whose box was held or interpolated.
        covered: Half-open frame ranges with something in front of the lower face.
        teeth_index: The frame of a video that shows its upper teeth best; ``None`` when none does.
        features: Number of feature levels stored, by digest of the generator.
        members: Size and hash of every other member of the file.
        schema: Version of this layout.
    """

    fingerprint: str
    source_sha256: str
    settings: Mapping[str, Any]
    detector: str
    kind: Literal["image", "video"]
    fps: float
    frame_count: int
    height: int
    width: int
    segment_frames: int
    has_alpha: bool
    rest_index: int
    rest_opening: float
    face_id: int | None
    faces: tuple[FaceTrack, ...]
    missing: tuple[tuple[int, int], ...]
    bridged: tuple[tuple[int, int], ...]
    covered: tuple[tuple[int, int], ...] = ()
    teeth_index: int | None = None
    features: Mapping[str, int] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def segment_count(self) -> int:
        """Number of segments of a video."""
        return -(-self.frame_count // self.segment_frames)

    def to_json(self) -> bytes:
        """Encode; the same manifest gives the same bytes."""
        return json.dumps(asdict(self), sort_keys=True, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Decode and check a manifest that may come from a stranger.

        Raises:
            AvatarCorruptError: It is no manifest of this schema.
        """
        try:
            values = json.loads(content)
            if values.get("schema") != SCHEMA:
                raise AvatarCorruptError(
                    f"avatar file of schema {values.get('schema')}, this version reads {SCHEMA}"
                )
            manifest = cls(**_typed(values))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise AvatarCorruptError(f"unreadable avatar manifest: {error}") from error
        manifest._check()
        return manifest

    def with_members(self, members: Mapping[str, Member]) -> "Manifest":
        """Give a copy that lists other members."""
        return replace(self, members=dict(members))

    def _check(self) -> None:
        """Refuse numbers that no avatar has."""
        facts = {
            "kind": self.kind == ("image" if self.frame_count == 1 else "video"),
            "fps": 0 < self.fps <= 1000,
            "frame_count": 1 <= self.frame_count <= MAX_FRAMES,
            "size": all(0 < n <= MAX_SIDE and n % 2 == 0 for n in (self.height, self.width)),
            "segment_frames": 1 <= self.segment_frames <= 1000,
            "rest_index": 0 <= self.rest_index < self.frame_count,
            "teeth_index": self.teeth_index is None or 0 <= self.teeth_index < self.frame_count,
            "features": all(0 < levels <= 64 for levels in self.features.values()),
        }
        for name, is_sane in facts.items():
            if not is_sane:
                raise AvatarCorruptError(f"impossible value of {name} in the avatar manifest")


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's lists and objects into the manifest's types; wrong ones raise."""
    typed = dict(values)
    typed["faces"] = tuple(_face(face) for face in values["faces"])
    for name in ("missing", "bridged", "covered"):
        typed[name] = tuple((int(first), int(last)) for first, last in values[name])
    for name in ("frame_count", "height", "width", "segment_frames", "rest_index"):
        typed[name] = int(values[name])
    if values.get("teeth_index") is not None:
        typed["teeth_index"] = int(values["teeth_index"])
    for name in ("fps", "rest_opening"):
        typed[name] = float(values[name])
    for name in ("fingerprint", "source_sha256", "detector"):
        typed[name] = str(values[name])
    typed["features"] = {str(key): int(levels) for key, levels in values["features"].items()}
    typed["members"] = {
        str(name): Member(str(member["sha256"]), int(member["size_bytes"]))
        for name, member in values["members"].items()
    }
    return typed


def _face(values: Mapping[str, Any]) -> FaceTrack:
    x1, y1, x2, y2 = (int(edge) for edge in values["box"])
    return FaceTrack(
        face_id=int(values["face_id"]),
        box=(x1, y1, x2, y2),
        ranges_s=tuple((float(start), float(end)) for start, end in values["ranges_s"]),
        frames=int(values["frames"]),
        score=float(values["score"]),
        largest_yaw=float(values["largest_yaw"]),
        largest_roll=float(values["largest_roll"]),
    )
