"""What is in a file and what would go wrong with it, before any work."""

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from avatar_cache.sampling import has_variable_rate, sample_frames
from avatar_cache.sightings import FaceSighting, Sightings
from runtime.audio import AudioInfo, probe_audio
from runtime.crops import UPRIGHT_LIMIT
from runtime.errors import AudioDecodeError, VideoDecodeError
from runtime.faces import FaceDetector
from runtime.media import MediaSource, source_name
from runtime.video import MAX_PIXELS, probe_video

#: Faces smaller than the generator's own picture are enlarged by it, never sharpened.
SMALL_FACE = 96
#: A head turned further than this is a profile, see ``yaw_share``.
PROFILE_YAW = 0.6
QUIET_DBFS, CLIPPED_DBFS = -45.0, -0.05


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a file.

    Attributes:
        source: Its name.
        kind: "image", "video" or "audio".
        size: Height and width, upright, in pixels; ``None`` for sound alone.
        fps: Frames per second; 0 without moving pictures.
        duration_s: Seconds of video or sound; 0 for an image.
        rotation: Degrees clockwise from stored to upright.
        codec: Of the picture, as FFmpeg spells it; of the sound for sound alone.
        has_alpha: Whether pixels carry opacity.
        frames_sampled: Frames that were searched for faces.
        faces: Faces found, by number.
        audio: Facts of the sound, ``None`` without.
        warnings: What would go wrong or look bad, in words.
    """

    source: str
    kind: Literal["image", "video", "audio"]
    size: tuple[int, int] | None
    fps: float
    duration_s: float
    rotation: int
    codec: str
    has_alpha: bool
    frames_sampled: int
    faces: tuple[FaceSighting, ...]
    audio: AudioInfo | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Give plain values; thumbnails as base64."""
        values = asdict(self)
        for face in values["faces"]:
            face["thumbnail"] = base64.b64encode(face["thumbnail"]).decode()
        return values

    def as_text(self) -> str:
        """Give lines for a person to read."""
        lines = [f"{self.source}: {self.kind}, {self.codec}"]
        if self.size is not None:
            lines.append(f"picture   {self.size[1]} x {self.size[0]}, turned {self.rotation}")
        if self.kind != "image":
            rate = f", {self.fps:.3f} frames/s" if self.fps else ""
            lines.append(f"duration  {self.duration_s:.2f} s{rate}")
        if self.audio is not None:
            lines.append(_audio_line(self.audio))
        lines += [_face_line(face) for face in self.faces]
        lines += [f"warning   {warning}" for warning in self.warnings]
        return "\n".join(lines)


def inspect_media(
    source: MediaSource, detector: FaceDetector, *, max_pixels: int = MAX_PIXELS
) -> Inspection:
    """Tell what is in an image, video or sound.

    Args:
        source: Path, or the file's bytes.
        detector: Finds the faces.
        max_pixels: Limit on height times width.

    Raises:
        VideoDecodeError: There is neither a readable picture nor sound.
        TooLargeError: A picture has more than ``max_pixels``.
    """
    audio = _probe_sound(source)
    try:
        info = probe_video(source, max_pixels=max_pixels)
    except VideoDecodeError:
        if audio is None:
            raise
        return _sound_alone(source, audio)
    sightings = Sightings(info)
    for sample in sample_frames(source, info, max_pixels=max_pixels):
        sightings.push(sample, detector.detect([sample.frame])[0])
    faces = sightings.faces()
    warnings = [*_face_warnings(sightings, faces), *_sound_warnings(audio)]
    if info.kind == "video" and has_variable_rate(source):
        warnings.append(f"variable frame rate: frames are shown at a constant {info.fps:.3f}/s")
    return Inspection(
        source=source_name(source),
        kind=info.kind,
        size=(info.height, info.width),
        fps=info.fps if info.kind == "video" else 0.0,
        duration_s=info.duration_s,
        rotation=info.rotation,
        codec=info.codec,
        has_alpha=info.has_alpha,
        frames_sampled=len(sightings.times_s),
        faces=faces,
        audio=audio,
        warnings=tuple(warnings),
    )


def _face_warnings(sightings: Sightings, faces: tuple[FaceSighting, ...]) -> Iterator[str]:
    if not faces:
        yield f"no face found in {len(sightings.times_s)} frames: nothing can be animated"
        return
    for start, end in sightings.gaps():
        yield f"no face from {start:.2f} to {end:.2f} s: shown unchanged (--on-missing-face)"
    if len(faces) > 1:
        yield f"{len(faces)} faces: the largest, most present one speaks (--face-id chooses)"
    for face in faces:
        name = f"face {face.face_id}"
        if face.box.height < SMALL_FACE:
            yield f"{name} is small ({face.box.height} pixels, {SMALL_FACE} or more look better)"
        if abs(face.angle) > UPRIGHT_LIMIT:
            yield f"{name} is tilted by {face.angle:.0f} degrees: it is turned upright and back"
        if face.yaw > PROFILE_YAW:
            yield f"{name} is seen from the side: the mouth will look wrong"


def _sound_warnings(audio: AudioInfo | None) -> Iterator[str]:
    if audio is None:
        return
    if audio.rms_dbfs < QUIET_DBFS:
        yield f"the sound is nearly silent ({audio.rms_dbfs:.0f} dBFS): the mouth will hardly move"
    if audio.peak_dbfs > CLIPPED_DBFS:
        yield f"the sound reaches full scale ({audio.peak_dbfs:.1f} dBFS): it may be clipped"


def _probe_sound(source: MediaSource) -> AudioInfo | None:
    try:
        return probe_audio(source)
    except AudioDecodeError:
        return None


def _sound_alone(source: MediaSource, audio: AudioInfo) -> Inspection:
    return Inspection(
        source=source_name(source),
        kind="audio",
        size=None,
        fps=0.0,
        duration_s=audio.duration_s,
        rotation=0,
        codec=audio.codec,
        has_alpha=False,
        frames_sampled=0,
        faces=(),
        audio=audio,
        warnings=tuple(_sound_warnings(audio)),
    )


def _audio_line(audio: AudioInfo) -> str:
    return (
        f"sound     {audio.duration_s:.2f} s, {audio.codec}, {audio.sample_rate} Hz, "
        f"{audio.channels} channels, peak {audio.peak_dbfs:.1f} dBFS, rms {audio.rms_dbfs:.1f} dBFS"
    )


def _face_line(face: FaceSighting) -> str:
    times = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in face.ranges_s if end > start)
    place = f"{face.box.x1} {face.box.y1} to {face.box.x2} {face.box.y2}"
    size = f"{face.box.width} x {face.box.height}"
    return f"face {face.face_id}    {place} ({size}), score {face.score:.2f} {times}".rstrip()
