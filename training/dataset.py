"""Build a data set: any folder of portraits times any folder of talking clips.

Files are written to a temporary name and renamed, and the index gets a line only when a clip is
complete: building can be stopped and goes on where it was.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import soundfile

from runtime.audio import read_audio
from runtime.types import SAMPLE_RATE, Frame
from runtime.video import read_image
from training.corpus import FPS
from training.errors import RejectedError
from training.lips import from_mesh
from training.mesh_tracking import FaceTracker
from training.retarget import DrawOptions, Portrait, Speaker, draw_talking

logger = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".png", ".webp")
FILMS = (".mpg", ".mpeg", ".mp4", ".mov", ".avi", ".mkv", ".webm")
#: Clips chosen for a portrait beyond those wanted, for the case that some are refused.
_SPARE = 2
_SPEAKERS_KEPT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What to build.

    Attributes:
        per_portrait: Clips each portrait says.
        limit: Clips to make in this call, 0 for all.
        split: Name of the split they go to.
        seed: Of the choices.
        skip: Names of clips never to use, such as the sentences of another split.
    """

    per_portrait: int = 2
    limit: int = 0
    split: str = "train"
    seed: int = 0
    skip: frozenset[str] = frozenset()


class DatasetBuilder:
    """Builds one data set in one folder."""

    def __init__(self, out: Path, tracker: FaceTracker) -> None:
        """Open the folder, made when missing."""
        self.out = out
        self._tracker = tracker
        for name in ("video", "lips", "audio"):
            (out / name).mkdir(parents=True, exist_ok=True)
        self._done = {line["id"] for line in _lines(out / "index.jsonl")}
        self._refused = {line["id"] for line in _lines(out / "refused.jsonl")}
        self._speaker = lru_cache(_SPEAKERS_KEPT)(self._read_speaker)

    def build(self, portraits: Path, clips: Path, options: BuildOptions) -> int:
        """Make clips and give how many are new; refused ones are written to ``refused.jsonl``."""
        films = [film for film in _files(clips, FILMS) if film.stem not in options.skip]
        made = 0
        for path in picture_files(portraits):
            for entry in self._talk(path, portraits, films, options):
                made += 1
                logger.info("%s (%d)", entry, made)
                if options.limit and made >= options.limit:
                    return made
        return made

    def _talk(
        self, path: Path, root: Path, films: Sequence[Path], options: BuildOptions
    ) -> Iterator[str]:
        name = "__".join(path.relative_to(root).with_suffix("").parts)
        # Every portrait has its own chance, so that an interrupted build goes on the same way.
        seed = hashlib.sha256(f"{options.seed} {name}".encode()).digest()[:8]
        rng = np.random.default_rng(int.from_bytes(seed, "big"))
        count = min(options.per_portrait + _SPARE, len(films))
        chosen = [films[i] for i in rng.choice(len(films), count, replace=False)]
        ids = [f"{name}__{film.stem}" for film in chosen]
        wanted = options.per_portrait - sum(clip_id in self._done for clip_id in ids)
        draws = [_draw_options(rng) for _ in chosen]
        portrait = None if name in self._refused else self._portrait(path, name, rng)
        for film, clip_id, draw in zip(chosen, ids, draws, strict=True):
            if wanted <= 0 or portrait is None:
                return
            if clip_id in self._done or clip_id in self._refused:
                continue
            if self._make(portrait, film, clip_id, draw, options.split, group=path.parent.name):
                wanted -= 1
                yield clip_id

    def _portrait(self, path: Path, name: str, rng: np.random.Generator) -> Portrait | None:
        try:
            image = read_image(path)
            mesh = self._tracker.settle(image)
            if mesh is None:
                raise RejectedError("no face")
            return Portrait(image, mesh, smile=float(rng.uniform(0.25, 0.8)))
        except RejectedError as error:
            self._refuse(name, error)
            return None

    def _make(
        self,
        portrait: Portrait,
        film: Path,
        clip_id: str,
        draw: DrawOptions,
        split: str,
        *,
        group: str,
    ) -> bool:
        try:
            speaker = self._speaker(film)
        except RejectedError as error:
            self._refuse(clip_id, error)
            return False
        talking = draw_talking(portrait, speaker, draw)
        write_video(self.out / "video" / f"{clip_id}.mp4", talking.frames)
        lips = from_mesh(talking.meshes).astype(np.float16)
        np.savez_compressed(self.out / "lips" / f"{clip_id}.npz", m=lips)
        self._write_sound(film)
        line = {"id": clip_id, "split": split, "clip": film.stem, "group": group}
        self._append("index.jsonl", {**line, "frames": len(talking.frames)})
        self._done.add(clip_id)
        return True

    def _read_speaker(self, film: Path) -> Speaker:
        return Speaker(film, self._tracker)

    def _write_sound(self, film: Path) -> None:
        path = self.out / "audio" / f"{film.stem}.flac"
        if not path.exists():
            partial = path.with_name(f".{path.name}.partial")
            soundfile.write(partial, read_audio(film), SAMPLE_RATE, format="FLAC")
            partial.replace(path)

    def _refuse(self, name: str, error: RejectedError) -> None:
        self._refused.add(name)
        self._append("refused.jsonl", {"id": name, "why": str(error)})

    def _append(self, name: str, line: dict[str, object]) -> None:
        with (self.out / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def write_video(path: Path, frames: Frame, *, fps: int = FPS) -> None:
    """Write H.264 without loss of colour resolution, complete or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with av.open(str(partial), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv444p"
        stream.options = {"crf": "14", "preset": "veryfast", "threads": "1"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    partial.replace(path)


def _draw_options(rng: np.random.Generator) -> DrawOptions:
    return DrawOptions(
        gain=float(rng.uniform(0.92, 1.18)),
        head=float(rng.uniform(0.2, 1.0)),
        inside_shade=float(np.exp(rng.normal(0, 0.07))),
    )


def picture_files(folder: Path) -> list[Path]:
    """Give all pictures in a folder and those below it, sorted."""
    return _files(folder, PICTURES)


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in endings and p.is_file())


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
