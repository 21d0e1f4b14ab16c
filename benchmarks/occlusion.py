"""What is in front of faces and what is not: ``python -m benchmarks.occlusion [FACE ...]``.

Draws a skin-coloured hand, a microphone, a straw and a cup over the mouths of faces and prints,
for each, how many of the thing's pixels under the blend mask stay untouched, how much of the face
beside it still moves, and the overlap of what was found with what was drawn. Then it counts the
faces without anything in front in which something was found. The things are drawn otherwise than
those of the training.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from api.service import Mouthpiece
from benchmarks.__main__ import SHARED
from runtime.blending import BlendOptions
from runtime.blending.masks import lower_face_mask
from runtime.blending.occlusion import find_cover
from runtime.blending.paste import crop_points
from runtime.blending.region import prepare_region
from runtime.crops import cut_crop
from runtime.planes import to_bgr, to_planes
from runtime.types import Frame, Mask, ReferenceFrame

Points = NDArray[np.float64]
#: Frames looked at in a video: every twelfth.
STEP = 12
_FINE = 4


class Found(NamedTuple):
    """How one thing was found: shares, 0 to 1."""

    untouched: float
    moving: float
    overlap: float


class Painter:
    """Paints on one frame, in units of the mouth's width round its middle."""

    def __init__(self, reference: ReferenceFrame) -> None:
        height, width = reference.size
        points = reference.landmarks
        self.frame = to_bgr(reference.planes)
        self.cover = np.zeros((height, width), np.float32)
        self._picture = self.frame.astype(np.float32)
        self._middle: Points = points[[13, 14]].mean(0).astype(np.float64)
        self._unit = float(np.linalg.norm(points[291] - points[61]))
        x, y = points[50].astype(int).tolist()
        cheek = self.frame[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        self.skin: Points = np.median(cheek, axis=0)

    def bar(self, start: Points, end: Points, width: float, colour: Points) -> None:
        """Paint a round-ended bar that is darker at its sides."""
        ends = (self._fine(start), self._fine(end))
        for size, light in ((width, 0.7), (0.8 * width, 0.88), (0.55 * width, 1.0)):
            fine = self._canvas()
            cv2.line(fine, *ends, 255, max(1, round(size * self._unit * _FINE)))
            self._add(fine, light * colour)

    def shape(self, corners: Points, colour: Points) -> None:
        """Paint a filled shape."""
        outline = np.array([self._fine(corner) for corner in corners])
        fine = self._canvas()
        cv2.fillPoly(fine, [outline], 255)
        self._add(fine, colour)

    def result(self) -> Frame:
        """Give the picture with what was painted."""
        return np.asarray(np.clip(self._picture, 0, 255), np.uint8)

    def _fine(self, place: Points) -> tuple[int, int]:
        x, y = np.round((self._middle + self._unit * np.asarray(place)) * _FINE).astype(int)
        return int(x), int(y)

    def _canvas(self) -> Frame:
        height, width = self.cover.shape
        return np.zeros((height * _FINE, width * _FINE), np.uint8)

    def _add(self, fine: Frame, colour: Points) -> None:
        height, width = self.cover.shape
        small = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
        share = small.astype(np.float32) / np.float32(255)
        self.cover = np.maximum(self.cover, share)
        step = share[..., None] * (colour - self._picture)
        self._picture = np.asarray(self._picture + step, np.float32)


def _at(x: float, y: float) -> Points:
    return np.array([x, y])


def hand(painter: Painter, place: Points) -> None:
    """Four fingers of the face's own skin, side by side."""
    painter.bar(place + _at(0, 1.9), place + _at(0, 2.6), 1.2, painter.skin * 0.95)
    for finger, tip in enumerate((0.3, 0.0, 0.05, 0.25)):
        x = 0.27 * (finger - 1.5)
        painter.bar(place + _at(x, tip), place + _at(0.8 * x, 1.8), 0.26, painter.skin)


def microphone(painter: Painter, place: Points) -> None:
    """A black ball on a handle."""
    dark = np.array([34.0, 32, 32])
    painter.bar(place + _at(0, 0.6), place + _at(0.2, 3.0), 0.5, dark)
    painter.bar(place + _at(0, 0.6), place + _at(0, 0.62), 1.1, dark)


def straw(painter: Painter, place: Points) -> None:
    """Red and white stripes."""
    for stripe in range(14):
        start, end = (place + np.array([0.04, 0.13]) * n for n in (stripe, stripe + 0.9))
        painter.bar(start, end, 0.12, np.array([(235.0, 235, 240), (40.0, 40, 200)][stripe % 2]))


def cup(painter: Painter, place: Points) -> None:
    """A blue beaker at the lower lip."""
    corners = np.array([(-0.75, 0.15), (0.75, 0.15), (0.55, 2.1), (-0.55, 2.1)])
    painter.shape(place * 0.4 + corners, np.array([190.0, 120, 50]))


THINGS = (hand, microphone, straw, cup)


def measure(
    reference: ReferenceFrame,
    thing: Callable[[Painter, Points], None],
    rng: np.random.Generator,
) -> Found:
    """Put a thing in front of a face and compare what is found with it."""
    painter = Painter(reference)
    thing(painter, rng.uniform((-0.35, -0.1), (0.35, 0.3)))
    frame, points = painter.result(), crop_points(reference)
    crop = cut_crop(frame, reference.box, reference.angle)
    cover = find_cover(crop, points)
    plain = replace(reference, planes=to_planes(frame), crop=crop, cover=None)
    mask = lower_face_mask(points, BlendOptions())
    free = prepare_region(plain, mask)
    shown = prepare_region(replace(plain, cover=cover if cover.any() else None), mask)
    region = free.region
    return _compare(
        painter.cover[region.y1 : region.y2, region.x1 : region.x2],
        free.mask,
        shown.mask,
        np.zeros_like(free.mask) if shown.clear is None else 1 - shown.clear,
    )


def _compare(truth: Mask, free: Mask, shown: Mask, found: Mask) -> Found:
    inside = free > 0.05
    thing, beside = inside & (truth > 0.9), (free > 0.3) & (truth < 0.05)
    both = inside & (truth > 0.5) & (found > 0.5)
    either = inside & ((truth > 0.5) | (found > 0.5))
    return Found(
        float((shown[thing] < 0.1).mean()) if thing.any() else 1.0,
        float((shown[beside] / free[beside]).mean()) if beside.any() else 1.0,
        float(both.sum() / max(either.sum(), 1)),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.occlusion", description=__doc__)
    parser.add_argument("faces", nargs="*", type=Path, help="images or videos; the shared media")
    chosen = parser.parse_args()
    faces = chosen.faces or [*(SHARED / "portraits").iterdir(), *(SHARED / "clips").iterdir()]
    rng = np.random.default_rng(0)
    rows: dict[str, list[Found]] = {thing.__name__: [] for thing in THINGS}
    clean = wrong = 0
    with Mouthpiece() as mouthpiece:
        for face in sorted(faces):
            added = mouthpiece.add_avatar(face)
            with mouthpiece.avatars.open(added.avatar_id) as avatar:
                for reference in avatar.frames(iter(range(0, len(avatar), STEP))):
                    clean += 1
                    wrong += bool(find_cover(reference.crop, crop_points(reference)).any())
                    for thing in THINGS:
                        rows[thing.__name__].append(measure(reference, thing, rng))
    print("| in front | thing untouched | face still moving | overlap |")
    print("|---|---|---|---|")
    for name, found in rows.items():
        untouched, moving, overlap = np.mean(found, axis=0)
        print(f"| {name} | {untouched:.3f} | {moving:.3f} | {overlap:.2f} |")
    print(f"\n{clean} faces with nothing in front, something found in {wrong}")


if __name__ == "__main__":
    main()
