"""Pure arithmetic on face boxes: pad, clip, overlap, fill gaps and smooth a track without lag."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.types import FaceBox

#: float64 ``(n, 4)``, one box ``x1, y1, x2, y2`` per row.
BoxArray = NDArray[np.float64]
#: float64 ``(n, k)``, one value per frame and column.
Track = NDArray[np.float64]

#: Standard deviation in frames of the kernel for a resting face.
REST_SIGMA = 4.0
#: Half the window in frames of the kernel for a moving face.
MOTION_REACH = 3
#: The two kernels are mixed by how far they disagree, in parts of the box's height: up to the
#: first the face rests, from the second on it moves.
REST_DISAGREEMENT = 0.006
MOTION_DISAGREEMENT = 0.02


class Pads(NamedTuple):
    """Pixels added to each side of a box; negative values shrink it."""

    top: int = 0
    bottom: int = 10
    left: int = 0
    right: int = 0


def pad(box: FaceBox, pads: Pads) -> FaceBox:
    """Widen a box by ``pads`` pixels, without looking at the frame's border."""
    return FaceBox(box.x1 - pads.left, box.y1 - pads.top, box.x2 + pads.right, box.y2 + pads.bottom)


def clip(box: FaceBox, size: tuple[int, int]) -> FaceBox:
    """Cut a box to a frame, keeping at least one pixel.

    Args:
        box: Any rectangle.
        size: Height and width of the frame in pixels.

    Returns:
        The part inside the frame; the nearest pixel of the frame when nothing is inside.
    """
    height, width = size
    x1, y1 = min(max(box.x1, 0), width - 1), min(max(box.y1, 0), height - 1)
    return FaceBox(x1, y1, max(min(box.x2, width), x1 + 1), max(min(box.y2, height), y1 + 1))


def square(box: FaceBox, scale: float = 1.0) -> FaceBox:
    """Give the square around a box's centre whose side is ``scale`` times its longer side."""
    side = max(1, round(max(box.width, box.height) * scale))
    x1 = round((box.x1 + box.x2 - side) / 2)
    y1 = round((box.y1 + box.y2 - side) / 2)
    return FaceBox(x1, y1, x1 + side, y1 + side)


def iou(first: FaceBox, second: FaceBox) -> float:
    """Give the overlap of two boxes: intersection over union, 0 to 1."""
    boxes = np.array([first, second], np.float64)
    return float(iou_matrix(boxes[:1], boxes[1:])[0, 0])


def iou_matrix(first: BoxArray, second: BoxArray) -> NDArray[np.float64]:
    """Give the overlap of every box of one array with every box of another.

    Args:
        first: ``(n, 4)`` boxes.
        second: ``(m, 4)`` boxes.

    Returns:
        float64 ``(n, m)``, intersection over union, 0 to 1; 0 for empty boxes.
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    union = area(first)[:, None] + area(second)[None, :] - common
    overlap: NDArray[np.float64] = common / np.maximum(union, 1e-12)
    return overlap


def area(boxes: BoxArray) -> NDArray[np.float64]:
    """Give the area of each box, 0 for boxes that are inside out."""
    areas: NDArray[np.float64] = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return areas


def suppress_overlaps(
    boxes: BoxArray, scores: NDArray[np.floating], threshold: float
) -> NDArray[np.intp]:
    """Choose the best box of every group of overlapping boxes (greedy non-maximum suppression).

    Args:
        boxes: ``(n, 4)`` boxes.
        scores: ``(n,)`` scores, higher is better.
        threshold: Boxes that overlap a better one by more than this are dropped.

    Returns:
        Rows to keep, best first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[np.intp] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[iou_matrix(boxes[best : best + 1], boxes[rest])[0] <= threshold]
    return np.array(kept, np.intp)


def to_centres(boxes: BoxArray) -> BoxArray:
    """Turn corners into centre x, centre y, width, height."""
    return np.hstack([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]])


def to_corners(centres: BoxArray) -> BoxArray:
    """Turn centre x, centre y, width, height into corners."""
    half = centres[:, 2:] / 2
    return np.hstack([centres[:, :2] - half, centres[:, :2] + half])


def to_face_boxes(boxes: BoxArray) -> list[FaceBox]:
    """Round an array of corners to whole pixels, half to even."""
    return [FaceBox(*row) for row in np.rint(boxes).astype(int).tolist()]


def runs(present: NDArray[np.bool_], cuts: Sequence[int] = ()) -> list[tuple[int, int]]:
    """List the stretches of frames with a face, divided at shot changes.

    Args:
        present: ``(n,)``, True where the frame has a face.
        cuts: Frames at which a new shot begins.

    Returns:
        Half-open ``(first, last)`` ranges in order.
    """
    starts = np.zeros(len(present), np.bool_)
    starts[[cut for cut in cuts if 0 <= cut < len(present)]] = True
    before = np.concatenate([[False], present[:-1]])
    after = np.concatenate([present[1:], [False]])
    next_starts = np.concatenate([starts[1:], [False]])
    first = np.flatnonzero(present & (~before | starts))
    last = np.flatnonzero(present & (~after | next_starts)) + 1
    return list(zip(first.tolist(), last.tolist(), strict=True))


def fill_gaps(
    track: Track, present: NDArray[np.bool_], *, longest: int, cuts: Sequence[int] = ()
) -> tuple[Track, NDArray[np.bool_]]:
    """Interpolate over short gaps that have a face on both sides in the same shot.

    Args:
        track: ``(n, k)`` values; rows without a face are ignored.
        present: ``(n,)``, True where the row holds a face.
        longest: Longest gap to fill, in frames.
        cuts: Frames at which a new shot begins; a gap that holds one is never filled.

    Returns:
        The filled track and the new ``present``.
    """
    filled, known = track.copy(), present.copy()
    stretches = runs(present, cuts)
    for (_, gap_start), (gap_end, _) in itertools.pairwise(stretches):
        gap = gap_end - gap_start
        if not 0 < gap <= longest or any(gap_start <= cut <= gap_end for cut in cuts):
            continue
        share = (np.arange(1, gap + 1) / (gap + 1))[:, None]
        filled[gap_start:gap_end] = (1 - share) * track[gap_start - 1] + share * track[gap_end]
        known[gap_start:gap_end] = True
    return filled, known


def smooth_boxes(
    boxes: BoxArray, present: NDArray[np.bool_], *, cuts: Sequence[int] = ()
) -> BoxArray:
    """Steady a track of boxes without lag.

    Args:
        boxes: ``(n, 4)`` corners; rows without a face are returned as they are.
        present: ``(n,)``, True where the row holds a face.
        cuts: Frames at which a new shot begins; nothing is mixed across them or across gaps.

    Returns:
        float64 ``(n, 4)``. A track that moves at a constant speed is returned unchanged.
    """
    steady = boxes.astype(np.float64)
    for first, last in runs(present, cuts):
        centres = to_centres(boxes[first:last])
        scale = float(np.median(centres[:, 3]))
        steady[first:last] = to_corners(smooth_track(centres, scale=scale))
    return steady


def smooth_track(track: Track, *, scale: float) -> Track:
    """Steady one uninterrupted track: strongly at rest, hardly where it moves fast.

    Both kernels are symmetric, hence without lag: a Gaussian for rest and a Savitzky-Golay
    kernel of second order (Savitzky & Golay 1964) for motion, mixed by how far they disagree.
    Where even the second is left behind, at the start and end of a jerk, the track stays as it is.

    Args:
        track: ``(n, k)`` values.
        scale: The size that disagreement is measured against, in the unit of ``track``.

    Returns:
        float64 ``(n, k)``.
    """
    if len(track) < 3:
        return track.astype(np.float64)
    calm = _filtered(track, _gaussian(REST_SIGMA))
    quick = _filtered(track, _savitzky_golay(MOTION_REACH))
    quick = _followed(quick, track.astype(np.float64), scale)
    return _followed(calm, quick, scale)


def _followed(steady: Track, nimble: Track, scale: float) -> Track:
    """Give the steady track where the two agree, the nimble one where they do not."""
    disagreement = np.abs(steady - nimble) / max(scale, 1e-9)
    share = (disagreement - REST_DISAGREEMENT) / (MOTION_DISAGREEMENT - REST_DISAGREEMENT)
    # The neighbours of a jerk belong to it; without them smoothing would halve its share.
    widened = np.pad(np.clip(share, 0, 1), ((1, 1), (0, 0)))
    share = np.maximum(np.maximum(widened[:-2], widened[1:-1]), widened[2:])
    share = _filtered(share, _gaussian(1.0))
    mixed: Track = steady + np.clip(share, 0, 1) * (nimble - steady)
    return mixed


def _filtered(track: Track, kernel: NDArray[np.float64]) -> Track:
    """Convolve each column; the ends are continued point-symmetrically, which keeps slopes."""
    reach = min(len(kernel) // 2, len(track) - 1)
    cut = len(kernel) // 2 - reach
    kernel = kernel[cut : len(kernel) - cut]
    kernel = kernel / kernel.sum()
    before = 2 * track[:1] - track[reach:0:-1]
    after = 2 * track[-1:] - track[-2 : -reach - 2 : -1]
    longer = np.concatenate([before, track, after])
    filtered = np.zeros_like(longer[: len(track)], np.float64)
    for shift, weight in enumerate(kernel.tolist()):
        filtered += weight * longer[shift : shift + len(track)]
    return filtered


def _gaussian(sigma: float) -> NDArray[np.float64]:
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    normal: NDArray[np.float64] = kernel / kernel.sum()
    return normal


def _savitzky_golay(reach: int) -> NDArray[np.float64]:
    """Give the value at the centre of the parabola that fits ``2 * reach + 1`` points best."""
    powers = np.vander(np.arange(-reach, reach + 1, dtype=np.float64), 3, increasing=True)
    kernel: NDArray[np.float64] = np.linalg.pinv(powers)[0]
    return kernel
