"""How an avatar is to be prepared, and the fingerprint that names the result."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from runtime.boxes import Pads
from runtime.errors import OptionError, VideoDecodeError
from runtime.types import FaceBox
from runtime.video import MAX_PIXELS, Crop

OnMissingFace = Literal["keep", "hold", "interpolate", "fail"]

#: Part of the fingerprint: raise it when the same source and options give another file, as they do
#: with another network for what is in front of faces.
SCHEMA = 2
#: A face smaller than this has no mouth to speak of.
MIN_BOX_SIDE = 16
#: Fingerprint characters that make the default id.
ID_LENGTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareOptions:
    """Options of ``AvatarStore.add``.

    Attributes:
        fps: Frame rate of an image avatar; a video keeps its own.
        pads: Pixels added to the face box.
        box: Fixed face box in pixels of the frame; nothing is searched then.
        crop: Part of the picture to keep: top, bottom, left, right, -1 for the end.
        rotate: Turn the picture 90 degrees clockwise.
        resize_factor: Divide width and height by this.
        static: Use only the first frame of a video.
        smooth: Steady the boxes of a video.
        on_missing_face: Frames without a face are shown as they are (``keep``), take the last box
            (``hold``), are bridged where the gap is short (``interpolate``), or stop the work.
        face_id: Which face to animate; ``None`` for the largest, most present one.
        face_at: Animate the face that is nearest to this point (x, y in pixels) when it appears.
        max_pixels: Refuse larger pictures.
        max_duration_s: Refuse longer videos; ``None`` for no limit.
    """

    fps: float = 25.0
    pads: Pads = field(default_factory=Pads)
    box: FaceBox | None = None
    crop: Crop | None = None
    rotate: bool = False
    resize_factor: int = 1
    static: bool = False
    smooth: bool = True
    on_missing_face: OnMissingFace = "keep"
    face_id: int | None = None
    face_at: tuple[int, int] | None = None
    max_pixels: int = MAX_PIXELS
    max_duration_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be honoured.

        Raises:
            OptionError: The message names the option.
        """
        checks = {
            f"fps must be above 0 and at most 240, not {self.fps}": 0 < self.fps <= 240,
            f"resize_factor must be at least 1, not {self.resize_factor}": self.resize_factor >= 1,
            f"on_missing_face cannot be {self.on_missing_face!r}": self.on_missing_face
            in get_args(OnMissingFace),
            f"face_id must not be negative: {self.face_id}": (self.face_id or 0) >= 0,
            "face_id and face_at exclude each other": None in (self.face_id, self.face_at),
            f"box {order_given(self.box)} (top bottom left right) is less than {MIN_BOX_SIDE} "
            "pixels wide or high": _has_size(self.box),
        }
        for message, is_met in checks.items():
            if not is_met:
                raise OptionError(message)

    def settings(self) -> dict[str, object]:
        """Give what shapes the result, as plain values; limits are left out."""
        values = asdict(self)
        del values["max_pixels"], values["max_duration_s"]
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in values.items()
        }


def fingerprint(
    source: Path | bytes, options: PrepareOptions, detector_digest: str
) -> tuple[str, str]:
    """Name a prepared avatar by everything that shapes it.

    Args:
        source: Image or video.
        options: How it is prepared.
        detector_digest: Digest of the face detector.

    Returns:
        Hex SHA-256 over source, options, detector and schema, and hex SHA-256 of the source alone.

    Raises:
        VideoDecodeError: The source cannot be read.
    """
    content = source_digest(source)
    parts = {
        "schema": SCHEMA,
        "source": content,
        "settings": options.settings(),
        "detector": detector_digest,
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest(), content


def source_digest(source: Path | bytes) -> str:
    """Give the hex SHA-256 of a source's bytes.

    Raises:
        VideoDecodeError: The source cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoDecodeError(f"cannot read {source}: {error.strerror or error}") from error


def order_given(box: FaceBox | None) -> str:
    """Spell a box as Wav2Lip does: top, bottom, left, right."""
    return "" if box is None else f"{box.y1} {box.y2} {box.x1} {box.x2}"


def _has_size(box: FaceBox | None) -> bool:
    return box is None or min(box.width, box.height) >= MIN_BOX_SIDE
