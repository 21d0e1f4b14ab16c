"""From an image or video to an avatar file, in one pass and flat memory."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_cache import codec, face_path, selection
from avatar_cache.bundle_writer import BundleWriter
from avatar_cache.covers import frame_covers
from avatar_cache.face_path import FacePath, Framing
from avatar_cache.manifest import Manifest
from avatar_cache.options import PrepareOptions
from avatar_cache.selection import NO_ROW
from avatar_cache.source_pass import Progress, Seen, Source, SourcePass, read_source
from avatar_cache.spool import FaceSpool, Rows
from avatar_cache.teeth import teeth_index
from runtime.boxes import Pads
from runtime.errors import FaceNotFoundError
from runtime.faces import FaceDetector, mesh_points
from runtime.faces.facemesh import SCORE_FLOOR
from runtime.media import source_name
from runtime.types import COVER_SIZE
from runtime.video import probe_video


def prepare_avatar(
    source: Source,
    target: Path,
    options: PrepareOptions,
    detector: FaceDetector,
    *,
    progress: Progress | None = None,
) -> Manifest:
    """Write an avatar file.

    Args:
        source: Image or video.
        target: The file to write; temporary files appear beside it.
        options: How it is prepared.
        detector: Finds the faces; not asked when ``options.box`` is given.
        progress: Called with the share done.

    Returns:
        The file's manifest, without its members.

    Raises:
        FaceNotFoundError: No face, not the face asked for, or a frame without one when that is
            to fail.
        TooLargeError: The picture or the video's length is beyond the options' limits.
        VideoDecodeError: The source cannot be read.
        CancelledError: ``progress`` asked to stop.
    """
    info = probe_video(source.media, max_pixels=options.max_pixels)
    spool = FaceSpool(target.with_suffix(".faces"))
    with BundleWriter(target) as writer, spool:
        pictures = read_source(source, info, options)
        seen = SourcePass(writer, spool, options, detector, info, progress).run(pictures)
        rows = spool.rows()
        if not len(rows.facts):
            raise _no_face(seen, source, detector)
        face_id = options.face_id
        if options.face_at is not None:
            face_id = selection.nearest_face(rows.facts, options.face_at)
        chosen = selection.choose_rows(rows.facts, seen.frame_count, seen.cuts, face_id)
        _check_missing(chosen, source, options)
        framing = _framing(seen, options, detector)
        path = face_path.build_path(rows, chosen, seen.cuts, options, framing)
        covered = _write_covers(writer, rows, path, seen)
        manifest = _manifest(source, options, detector, seen, path, rows, chosen)
        manifest = replace(manifest, covered=covered)
        _write_path(writer, rows, path)
        writer.add("thumbnail.jpg", codec.encode_thumbnail(seen.first.frame))
        writer.finish(manifest)
    return manifest


def _no_face(seen: Seen, source: Source, detector: FaceDetector) -> FaceNotFoundError:
    best = detector.best_score(seen.first.frame)
    found = f"best score {best:.2f} in the first, need {SCORE_FLOOR:.2f}"
    if best >= SCORE_FLOOR:
        found = "something like one in the first, but without a face's landmarks"
    return FaceNotFoundError(
        f"no face in {source_name(source.media)}: looked at {seen.frame_count} frames, {found}; "
        f"use a picture with a visible face of at least 96 pixels, or give its place (box)"
    )


def _check_missing(chosen: NDArray[np.intp], source: Source, options: PrepareOptions) -> None:
    missing = np.flatnonzero(chosen == NO_ROW)
    if options.on_missing_face == "fail" and missing.size:
        index = int(missing[0])
        raise FaceNotFoundError(
            f"no face in frame {index} of {source_name(source.media)} ({missing.size} of "
            f"{len(chosen)} frames show none); choose keep, hold or interpolate to go on",
            frame_index=index,
        )


def _framing(seen: Seen, options: PrepareOptions, detector: FaceDetector) -> Framing:
    wanted, included = np.array(options.pads), np.array(detector.included_pads)
    is_fixed = options.box is not None
    return Framing(
        size=seen.size,
        fps=seen.fps,
        from_mesh=detector.frames_mesh and not is_fixed,
        extra_pads=Pads(0, 0, 0, 0) if is_fixed else Pads(*(wanted - included).tolist()),
        is_fixed=is_fixed,
    )


def _write_covers(
    writer: BundleWriter, rows: Rows, path: FacePath, seen: Seen
) -> tuple[tuple[int, int], ...]:
    """Write what is in front of the face, if anything is; give the ranges of those frames."""
    covers = partial(frame_covers, rows, path, seen.cuts, seen.size)
    covered = selection.frame_ranges(np.array([cover.any() for cover in covers()]))
    if covered:
        shape = (seen.frame_count, COVER_SIZE, COVER_SIZE)
        blocks = (cover[None] for cover in covers())
        writer.add_array_blocks("covers.npy", np.dtype(np.uint8), shape, blocks)
    return covered


def _write_path(writer: BundleWriter, rows: Rows, path: FacePath) -> None:
    writer.add_array("faces.npy", face_path.path_table(rows, path))
    shape = (len(path.share), mesh_points.POINT_COUNT, 2)
    landmarks = face_path.landmark_blocks(rows, path)
    writer.add_array_blocks("landmarks.npy", np.dtype(np.float32), shape, landmarks)


def _manifest(
    source: Source,
    options: PrepareOptions,
    detector: FaceDetector,
    seen: Seen,
    path: FacePath,
    rows: Rows,
    chosen: NDArray[np.intp],
) -> Manifest:
    rest_index, rest_opening = face_path.rest_frame(rows, path, chosen)
    is_fixed = options.box is not None
    return Manifest(
        fingerprint=source.fingerprint,
        source_sha256=source.sha256,
        settings=options.settings(),
        detector=detector.digest,
        kind="image" if seen.frame_count == 1 else "video",
        fps=seen.fps,
        frame_count=seen.frame_count,
        height=seen.size[0],
        width=seen.size[1],
        segment_frames=codec.segment_length(seen.size),
        has_alpha=seen.has_alpha,
        rest_index=rest_index,
        rest_opening=round(rest_opening, 4),
        teeth_index=teeth_index(rows.facts, path, chosen, seen.cuts),
        face_id=None if is_fixed else int(rows.facts["face_id"][chosen[path.has_face][0]]),
        faces=() if is_fixed else selection.summarize_faces(rows.facts, seen.fps),
        missing=selection.frame_ranges(~path.has_face),
        bridged=selection.frame_ranges(path.bridged),
    )
