"""Show every blend method and preset on your own pictures, side by side.

    python examples/quality_sheet.py --audio speech.wav --output sheet.png face1.jpg face2.mp4

Each avatar gives one row per method and preset: the speaking face, the source's mouth, then mouths
from the one nearest to the source's to the most open one. Sharpness is printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import numpy as np

from api.options import AnimateOptions, Blend, Preset
from api.service import Mouthpiece
from runtime.blending import METHODS, PRESETS, sharpness
from runtime.blending.lips import LIPS
from runtime.types import Frame, Landmarks
from runtime.video import read_frames

COLUMNS = 5
FACE_WH, MOUTH_WH = (200, 240), (260, 240)
MOST_FRAMES = 150


class Row(NamedTuple):
    """One line of the sheet: its name and what to choose for it."""

    name: str
    options: AnimateOptions


class Source(NamedTuple):
    """An avatar's first frame, and where its face is."""

    frame: Frame
    landmarks: Landmarks


def rows_to_show() -> Iterator[Row]:
    """Yield every method, then every preset."""
    for method in METHODS:
        if method != "auto":
            yield Row(method, AnimateOptions(blend=cast(Blend, method)))
    for preset in PRESETS:
        yield Row(f"preset {preset}", AnimateOptions(preset=cast(Preset, preset)))


def sheet_rows(mouthpiece: Mouthpiece, avatar: Path, audio: Path) -> Iterator[Frame]:
    """Animate an avatar in every way; yield one picture row for each."""
    source = open_source(mouthpiece, avatar)
    own = sharpness(source.frame, source.landmarks)
    for row in rows_to_show():
        frames = animate(mouthpiece, avatar, audio, row)
        shown = spread_by_opening(frames, source)
        kept = float(np.median([sharpness(frame, source.landmarks) for frame in shown])) / own
        line = f"{avatar.name:32} {row.name:16} sharpness {kept:.2f} of the source's"
        sys.stdout.write(line + "\n")
        yield picture_row(row.name, [source.frame, *shown], source.landmarks)


def open_source(mouthpiece: Mouthpiece, avatar: Path) -> Source:
    """Prepare an avatar and give its first frame."""
    added = mouthpiece.add_avatar(avatar)
    reference = next(mouthpiece.avatars.open(added.avatar_id).frames(iter([0])))
    frame = np.asarray(cv2.cvtColor(reference.planes, cv2.COLOR_YUV2BGR_I420), np.uint8)
    return Source(frame, reference.landmarks)


def animate(mouthpiece: Mouthpiece, avatar: Path, audio: Path, row: Row) -> list[Frame]:
    """Give the first frames of one animation."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "row.mp4"
        mouthpiece.animate(avatar, audio, output, row.options)
        return list(islice(read_frames(output), MOST_FRAMES))


def spread_by_opening(frames: list[Frame], source: Source) -> list[Frame]:
    """Choose frames from least to most different from the source round the lips."""
    x, y, width, height = around(source.landmarks[LIPS], 1.1)
    own = source.frame[y : y + height, x : x + width].astype(np.float32)
    change = [float(np.abs(frame[y : y + height, x : x + width] - own).mean()) for frame in frames]
    order = np.argsort(change)
    return [frames[order[i]] for i in np.linspace(0, len(order) - 1, COLUMNS).astype(int)]


def picture_row(name: str, frames: list[Frame], landmarks: Landmarks) -> Frame:
    """Set the face of the last frame and the mouths of all of them side by side."""
    tiles = [cut(frames[-1], landmarks, 1.1, FACE_WH)]
    tiles += [cut(frame, landmarks[LIPS], 1.7, MOUTH_WH) for frame in frames]
    row = np.hstack(tiles)
    for colour, thickness in ((0, 4), (255, 1)):
        cv2.putText(row, name, (6, 20), 0, 0.6, (colour,) * 3, thickness, cv2.LINE_AA)
    return row


def cut(frame: Frame, points: Landmarks, reach: float, size_wh: tuple[int, int]) -> Frame:
    """Cut the surroundings of some points to a size."""
    x, y, width, height = around(points, reach, size_wh[1] / size_wh[0])
    part = frame[y : y + height, x : x + width]
    method = cv2.INTER_AREA if width > size_wh[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size_wh, interpolation=method), np.uint8)


def around(points: Landmarks, reach: float, aspect: float = 0.9) -> tuple[int, int, int, int]:
    """Give x, y, width and height of a window round points, ``reach`` times as wide as they."""
    low, high = points.min(0), points.max(0)
    middle, width = (low + high) / 2, float(high[0] - low[0]) * reach
    x, y = max(middle[0] - width / 2, 0), max(middle[1] - aspect * width / 2, 0)
    return int(x), int(y), int(width), int(aspect * width)


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("avatars", nargs="+", type=Path, help="images or videos with a face")
    parser.add_argument("--audio", required=True, type=Path, help="some speech")
    parser.add_argument("--output", required=True, type=Path, help="picture to write")
    arguments = parser.parse_args()
    with Mouthpiece() as mouthpiece:
        rows = [
            row
            for avatar in arguments.avatars
            for row in sheet_rows(mouthpiece, avatar, arguments.audio)
        ]
    cv2.imwrite(str(arguments.output), np.vstack(rows))


if __name__ == "__main__":
    main()
