"""Lay some frames of a video side by side: ``python examples/frames_sheet.py demo.mp4 sheet.png``.

``--region`` cuts the same part out of every frame: x1 y1 x2 y2 in pixels.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from runtime.types import FaceBox
from runtime.video import read_frames


def main() -> None:
    """Read the arguments and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--frames", type=int, nargs="+", default=[0, 20, 40, 60, 80, 100])
    parser.add_argument("--region", type=int, nargs=4, default=[0, 0, 10**6, 10**6])
    parser.add_argument("--height", type=int, default=240)
    options = parser.parse_args()
    region = FaceBox(*options.region)
    cells = [
        _cell(frame[region.y1 : region.y2, region.x1 : region.x2], options.height)
        for index, frame in enumerate(read_frames(options.video))
        if index in options.frames
    ]
    cv2.imwrite(str(options.sheet), np.hstack(cells))


def _cell(picture: np.ndarray, height: int) -> np.ndarray:
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)


if __name__ == "__main__":
    main()
