"""Real pairs of face and mel chunk, for calibrating INT8 and for measuring it on other ones.

A third of the people and half of the speech are kept apart for measuring. Every face is used in
several framings (moved, scaled, mirrored, darker, brighter), so that ranges are not those of a
handful of pictures.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from runtime.audio import read_audio
from runtime.boxes import clip
from runtime.chunks import CHUNK_COLUMNS, MelChunker, frame_count
from runtime.crops import cut_crop
from runtime.errors import CalibrationError, InputError
from runtime.mel import melspectrogram
from runtime.pyramid import Pyramid
from runtime.types import SAMPLE_RATE, Detection, FaceBox, FaceCrop, Frame, MelChunk, Waveform
from runtime.video import read_frames

logger = logging.getLogger(__name__)

FPS = 25.0
#: Frames read of one video: 20 s hold all the mouth shapes of a speaker.
MAX_FRAMES = 500
#: Faces kept of one video, evenly spread.
FACES_PER_VIDEO = 40
#: Framings of one still face.
FRAMINGS = 6
#: Shares of the pairs: silence, and a face with its own sound where there is any; the rest are
#: faces with somebody else's sound.
SILENT_SHARE = 0.15
OWN_SHARE = 0.4
#: Loudness of the noise in "silent" chunks: digital silence, then rooms of two qualities.
_SILENCE_AMPLITUDES = (0.0, 1e-4, 2e-3)


class Pairs(NamedTuple):
    """Inputs of a generator.

    Attributes:
        faces: uint8 ``(n, 96, 96, 3)``, BGR.
        mels: float32 ``(n, 80, 16)``.
        is_silent: bool ``(n,)``.
    """

    faces: NDArray[np.uint8]
    mels: NDArray[np.float32]
    is_silent: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where real faces and speech come from.

    Attributes:
        media: Pictures and videos with a face; folders are searched. A video's own sound is used.
        speech: Sounds; folders are searched.
        avatars: Folder of an avatar store.
        waveforms: Speech that is no file, 16 kHz.
    """

    media: tuple[Path, ...] = ()
    speech: tuple[Path, ...] = ()
    avatars: Path | None = None
    waveforms: tuple[Waveform, ...] = ()


class FaceTracker(Protocol):
    """What of a face detector calibration needs."""

    def track(self, pictures: Iterable[Pyramid]) -> Iterator[list[Detection]]:
        """Yield the faces of each frame of one film."""


@dataclass(slots=True)
class Material:
    """Faces and speech found in the sources.

    Attributes:
        people: Face crops, one list for each picture, video or avatar.
        own: Faces with the chunk that was heard with them, one list for each video.
        speech: Chunks, one list for each sound.
    """

    people: list[list[FaceCrop]] = field(default_factory=list)
    own: list[list[tuple[FaceCrop, MelChunk]]] = field(default_factory=list)
    speech: list[list[MelChunk]] = field(default_factory=list)

    def split(self) -> tuple["Material", "Material"]:
        """Give what to calibrate with and what to measure with: other people, other sentences."""
        calibration, evaluation = Material(), Material()
        for index, crops in enumerate(self.people):
            _choose(calibration, evaluation, index, len(self.people)).people.append(crops)
        for index, pairs in enumerate(self.own):
            _choose(calibration, evaluation, index, len(self.own)).own.append(pairs)
        for chunks in self.speech:
            middle = len(chunks) // 2
            calibration.speech.append(chunks[: max(1, middle - CHUNK_COLUMNS)])
            evaluation.speech.append(chunks[middle:])
        if not evaluation.people:
            evaluation.people = [crops[1::2] for crops in calibration.people]
            calibration.people = [crops[::2] for crops in calibration.people]
        return calibration, evaluation


def collect_material(sources: Sources, detector: FaceTracker, *, mel_offset: int) -> Material:
    """Read faces and speech.

    Args:
        sources: Where from; files without a face or without sound give what they have.
        detector: Finds the faces.
        mel_offset: Of the generator, in columns.

    Returns:
        Everything found.

    Raises:
        CalibrationError: No face or no speech at all.
    """
    material = Material()
    for path in _files(sources.media):
        _add_media(material, path, detector, mel_offset)
    for path in _files(sources.speech):
        material.speech += [chunks for chunks in [_read_speech(path, mel_offset)] if chunks]
    material.speech += [mel_chunks(wave, mel_offset=mel_offset) for wave in sources.waveforms]
    if sources.avatars is not None:
        _add_avatars(material, sources.avatars)
    if not material.people:
        raise CalibrationError("no face in the calibration media; give pictures or videos of faces")
    if not material.speech:
        raise CalibrationError(
            "no speech in the calibration media; give sounds, or videos with one"
        )
    return material


def draw_pairs(material: Material, count: int, *, seed: int = 0) -> Pairs:
    """Draw pairs of face and chunk: own, somebody else's and silence, in their shares.

    Args:
        material: At least one person and one sound.
        count: Number of pairs.
        seed: The same seed draws the same pairs.
    """
    rng = np.random.default_rng(seed)
    silences = silent_chunks(seed)
    own = [pair for pairs in material.own for pair in pairs]
    drawn: list[tuple[FaceCrop, MelChunk, bool]] = []
    for index in range(count):
        share = (index + 0.5) / count
        if own and share < OWN_SHARE:
            face, mel = own[rng.integers(len(own))]
            drawn.append((face, mel, False))
            continue
        crops = material.people[rng.integers(len(material.people))]
        face = crops[rng.integers(len(crops))]
        is_silent = share >= 1 - SILENT_SHARE
        chunks = silences if is_silent else material.speech[rng.integers(len(material.speech))]
        drawn.append((face, chunks[rng.integers(len(chunks))], is_silent))
    faces, mels, is_silent_each = zip(*drawn, strict=True)
    return Pairs(np.stack(faces), np.stack(mels), np.array(is_silent_each))


def silent_chunks(seed: int = 0) -> list[MelChunk]:
    """Give mel chunks of digital silence and of quiet rooms, consecutive within each."""
    rng = np.random.default_rng(seed)
    chunks: list[MelChunk] = []
    for amplitude in _SILENCE_AMPLITUDES:
        noise = rng.normal(0.0, 1.0, SAMPLE_RATE).astype(np.float32) * np.float32(amplitude)
        chunks += mel_chunks(noise, mel_offset=0)[:20]
    return chunks


def mel_chunks(waveform: Waveform, *, mel_offset: int) -> list[MelChunk]:
    """Give the chunk of every frame at 25 frames per second."""
    chunker = MelChunker(FPS, offset=mel_offset)
    chunks = chunker.push(melspectrogram(waveform))
    return chunks + chunker.flush(frame_count(len(waveform), FPS))


def framings(frame: Frame, box: FaceBox, *, count: int, seed: int) -> Iterator[FaceCrop]:
    """Yield crops of one face: as it is, then moved, scaled, mirrored, darker or brighter."""
    rng = np.random.default_rng(seed)
    yield cut_crop(frame, box)
    for index in range(1, count):
        dx, dy, scale = rng.normal(0.0, 0.03, 3)
        grow_x, grow_y = scale * box.width / 2, scale * box.height / 2
        moved = FaceBox(
            round(box.x1 + dx * box.width - grow_x),
            round(box.y1 + dy * box.height - grow_y),
            round(box.x2 + dx * box.width + grow_x),
            round(box.y2 + dy * box.height + grow_y),
        )
        crop = cut_crop(frame, clip(moved, frame.shape[:2]))
        gain = rng.uniform(0.6, 1.25)
        lit = cv2.convertScaleAbs(crop[:, ::-1] if index % 2 else crop, alpha=gain)
        yield lit.astype(np.uint8)


def _choose(calibration: Material, evaluation: Material, index: int, count: int) -> Material:
    return evaluation if count >= 3 and index % 3 == 2 else calibration


def _files(paths: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(file for file in path.rglob("*") if file.is_file())
        else:
            files.append(path)
    return files


def _add_media(material: Material, path: Path, detector: FaceTracker, offset: int) -> None:
    try:
        frames = list(islice(read_frames(path, fps=FPS), MAX_FRAMES))
    except InputError as error:
        logger.debug("no picture in %s: %s", path, error)
        frames = []
    faces = _faces(frames, detector)
    chunks = [] if len(frames) == 1 else _read_speech(path, offset)
    if len(frames) == 1 and faces:
        crops = list(framings(frames[0], faces[0][1], count=FRAMINGS, seed=len(material.people)))
        material.people.append(crops)
    elif faces:
        step = max(1, len(faces) // FACES_PER_VIDEO)
        crops = [cut_crop(frames[index], box) for index, box in faces]
        material.people.append(crops[::step])
        own = [
            (crop, chunks[index])
            for (index, _), crop in zip(faces, crops, strict=True)
            if index < len(chunks)
        ]
        material.own += [own[::step]] if own else []
    if chunks:
        material.speech.append(chunks)


def _faces(frames: Sequence[Frame], detector: FaceTracker) -> list[tuple[int, FaceBox]]:
    return [
        (index, max(found, key=lambda face: face.score).box)
        for index, found in enumerate(detector.track(map(Pyramid, frames)))
        if found
    ]


def _read_speech(path: Path, offset: int) -> list[MelChunk]:
    try:
        return mel_chunks(read_audio(path), mel_offset=offset)
    except InputError as error:
        logger.debug("no sound in %s: %s", path, error)
        return []


def _add_avatars(material: Material, root: Path) -> None:
    from avatar_cache import AvatarStore

    store = AvatarStore(root)
    for summary in store.list():
        avatar = store.open(summary.avatar_id)
        step = max(1, len(avatar) // FACES_PER_VIDEO)
        crops = [
            reference.crop
            for reference in avatar.frames(iter(range(0, len(avatar), step)))
            if reference.has_face
        ]
        material.people += [crops] if crops else []
