"""One pass over a source's pictures: faces to a spool, frames to the avatar file."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avatar_cache import codec
from avatar_cache.bundle_writer import BundleWriter
from avatar_cache.covers import Found, with_covers
from avatar_cache.members import alpha_name, segment_name
from avatar_cache.options import PrepareOptions, order_given
from avatar_cache.spool import FaceSpool
from avatar_cache.teeth import teeth_shown
from runtime import boxes
from runtime.errors import OptionError, TooLargeError
from runtime.faces import FaceDetector, mesh_points
from runtime.faces.facemesh import SCORE_FLOOR, Roi, read_in
from runtime.faces.shots import ShotDetector
from runtime.media import MediaSource, source_name
from runtime.types import Detection, FaceBox, Planes
from runtime.video import Picture, VideoInfo, read_pictures, to_planes

#: Called with the share of the work done, 0 to 1; may raise ``CancelledError`` to stop.
Progress = Callable[[float], None]
#: Encoded segments waiting for the file at most.
_SEGMENTS_AHEAD = 1
#: Pictures decoded before they are asked for.
_PICTURES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class Source:
    """A source with everything that names its result."""

    media: MediaSource
    fingerprint: str
    sha256: str


@dataclass(slots=True)
class Seen:
    """What one pass over the pictures found out."""

    first: Picture
    size: tuple[int, int]
    fps: float
    has_alpha: bool
    cuts: list[int] = field(default_factory=list)
    frame_count: int = 0


class SourcePass:
    """Reads every picture once: finds faces, notes shot changes, encodes segments aside."""

    def __init__(
        self,
        writer: BundleWriter,
        spool: FaceSpool,
        options: PrepareOptions,
        detector: FaceDetector,
        info: VideoInfo,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress
        self._expected = max(1, info.frame_count)
        self._writer = writer
        self._spool = spool
        self._options = options
        self._detector = detector
        self._is_still = info.kind == "image" or options.static
        self._fps = options.fps if info.kind == "image" else info.fps
        self._planes: list[Planes] = []
        self._alphas: list[codec.Alpha] = []
        self._pending: deque[tuple[str, Future[bytes]]] = deque()

    def run(self, pictures: Iterator[Picture]) -> Seen:
        """Read the pictures to their end, one thread ahead."""
        first = next(pictures)
        seen = Seen(first, first.size, self._fps, first.alpha is not None)
        shots = ShotDetector()
        with ThreadPoolExecutor(1, "mouthpiece-encode") as encoder:
            ahead = itertools.chain([first], read_ahead(pictures))
            for picture, faces, covers in with_covers(self._with_faces(ahead)):
                if self._progress is not None:
                    self._progress(min(1.0, seen.frame_count / self._expected))
                if shots.is_cut(picture.pyramid):
                    seen.cuts.append(seen.frame_count)
                teeth = [self._teeth_shown(picture, face) for face in faces]
                self._spool.add(seen.frame_count, faces, covers, teeth)
                seen.frame_count += 1
                self._collect(picture, seen, encoder)
            self._encode_collected(seen, encoder)
            while self._pending:
                self._write_oldest()
        return seen

    def _teeth_shown(self, picture: Picture, face: Detection) -> float:
        return 0.0 if self._is_still else teeth_shown(picture.pyramid, face)

    def _with_faces(self, pictures: Iterator[Picture]) -> Iterator[Found]:
        kept, shown = itertools.tee(pictures)
        if self._options.box is not None:
            faces = _in_box(shown, self._options.box, self._detector)
        elif self._is_still:
            faces = (self._detector.detect([picture.frame])[0] for picture in shown)
        else:
            faces = self._detector.track(picture.pyramid for picture in shown)
        return zip(kept, faces, strict=False)

    def _collect(self, picture: Picture, seen: Seen, encoder: ThreadPoolExecutor) -> None:
        if self._is_still:
            self._submit(encoder, "image.png", picture.frame)
            if picture.alpha is not None:
                self._submit(encoder, "alpha.png", picture.alpha)
            return
        self._planes.append(to_planes(picture.frame) if picture.planes is None else picture.planes)
        if seen.has_alpha:
            self._alphas.append(_opacity(picture))
        if len(self._planes) == codec.segment_length(seen.size):
            self._encode_collected(seen, encoder)

    def _encode_collected(self, seen: Seen, encoder: ThreadPoolExecutor) -> None:
        if not self._planes:
            return
        index = (seen.frame_count - 1) // codec.segment_length(seen.size)
        segment = encoder.submit(codec.encode_segment, self._planes)
        self._pending.append((segment_name(index), segment))
        if seen.has_alpha:
            self._submit(encoder, alpha_name(index), np.vstack(self._alphas))
        self._planes, self._alphas = [], []
        while len(self._pending) > _SEGMENTS_AHEAD:
            self._write_oldest()

    def _submit(self, encoder: ThreadPoolExecutor, name: str, image: NDArray[np.uint8]) -> None:
        self._pending.append((name, encoder.submit(codec.encode_image, image)))

    def _write_oldest(self) -> None:
        name, encoded = self._pending.popleft()
        self._writer.add(name, encoded.result())


def read_source(source: Source, info: VideoInfo, options: PrepareOptions) -> Iterator[Picture]:
    """Yield a source's pictures as the options want them.

    Raises:
        TooLargeError: The picture or the video's length is beyond the options' limits.
        VideoDecodeError: The source cannot be read.
    """
    pictures = read_pictures(
        source.media,
        resize_factor=options.resize_factor,
        rotate=options.rotate,
        crop=options.crop,
        max_pixels=options.max_pixels,
    )
    for index, picture in enumerate(itertools.islice(pictures, 1 if options.static else None)):
        _check_length(index, info, source, options)
        yield picture


def read_ahead(pictures: Iterator[Picture]) -> Iterator[Picture]:
    """Yield the same pictures, decoding the next ones in a thread of their own meanwhile."""
    with ThreadPoolExecutor(1, "mouthpiece-read") as reader:
        pending = deque(reader.submit(next, pictures, None) for _ in range(_PICTURES_AHEAD))
        try:
            while (picture := pending.popleft().result()) is not None:
                pending.append(reader.submit(next, pictures, None))
                yield picture
        finally:
            for waiting in pending:
                waiting.cancel()


def _check_length(index: int, info: VideoInfo, source: Source, options: PrepareOptions) -> None:
    """Refuse a video that is too long, whatever its header says."""
    longest = options.max_duration_s
    if longest is not None and info.kind == "video" and index / info.fps > longest:
        raise TooLargeError(
            f"{source_name(source.media)} is longer than the limit of {longest:g} s for avatars"
        )


def _in_box(
    pictures: Iterator[Picture], box: FaceBox, detector: FaceDetector
) -> Iterator[list[Detection]]:
    """Read the landmarks inside a fixed box; nothing is searched."""
    settle = partial(detector.facemesh.settle, passes=2)
    for picture in pictures:
        height, width = picture.size
        if boxes.clip(box, picture.size) != box:
            raise OptionError(
                f"box {order_given(box)} (top bottom left right) leaves the {width} x {height} "
                "picture"
            )
        score, landmarks = read_in(picture.pyramid, Roi.of_box(box, 1.25), settle)
        if score < SCORE_FLOOR:
            landmarks = mesh_points.typical_landmarks(box)
        yield [Detection(box, score, landmarks)]


def _opacity(picture: Picture) -> codec.Alpha:
    if picture.alpha is not None:
        return picture.alpha
    return np.full(picture.size, 255, np.uint8)
