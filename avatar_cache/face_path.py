"""The animated face's way through the video: bridged, steadied, padded boxes and landmarks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_cache.options import PrepareOptions
from avatar_cache.selection import NO_ROW
from avatar_cache.spool import Rows
from avatar_cache.steady_mesh import REACH, steadied
from runtime import boxes
from runtime.boxes import BoxArray, Pads
from runtime.crops import HALVED_SIDE, UPRIGHT_LIMIT
from runtime.faces import mesh_points
from runtime.types import FaceBox

#: Longest gap bridged by ``interpolate``, in seconds.
LONGEST_BRIDGE_S = 0.5
#: Degrees against which the steadiness of the roll is measured, see ``smooth_track``.
ANGLE_SCALE = 60.0
#: Degrees beyond the limit after which a face is turned by its whole roll.
TURNING_REACH = 4.0
#: Frames whose landmarks are handled at once: the sums over them take about 20 MB.
_BLOCK = 200

#: One frame of the path, as stored in ``faces.npy``.
PATH_COLUMNS = ("x1", "y1", "x2", "y2", "angle", "has_face", "score", "opening")


@dataclass(frozen=True, slots=True)
class FacePath:
    """Where the animated face is in every frame.

    Attributes:
        boxes: int ``(n, 4)`` corners, padded and clipped.
        angles: float64 ``(n,)`` roll in degrees, 0 for upright shots.
        has_face: bool ``(n,)``.
        bridged: bool ``(n,)``: True where the box was held or interpolated.
        before: Row of the frame, or the last known one before it.
        after: Row of the frame, or the next known one, for interpolation.
        share: How far from ``before`` to ``after``, 0 to 1.
        calm: Half-open ranges of frames whose landmarks are steadied as one.
    """

    boxes: NDArray[np.int32]
    angles: NDArray[np.float64]
    has_face: NDArray[np.bool_]
    bridged: NDArray[np.bool_]
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: NDArray[np.float64]
    calm: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Framing:
    """How boxes come about.

    Attributes:
        size: Height and width of the frames.
        fps: Frames per second.
        from_mesh: Whether boxes follow from the landmarks and turn with the head.
        extra_pads: Pixels to add to each box.
        is_fixed: Whether the box was given and must not be touched.
    """

    size: tuple[int, int]
    fps: float
    from_mesh: bool
    extra_pads: Pads
    is_fixed: bool = False


def build_path(
    rows: Rows,
    chosen: NDArray[np.intp],
    cuts: list[int],
    options: PrepareOptions,
    framing: Framing,
) -> FacePath:
    """Turn the chosen detections into a steady path.

    Args:
        rows: All faces found.
        chosen: Row of each frame or ``NO_ROW``; at least one is known.
        cuts: Frames at which a new shot begins.
        options: Smoothing and what to do without a face.
        framing: How boxes come about.
    """
    seen = chosen != NO_ROW
    before, after, share = _neighbours(chosen, cuts)
    if options.on_missing_face != "interpolate":
        share = np.zeros_like(share)
    angles = _mixed(rows.facts["angle"].astype(np.float64)[:, None], before, after, share)[:, 0]
    has_face = _bridge(seen, cuts, options, framing.fps)
    if options.smooth and not framing.is_fixed:
        angles = _steady_angles(angles, has_face, cuts)
    turns = framing.from_mesh and not framing.is_fixed
    angles = turned_angles(angles) if turns else np.zeros(len(angles))
    corners = (
        _corners(rows, before, after, share, angles)
        if turns
        else _mixed(rows.facts["box"].astype(np.float64), before, after, share)
    )
    if options.smooth and not framing.is_fixed:
        corners = boxes.smooth_boxes(corners, has_face, cuts=cuts)
    whole = _pad_and_clip(corners, angles, framing)
    calm = tuple(boxes.runs(has_face, cuts)) if options.smooth else ()
    return FacePath(whole, angles, has_face, has_face & ~seen, before, after, share, calm)


def landmark_blocks(rows: Rows, path: FacePath) -> Iterator[NDArray[np.float32]]:
    """Yield the landmarks of all frames, steadied, ``(k, 468, 2)`` at a time."""
    for first in range(0, len(path.share), _BLOCK):
        last = min(first + _BLOCK, len(path.share))
        # Frames beside the block have a say in it, so blocks join without a seam.
        begin, end = max(0, first - REACH), min(len(path.share), last + REACH)
        part = slice(begin, end)
        mesh = _meshes(rows, path.before[part], path.after[part], path.share[part])
        for start, stop in path.calm:
            if start < end and stop > begin:
                stretch = slice(max(start, begin) - begin, min(stop, end) - begin)
                mesh[stretch] = steadied(mesh[stretch])
        yield mesh[first - begin : last - begin].astype(np.float32)


def path_table(rows: Rows, path: FacePath) -> NDArray[np.float32]:
    """Give the path as stored: float32 ``(n, 8)``, see ``PATH_COLUMNS``."""
    facts = rows.facts[path.before]
    columns = [*path.boxes.T, path.angles, path.has_face, facts["score"], facts["opening"]]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def rest_frame(rows: Rows, path: FacePath, chosen: NDArray[np.intp]) -> tuple[int, float]:
    """Find the frame with the most closed mouth, seen from the front if possible.

    Returns:
        Its index, and its opening in parts of the mouth's width.
    """
    known = np.flatnonzero((chosen != NO_ROW) & path.has_face)
    if not known.size:
        return 0, 0.0
    facts = rows.facts[chosen[known]]
    openings = facts["opening"].astype(np.float64)
    # A neighbour's opening counts too: one closed frame in the middle of speech is a bad rest.
    around = np.convolve(np.pad(openings, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    best = int(np.argmin(around + 0.1 * facts["yaw"]))
    return int(known[best]), float(openings[best])


def turned_angles(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give by how much each frame is turned upright: nothing up to the limit, all soon after.

    The way between is smooth, so that a head swaying around the limit never jumps.

    Args:
        angles: ``(n,)`` roll in degrees.

    Returns:
        float64 ``(n,)``; exactly 0 for nearly upright faces. A single frame has no way between.
    """
    beyond = np.abs(angles) - UPRIGHT_LIMIT
    share = np.clip(beyond / TURNING_REACH if len(angles) > 1 else np.sign(beyond), 0, 1)
    turned: NDArray[np.float64] = angles * share**2 * (3 - 2 * share)
    return turned


def _neighbours(
    chosen: NDArray[np.intp], cuts: list[int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Give for each frame the known rows around it, in its own shot, and its place between them."""
    known = np.flatnonzero(chosen != NO_ROW)
    frames = np.arange(len(chosen))
    shot = np.searchsorted(cuts, frames, side="right")
    last = known[np.searchsorted(known, frames).clip(0, len(known) - 1)]
    first = known[(np.searchsorted(known, frames, side="right") - 1).clip(0, None)]
    first = np.where((shot[first] != shot) & (shot[last] == shot), last, first)
    last = np.where(shot[last] == shot, last, first)
    share = np.where(last > first, (frames - first) / np.maximum(last - first, 1), 0.0)
    return chosen[first], chosen[last], share


def _bridge(
    seen: NDArray[np.bool_], cuts: list[int], options: PrepareOptions, fps: float
) -> NDArray[np.bool_]:
    """Tell which frames are animated under the policy for missing faces."""
    longest = max(1, round(LONGEST_BRIDGE_S * fps))
    if options.on_missing_face == "hold":
        return _held(seen, cuts, longest)
    if options.on_missing_face == "interpolate":
        return boxes.fill_gaps(np.zeros((len(seen), 1)), seen, longest=longest, cuts=cuts)[1]
    return seen


def _held(seen: NDArray[np.bool_], cuts: list[int], longest: int) -> NDArray[np.bool_]:
    """Hold a face to the end of its shot, and back a little before it is first seen there.

    Finding a face may take some frames; what was in the shot before is another face or none.
    """
    held = seen.copy()
    for first, last in boxes.runs(np.ones_like(seen), cuts):
        known = np.flatnonzero(seen[first:last])
        if known.size and known[0] <= longest:
            held[first:last] = True
        elif known.size:
            held[first + known[0] - longest : last] = True
    return held


def _mixed(
    values: NDArray[np.floating],
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    weight = share.reshape(-1, *[1] * (values.ndim - 1))
    mixed: NDArray[np.float64] = values[before] * (1 - weight) + values[after] * weight
    return mixed


def _meshes(
    rows: Rows,
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give the landmarks of some frames as they were read, ``(k, 468, 2)``."""
    meshes = rows.landmarks(before).astype(np.float64)
    between = np.flatnonzero(share)
    if between.size:
        weight = share[between, None, None]
        meshes[between] *= 1 - weight
        meshes[between] += weight * rows.landmarks(after[between])
    return meshes


def _steady_angles(
    angles: NDArray[np.float64], has_face: NDArray[np.bool_], cuts: list[int]
) -> NDArray[np.float64]:
    steady = angles.copy()
    for first, last in boxes.runs(has_face, cuts):
        run = boxes.smooth_track(angles[first:last, None], scale=ANGLE_SCALE)
        steady[first:last] = run[:, 0]
    return steady


def _corners(
    rows: Rows,
    before: NDArray[np.intp],
    after: NDArray[np.intp],
    share: NDArray[np.float64],
    angles: NDArray[np.float64],
) -> BoxArray:
    """Frame the landmarks of every frame under its angle, block by block."""
    parts = []
    for first in range(0, len(share), _BLOCK):
        part = slice(first, first + _BLOCK)
        mesh = _meshes(rows, before[part], after[part], share[part])
        parts.append(mesh_points.framing(mesh.astype(np.float32), angles[part]))
    return np.concatenate(parts)


def _pad_and_clip(
    corners: BoxArray, angles: NDArray[np.float64], framing: Framing
) -> NDArray[np.int32]:
    pads = framing.extra_pads
    centres = boxes.to_centres(corners)
    centres[:, 2:] += [pads.left + pads.right, pads.top + pads.bottom]
    shift = np.array([pads.right - pads.left, pads.bottom - pads.top]) / 2
    # Pads belong to the upright face: the centre moves along the turned axes.
    moves = np.broadcast_to(shift, (len(angles), 1, 2)).astype(np.float64)
    centres[:, :2] += mesh_points.turn_points(moves, angles)[:, 0]
    whole = [
        box if angle else boxes.clip(box, framing.size)
        for box, angle in zip(
            boxes.to_face_boxes(boxes.to_corners(centres)), angles.tolist(), strict=True
        )
    ]
    return np.array([_fit_for_cutting(box) for box in whole], np.int32)


def _fit_for_cutting(box: FaceBox) -> FaceBox:
    """Give a box at least one pixel, and a large one even sides: its crop is halved first."""
    width, height = max(box.width, 1), max(box.height, 1)
    if min(width, height) > HALVED_SIDE:
        width, height = width - width % 2, height - height % 2
    return FaceBox(box.x1, box.y1, box.x1 + width, box.y1 + height)
