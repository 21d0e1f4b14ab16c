"""What is in a file and what would go wrong with it, before any work."""

import base64
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from avatar_cache.codec import encode_thumbnail
from avatar_cache.sampling import Sample, has_variable_rate, sample_frames
from runtime import boxes
from runtime.audio import AudioInfo, probe_audio
from runtime.crops import UPRIGHT_LIMIT
from runtime.errors import AudioDecodeError, VideoDecodeError
from runtime.faces import FaceDetector, mesh_points
from runtime.media import MediaSource, source_name
from runtime.types import Detection, FaceBox, Frame
from runtime.video import MAX_PIXELS, VideoInfo, probe_video

#: Faces smaller than the generator's own picture are enlarged by it, never sharpened.
SMALL_FACE = 96
#: A head turned further than this is a profile, see ``yaw_share``.
PROFILE_YAW = 0.6
#: Faces further apart than their own size in consecutive samples are told apart.
SAME_FACE_OVERLAP = 0.1
QUIET_DBFS, CLIPPED_DBFS = -45.0, -0.05


@dataclass(frozen=True, slots=True)
class FaceSighting:
    """One face of a picture or video.

    Attributes:
        face_id: Number by size at first appearance, 0-based.
        box: Its box where it was first seen.
        ranges_s: Times at which it is seen, ``(start, end)`` in seconds.
        score: Best score, 0 to 1.
        angle: Strongest roll in degrees.
        yaw: Strongest turn of the head, 0 to 1.
        thumbnail: JPEG of the face.
    """

    face_id: int
    box: FaceBox
    ranges_s: tuple[tuple[float, float], ...]
    score: float
    angle: float
    yaw: float
    thumbnail: bytes


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
    sightings = _Sightings(info)
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


@dataclass(slots=True)
class _Sighted:
    """A face while samples come in."""

    face_id: int
    first: FaceBox
    last: FaceBox
    seen: list[int]
    score: float
    angle: float
    yaw: float
    thumbnail: bytes


class _Sightings:
    """Tells faces apart over samples that may lie seconds apart."""

    def __init__(self, info: VideoInfo) -> None:
        self.times_s: list[float] = []
        self._end_s = info.duration_s
        self._faces: list[_Sighted] = []

    def push(self, sample: Sample, found: list[Detection]) -> None:
        """Take the faces of the next sample."""
        index = len(self.times_s)
        self.times_s.append(sample.time_s)
        free = list(self._faces)
        for face in sorted(found, key=lambda face: -face.box.width * face.box.height):
            known = self._match(face, free)
            if known is None:
                known = self._new(face, sample.frame)
            else:
                free.remove(known)
            _update(known, face, index)

    def faces(self) -> tuple[FaceSighting, ...]:
        """Give all faces seen."""
        return tuple(
            FaceSighting(
                face.face_id,
                face.first,
                tuple(self._ranges(face.seen)),
                round(face.score, 3),
                round(face.angle, 1),
                round(face.yaw, 2),
                face.thumbnail,
            )
            for face in self._faces
        )

    def gaps(self) -> list[tuple[float, float]]:
        """Give the times without any face."""
        seen = {index for face in self._faces for index in face.seen}
        return list(self._ranges([i for i in range(len(self.times_s)) if i not in seen]))

    def _match(self, face: Detection, free: list[_Sighted]) -> _Sighted | None:
        """Find the known face at this place, or the only one left in a picture with one face."""
        overlaps = [boxes.iou(face.box, known.last) for known in free]
        if overlaps and max(overlaps) > SAME_FACE_OVERLAP:
            return free[int(np.argmax(overlaps))]
        unseen = [known for known in free if len(self._faces) == 1]
        return unseen[0] if unseen else None

    def _new(self, face: Detection, frame: Frame) -> _Sighted:
        size = (frame.shape[0], frame.shape[1])
        around = boxes.clip(boxes.square(face.box, 1.4), size)
        picture = encode_thumbnail(frame[around.y1 : around.y2, around.x1 : around.x2])
        new = _Sighted(len(self._faces), face.box, face.box, [], 0.0, 0.0, 0.0, picture)
        self._faces.append(new)
        return new

    def _ranges(self, indices: list[int]) -> Iterator[tuple[float, float]]:
        """Turn sample numbers into times: a sample stands for the time until the next one."""
        present = np.zeros(len(self.times_s), np.bool_)
        present[indices] = True
        ends = [*self.times_s[1:], max(self._end_s, self.times_s[-1])]
        for first, last in boxes.runs(present):
            yield round(self.times_s[first], 2), round(ends[last - 1], 2)


def _update(known: _Sighted, face: Detection, index: int) -> None:
    known.seen.append(index)
    known.last = face.box
    known.score = max(known.score, face.score)
    if abs(face.angle) > abs(known.angle):
        known.angle = face.angle
    if len(face.landmarks) == mesh_points.POINT_COUNT:
        known.yaw = max(known.yaw, mesh_points.yaw_share(face.landmarks))


def _face_warnings(sightings: _Sightings, faces: tuple[FaceSighting, ...]) -> Iterator[str]:
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
