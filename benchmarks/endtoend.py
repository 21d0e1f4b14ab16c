"""Whole animations through ``Mouthpiece``: real-time factor, stages, growth, preparing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import cv2
import numpy as np
import openvino as ov

from api.options import AnimateOptions
from api.service import Mouthpiece
from api.settings import Settings
from benchmarks.infer import full_size
from benchmarks.quantized import quantize
from benchmarks.rounds import spread
from benchmarks.sounds import write_sound
from benchmarks.widened import widen
from runtime.audio import read_audio
from runtime.host import probe_host
from runtime.mel import melspectrogram
from runtime.models import BUNDLED_DIR
from runtime.types import FaceBox, Frame, Patch, ReferenceFrame
from runtime.video import VideoWriter, read_image, to_planes

FPS = 25.0
FULL_SIZE = "full-size"
GROWTH_S = (5.0, 10.0, 20.0, 40.0)
VIDEO_S = 4.0


@dataclass(frozen=True, slots=True)
class Media:
    """What is animated.

    Attributes:
        portrait: A picture of a face, larger than 512 pixels.
        speech: A recording of at least some seconds.
    """

    portrait: Path
    speech: Path


@contextmanager
def workplace(media: Media) -> Iterator[tuple[Mouthpiece, Path]]:
    """Open ``Mouthpiece`` in an empty folder, with a full-size network beside the bundled one."""
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        settings = Settings(data_dir=folder)
        _install_full_size(settings.models_dir, media)
        with Mouthpiece(settings) as mouthpiece:
            yield mouthpiece, folder


def measure_end_to_end(media: Media, *, rounds: int = 3) -> dict[str, Any]:
    """Animate with warm networks and cached avatars, cases in turns."""
    with workplace(media) as (mouthpiece, folder):
        sound = write_sound(media.speech, 10.0, folder)
        still = mouthpiece.add_avatar(make_still(media.portrait, 1024, folder)).avatar_id
        film_path = make_film(media.portrait, folder, (720, 1280))
        start, cpu = perf_counter(), process_time()
        film = mouthpiece.add_avatar(film_path)
        prepared = {
            "wall_ms_per_frame": 1000 * (perf_counter() - start) / film.frames,
            "cpu_ms_per_frame": 1000 * (process_time() - cpu) / film.frames,
        }
        cases = {
            "bundled network, still 1024x1024": (still, AnimateOptions(fps=FPS)),
            "bundled network, still 1024x1024, pasted": (
                still,
                AnimateOptions(fps=FPS, blend="ellipse"),
            ),
            "bundled network, video 1280x720": (film.avatar_id, AnimateOptions()),
            "full-size network, still 1024x1024": (still, AnimateOptions(fps=FPS, model=FULL_SIZE)),
        }
        return {
            "cases": _in_turns(mouthpiece, cases, sound, folder / "out.mp4", rounds),
            "prepare_720p": prepared,
            "growth": _growth(mouthpiece, still, media, folder),
        }


def _in_turns(
    mouthpiece: Mouthpiece,
    cases: Mapping[str, tuple[str, AnimateOptions]],
    sound: Path,
    output: Path,
    rounds: int,
) -> dict[str, Any]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, (avatar, options) in cases.items():
            result = _animate(mouthpiece, avatar, options, sound, output)
            # The first turn loads networks and fills caches.
            if turn:
                results[name].append(result)
    return {name: _summary(turns) for name, turns in results.items()}


def _animate(
    mouthpiece: Mouthpiece, avatar: str, options: AnimateOptions, sound: Path, output: Path
) -> dict[str, Any]:
    start, cpu = perf_counter(), process_time()
    report = mouthpiece.animate(avatar, sound, output, options)
    wall, busy = perf_counter() - start, process_time() - cpu
    cores = probe_host().cores
    return {
        "real_time_factor": wall / report.duration_s,
        "processor_factor": busy / report.duration_s / cores,
        "busy": busy / wall / cores,
        "frames": report.frames,
        "processor_ms_per_frame": 1000 * busy / report.frames,
        "precision": report.precision,
        "blend": report.blend,
        "stages_s": dict(report.stages_s),
    }


def _summary(turns: list[dict[str, Any]]) -> dict[str, Any]:
    spreads = ("real_time_factor", "processor_factor", "busy", "processor_ms_per_frame")
    return {**turns[-1], **{name: spread([turn[name] for turn in turns]) for name in spreads}}


def _growth(mouthpiece: Mouthpiece, avatar: str, media: Media, folder: Path) -> dict[str, float]:
    costs = {}
    for seconds in GROWTH_S:
        sound = write_sound(media.speech, seconds, folder)
        result = _animate(mouthpiece, avatar, AnimateOptions(fps=FPS), sound, folder / "growth.mp4")
        costs[f"{seconds:g}"] = result["processor_ms_per_frame"]
    return costs


def _install_full_size(models: Path, media: Media) -> None:
    """Write a network of width 1 that draws the bundled network's mouths."""
    models.mkdir(parents=True, exist_ok=True)
    bundled = ov.Core().read_model(BUNDLED_DIR / "mouthpiece" / "mouthpiece.xml")
    wide = widen(bundled, full_size()[1])
    offset = bundled.rt_info["mouthpiece"]["mel_offset"].astype(str)
    wide.set_rt_info(offset, ["mouthpiece", "mel_offset"])
    wide.set_rt_info(FULL_SIZE, ["mouthpiece", "name"])
    crop = cv2.resize(read_image(media.portrait), (96, 96), interpolation=cv2.INTER_AREA)
    mel = melspectrogram(read_audio(media.speech)[: 16_000 * 4])
    chunks = np.stack([mel[:, start : start + 16] for start in range(0, 256, 16)])
    quantized = quantize(wide, [np.repeat(crop[None], len(chunks), 0), chunks])
    ov.save_model(wide, models / f"{FULL_SIZE}.xml")
    ov.save_model(quantized, models / f"{FULL_SIZE}-int8.xml")
    card = {"name": FULL_SIZE, "role": "generator", "layout": "wav2lip"}
    (models / f"{FULL_SIZE}.card.json").write_text(json.dumps(card), encoding="utf-8")


def make_still(portrait: Path, side: int, folder: Path) -> Path:
    """Write the portrait as a square picture and give its path."""
    path = folder / f"{side}.png"
    cv2.imwrite(str(path), cv2.resize(read_image(portrait), (side, side)))
    return path


def make_film(
    portrait: Path, folder: Path, size: tuple[int, int], *, seconds: float = VIDEO_S
) -> Path:
    """Film the portrait with a hand that is not quite still, and give the video's path."""
    height, width = size
    path = folder / f"{height}-{seconds:g}.mp4"
    picture = read_image(portrait)
    scale = 0.9 * height / picture.shape[0]
    with VideoWriter(path, fps=FPS, size=size) as writer:
        for index in range(round(seconds * FPS)):
            shift = 0.02 * height * np.array([np.sin(index / 9), np.cos(index / 13)])
            corner = np.array([width, height]) / 2 - scale * np.array(picture.shape[1::-1]) / 2
            move = np.array([[scale, 0, corner[0] + shift[0]], [0, scale, corner[1] + shift[1]]])
            frame = np.asarray(
                cv2.warpAffine(picture, move, (width, height), borderValue=(90, 90, 90)), np.uint8
            )
            writer.write(_whole(frame, index))
    return path


def _whole(frame: Frame, index: int) -> Patch:
    reference = ReferenceFrame(
        index=index,
        planes=to_planes(frame),
        box=FaceBox(0, 0, 0, 0),
        angle=0.0,
        crop=np.zeros((96, 96, 3), np.uint8),
        landmarks=np.zeros((468, 2), np.float32),
        has_face=False,
    )
    empty = np.zeros((0, 0, 3), np.uint8)
    return Patch(reference, FaceBox(0, 0, 0, 0), empty, np.zeros((0, 0), np.bool_))
