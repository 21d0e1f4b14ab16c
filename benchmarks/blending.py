"""Milliseconds per frame of every blend method on one core: ``python -m benchmarks.blending``.

Still avatars prepare their frame once; of a video every frame is new, so both are measured. The
face is painted: how long blending takes does not depend on what is in the picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from time import thread_time
from typing import TypedDict

import cv2
import numpy as np

from runtime.blending import METHODS, BlendOptions, make_blender
from runtime.crops import cut_crop
from runtime.faces.mesh_points import typical_landmarks
from runtime.memory import keep_freed_memory
from runtime.threads import keep_to_one_thread
from runtime.types import FaceBox, Frame, MouthCrop, ReferenceFrame

FACE_WIDTHS = (256, 400, 600)
#: Budgets in milliseconds for a still avatar: faces 256 pixels wide, for ``warp`` 400.
BUDGETS = {
    "ellipse": 0.5,
    "mesh": 0.8,
    "multiscale": 1.5,
    "guided": 3.0,
    "edge_aware": 3.0,
    "hd": 6.0,
    "warp": 4.0,
}
_FRAMES = 60


class BlendTime(TypedDict):
    """Processor milliseconds of one method at one face width."""

    method: str
    face_width: int
    prepare_ms: float
    frame_ms: float


def measure_blending(widths: tuple[int, ...] = FACE_WIDTHS) -> list[BlendTime]:
    """Time every method at every face width."""
    keep_to_one_thread()
    keep_freed_memory()
    return [_time(method, width) for width in widths for method in METHODS if method != "auto"]


def painted_face(width: int) -> tuple[ReferenceFrame, list[MouthCrop]]:
    """Give a face of a certain width in a grey frame, and mouths that open and close on it."""
    height = round(1.15 * width)
    size = (2 * height // 2 * 2, 2 * width // 2 * 2)
    box = FaceBox(width // 2, height // 2, width // 2 + width, height // 2 + height)
    points = typical_landmarks(box)
    frame = np.full((*size, 3), (130, 160, 205), np.uint8)
    _paint_mouth(frame, points, 0.0)
    crop = cut_crop(frame, box)
    planes = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420), np.uint8)
    mouths = []
    for opening in 0.5 - 0.5 * np.cos(np.linspace(0, 8 * np.pi, _FRAMES)):
        picture = frame.copy()
        _paint_mouth(picture, points, 0.1 * opening * width)
        mouths.append(cut_crop(picture, box))
    return ReferenceFrame(0, planes, box, 0.0, crop, points), mouths


def _paint_mouth(picture: Frame, points: np.ndarray, opening: float) -> None:
    left, right = points[61], points[291]
    centre = ((left + right) / 2 + (0, opening / 2)).round().astype(int).tolist()
    half = int(np.hypot(*(right - left)) / 2)
    cv2.ellipse(picture, centre, (half, int(half / 3 + opening / 2)), 0, 0, 360, (95, 95, 175), -1)
    cv2.ellipse(picture, centre, (half * 4 // 5, int(opening / 2)), 0, 0, 360, (40, 30, 60), -1)


def _time(method: str, width: int) -> BlendTime:
    reference, mouths = painted_face(width)
    stage = make_blender(BlendOptions(method=method), rest=lambda frame: frame.crop)
    prepared, frames = [], []
    for turn in range(3):
        fresh = make_blender(BlendOptions(method=method), rest=lambda frame: frame.crop)
        start = thread_time()
        fresh.push(reference, mouths[turn])
        prepared.append(thread_time() - start)
    for mouth in mouths * 2:
        start = thread_time()
        stage.push(reference, mouth)
        frames.append(thread_time() - start)
    return BlendTime(
        method=method,
        face_width=width,
        prepare_ms=round(1000 * median(prepared), 2),
        frame_ms=round(1000 * median(frames[len(mouths) :]), 3),
    )


def main() -> None:
    """Print the table; write it as JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    rows = measure_blending()
    print(f"{'method':12} {'face':>5} {'prepare ms':>11} {'frame ms':>9}")
    for row in rows:
        print(
            f"{row['method']:12} {row['face_width']:5} "
            f"{row['prepare_ms']:11.2f} {row['frame_ms']:9.3f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
