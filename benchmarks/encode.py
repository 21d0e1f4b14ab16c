"""Cost, size and fidelity of the H.264 encoder on a talking face over a still picture.

Run ``python -m benchmarks.encode [--json FILE]``; the default of ``EncodeOptions`` is the row
that this table favours. The picture is drawn here: smooth shapes with grain, and a mouth-sized
ellipse that moves as lips do.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from runtime.muxing import EncodeOptions
from runtime.planes import render, to_planes
from runtime.types import FaceBox, Frame, Patch, ReferenceFrame
from runtime.video import VideoWriter, read_frames

SIZES = ((1024, 1024), (720, 1280))
PRESETS = ("ultrafast", "superfast", "veryfast", "faster")
FPS = 25
FRAMES = 125
PATCH = 350


def portrait(size: tuple[int, int]) -> Frame:
    """Draw a soft head before a background, with the grain of a camera."""
    height, width = size
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 200, (6, 6, 3), dtype=np.uint8)
    frame = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    centre = (width // 2, height // 2)
    cv2.ellipse(frame, centre, (150, 200), 0, 0, 360, (120, 150, 200), -1)
    frame = cv2.GaussianBlur(frame, (0, 0), 3)
    grain = rng.normal(0, 2, frame.shape)
    return np.asarray(np.clip(frame + grain, 0, 255), np.uint8)


def patches(size: tuple[int, int]) -> Iterator[Patch]:
    """Yield frames whose mouth opens and closes three times a second."""
    frame = portrait(size)
    reference = ReferenceFrame(
        index=0,
        planes=to_planes(frame),
        box=FaceBox(0, 0, 96, 96),
        angle=0.0,
        crop=np.zeros((96, 96, 3), np.uint8),
        landmarks=np.zeros((468, 2), np.float32),
    )
    y1, x1 = (size[0] - PATCH) // 4 * 2, (size[1] - PATCH) // 4 * 2
    touched = cv2.circle(np.zeros((PATCH, PATCH), np.uint8), (175, 200), 140, 1, -1) > 0
    for index in range(FRAMES):
        pixels = frame[y1 : y1 + PATCH, x1 : x1 + PATCH].copy()
        opening = round(18 * abs(np.sin(3 * np.pi * index / FPS)))
        cv2.ellipse(pixels, (175, 240), (45, 6 + opening), 0, 0, 360, (60, 50, 120), -1)
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), 1), np.uint8)
        yield Patch(reference, FaceBox(x1, y1, x1 + PATCH, y1 + PATCH), pixels, touched)


def measure(size: tuple[int, int], options: EncodeOptions, folder: Path) -> dict[str, float | str]:
    """Encode once and compare the mouth with what was asked for."""
    path = folder / "film.mp4"
    made = list(patches(size))
    started = time.process_time()
    with VideoWriter(path, fps=FPS, size=size, options=options) as writer:
        for patch in made:
            writer.write(patch)
    spent = time.process_time() - started
    region = made[0].region
    window = np.s_[region.y1 : region.y2, region.x1 : region.x2]
    psnr = [
        cv2.PSNR(render(patch)[window], frame[window])
        for patch, frame in zip(made, read_frames(path), strict=True)
    ]
    return {
        "size": f"{size[1]}x{size[0]}",
        "preset": options.preset,
        "crf": options.crf,
        "cpu_ms_per_frame": round(1000 * spent / FRAMES, 2),
        "kbit_per_s": round(path.stat().st_size * 8 / (FRAMES / FPS) / 1000),
        "psnr_db": round(float(np.mean(psnr)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    with TemporaryDirectory() as folder:
        for size in SIZES:
            for preset in PRESETS:
                row = measure(size, EncodeOptions(preset=preset, is_still=True), Path(folder))
                rows.append(row)
                print("  ".join(f"{key} {value}" for key, value in row.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
