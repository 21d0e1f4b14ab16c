"""A prepared avatar, read from its file as it is needed."""

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from avatar_cache import codec
from avatar_cache.bundle import Bundle
from avatar_cache.face_crop import cut_face
from avatar_cache.face_path import PATH_COLUMNS
from avatar_cache.manifest import Manifest
from avatar_cache.members import alpha_name, feature_name, segment_name
from avatar_cache.stored_rows import StoredRows
from runtime.errors import AvatarCorruptError
from runtime.faces.facemesh import SCORE_FLOOR
from runtime.faces.mesh_points import POINT_COUNT
from runtime.types import COVER_SIZE, Cover, FaceBox, FaceCrop, Planes, ReferenceFrame
from runtime.video import to_planes

#: Decoded segments kept: the one in use, the next one and one more for turning back.
SEGMENTS_KEPT = 3
#: Open this far, in mouth widths, a still picture is taken to show its teeth.
OPEN_STILL = 0.06
#: Types of stored features.
FEATURE_KINDS = "float16 float32 uint8 int8"


class CachedAvatar:
    """Implements ``runtime.types.Avatar``; safe to share between threads.

    Decoding runs in a thread of its own, one segment ahead of the reader, and memory holds
    ``SEGMENTS_KEPT`` segments whatever the avatar's length, and frames with a name of their own.
    """

    def __init__(
        self, path: Path, *, features: str | None = None, remedy: str | None = None
    ) -> None:
        """Open an avatar file.

        Args:
            path: The file; its stem is the avatar's id.
            features: Digest of the generator whose stored features the frames carry, if they are
                there; ``None`` for none.
            remedy: What to do when the file is damaged, for messages.

        Raises:
            AvatarNotFoundError: There is no such file.
            AvatarCorruptError: It is damaged.
        """
        self._bundle = Bundle(path, remedy=remedy)
        try:
            self._path_table, self._landmarks = self._read_path()
            self._covers = self._read_covers()
            self._levels = self._feature_levels(features)
        except BaseException:
            self._bundle.close()
            raise
        self._segments: OrderedDict[int, Future[list[ReferenceFrame]]] = OrderedDict()
        self._lock = threading.Lock()
        self._decoder = ThreadPoolExecutor(1, "mouthpiece-avatar")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the decoding thread, drop decoded frames and close the file."""
        self._decoder.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            self._segments.clear()
        self._bundle.close()

    @property
    def manifest(self) -> Manifest:
        """The avatar's facts."""
        return self._bundle.manifest

    @property
    def avatar_id(self) -> str:
        """Its id in the store."""
        return self._bundle.path.stem

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.manifest.fps

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, both even."""
        return self.manifest.height, self.manifest.width

    @property
    def has_alpha(self) -> bool:
        """Whether its frames carry opacity."""
        return self.manifest.has_alpha

    @property
    def has_features(self) -> bool:
        """Whether the frames carry the features asked for."""
        return bool(self._levels)

    @property
    def missing_s(self) -> tuple[tuple[float, float], ...]:
        """Times in which the face was not found, ``(start, end)`` in seconds, in order.

        Frames whose box was held or interpolated are among them.
        """
        fps = self.manifest.fps
        unseen = sorted((*self.manifest.missing, *self.manifest.bridged))
        return tuple((first / fps, last / fps) for first, last in unseen)

    def __len__(self) -> int:
        return self.manifest.frame_count

    @cached_property
    def rest_frame(self) -> ReferenceFrame:
        """The frame with the most closed mouth."""
        return self.frame(self.manifest.rest_index)

    @cached_property
    def teeth_frame(self) -> ReferenceFrame | None:
        """The frame that shows its own upper teeth best; ``None`` when none does.

        An open mouth of a still picture is taken to show all that is to be seen.
        """
        if self.manifest.kind == "image":
            return self.frame(0) if self.manifest.rest_opening > OPEN_STILL else None
        index = self.manifest.teeth_index
        # Its opacity is a part of its segment's, which would be kept whole.
        return None if index is None else replace(self.frame(index), alpha=None)

    @cached_property
    def thumbnail(self) -> bytes:
        """A small JPEG of the first frame."""
        return self._bundle.read("thumbnail.jpg")

    def frame(self, index: int) -> ReferenceFrame:
        """Give one reference frame, 0-based."""
        segment, place = divmod(index, self.manifest.segment_frames)
        return self._segment(segment).result()[place]

    def frames(self, order: Iterator[int]) -> Iterator[ReferenceFrame]:
        """Yield reference frames in ``order``, decoding one segment ahead.

        Args:
            order: Indices of frames, possibly without end; pulled at most one segment ahead.

        Raises:
            AvatarCorruptError: A segment's bytes changed; names it and how to repair.
        """
        upcoming: deque[int] = deque(islice(order, self.manifest.segment_frames))
        while upcoming:
            index = upcoming.popleft()
            segment = self._segment(index // self.manifest.segment_frames)
            for following in islice(order, 1):
                upcoming.append(following)
                self._segment(following // self.manifest.segment_frames)
            yield segment.result()[index % self.manifest.segment_frames]

    def crops(self) -> Iterator[FaceCrop]:
        """Yield the face crop of every frame, in order."""
        for frame in self.frames(iter(range(len(self)))):
            yield frame.crop

    def _segment(self, segment: int) -> Future[list[ReferenceFrame]]:
        """Give a segment, starting to decode it unless it is kept or under way."""
        with self._lock:
            if segment not in self._segments:
                self._segments[segment] = self._decoder.submit(self._decode, segment)
            self._segments.move_to_end(segment)
            while len(self._segments) > SEGMENTS_KEPT:
                self._segments.popitem(last=False)
            return self._segments[segment]

    def _decode(self, segment: int) -> list[ReferenceFrame]:
        first = segment * self.manifest.segment_frames
        pictures, alphas = self._pictures(segment)
        expected = min(self.manifest.segment_frames, len(self) - first)
        if len(pictures) != expected or len(alphas) != expected:
            raise self._bundle.corrupt(segment_name(segment))
        return [
            self._reference(first + place, planes, alpha)
            for place, (planes, alpha) in enumerate(zip(pictures, alphas, strict=True))
        ]

    def _pictures(self, segment: int) -> tuple[list[Planes], list[codec.Alpha | None]]:
        height, width = self.size
        is_still = "image.png" in self.manifest.members
        name = "image.png" if is_still else segment_name(segment)
        content = self._bundle.read(name)
        try:
            if is_still:
                pictures = [to_planes(codec.decode_image(content, (height, width, 3)))]
            else:
                most = self.manifest.segment_frames
                pictures = codec.decode_segment(content, self.size, most=most)
            if not self.manifest.has_alpha:
                return pictures, [None] * len(pictures)
            name = "alpha.png" if is_still else alpha_name(segment)
            shape = (len(pictures) * height, width)
            stacked = codec.decode_image(self._bundle.read(name), shape)
        except AvatarCorruptError as error:
            raise self._bundle.corrupt(name) from error
        return pictures, list(stacked.reshape(-1, height, width))

    def _reference(self, index: int, planes: Planes, alpha: codec.Alpha | None) -> ReferenceFrame:
        row = self._path_table[index]
        box = FaceBox(*(int(edge) for edge in row[:4]))
        angle = float(row[4])
        return ReferenceFrame(
            index=index,
            planes=planes,
            box=box,
            angle=angle,
            crop=cut_face(planes, box, angle),
            landmarks=self._landmarks[index],
            features=tuple(level[index] for level in self._levels) or None,
            has_face=bool(row[5]),
            alpha=alpha,
            cover=self._cover(index),
            is_known=bool(row[6] >= SCORE_FLOOR),
        )

    def _read_path(self) -> tuple[NDArray[np.float32], StoredRows]:
        table = self._bundle.array("faces.npy", "float32", (len(self), len(PATH_COLUMNS)))
        mesh = self._bundle.array("landmarks.npy", "float32", (len(self), POINT_COUNT, 2))
        return table.whole(), mesh

    def _read_covers(self) -> StoredRows | None:
        if not self.manifest.covered:
            return None
        return self._bundle.array("covers.npy", "uint8", (len(self), COVER_SIZE, COVER_SIZE))

    def _cover(self, index: int) -> Cover | None:
        cover = None if self._covers is None else self._covers[index]
        return cover if cover is not None and cover.any() else None

    def _feature_levels(self, digest: str | None) -> tuple[StoredRows, ...]:
        if digest is None or digest not in self.manifest.features:
            return ()
        return tuple(
            self._bundle.array(feature_name(digest, level), FEATURE_KINDS, (len(self),))
            for level in range(self.manifest.features[digest])
        )
