"""A tiny real engine: it decodes sound, writes real MP4 files, keeps avatars, and draws nothing."""

import hashlib
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av
import av.error
import numpy as np

from api.options import AnimateOptions, AnimateReport
from api.settings import Settings
from runtime.errors import (
    AudioDecodeError,
    AudioTooLongError,
    AvatarCorruptError,
    AvatarNotFoundError,
    CancelledError,
    FaceNotFoundError,
    ModelMismatchError,
    ModelNotFoundError,
    OptionError,
    VideoDecodeError,
)
from tests.conftest import ToyAvatar


@dataclass(frozen=True)
class ToyPlan:
    precision: str = "f32"


@dataclass(frozen=True)
class ToyNetwork:
    name: str = "toy"
    digest: str = "0" * 64
    plan: ToyPlan = ToyPlan()

    def warm_up(self):
        return None


@dataclass(frozen=True)
class ToyEntry:
    name: str = "toy"
    role: str = "generator"
    title: str = "Draws nothing"
    licence: str = "Apache-2.0"


@dataclass(frozen=True)
class ToyModelFile:
    sha256: str = "0" * 64


class ToyNetworks:
    def entries(self):
        return [ToyEntry()]

    def precisions(self, name):
        return ("f32",)

    def default(self):
        return "toy"

    def find(self, name, precision="f32"):
        return ToyModelFile()


@dataclass(frozen=True)
class ToySummary:
    avatar_id: str
    path: Path
    fingerprint: str
    faces: int = 1
    frames: int = 1
    seconds: float = 0.0
    cached: bool = False


class ToyAvatars:
    """One JSON file for each avatar."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def list(self):
        return [self.show(path.stem) for path in self.root.glob("*.avatar")]

    def show(self, avatar_id):
        path = self.root / f"{avatar_id}.avatar"
        if not path.is_file():
            raise AvatarNotFoundError(f"no avatar is cached as {avatar_id!r}")
        return self._read(path)

    @contextmanager
    def open(self, avatar_id):
        self.show(avatar_id)
        yield ToyAvatar()

    def remove(self, avatar_id):
        self.show(avatar_id).path.unlink()

    def import_(self, source, *, avatar_id=None):
        found = self._read(source)
        return self.put(avatar_id or found.avatar_id, found.fingerprint)

    def put(self, avatar_id, fingerprint):
        path = self.root / f"{avatar_id}.avatar"
        path.write_text(json.dumps({"id": avatar_id, "fingerprint": fingerprint}))
        return ToySummary(avatar_id, path, fingerprint)

    def _read(self, path):
        try:
            kept = json.loads(path.read_text())
            return ToySummary(kept["id"], path, kept["fingerprint"], cached=True)
        except (ValueError, KeyError, TypeError) as error:
            raise AvatarCorruptError(f"{path.name} is damaged") from error


@dataclass
class ToyEngine:
    """Pictures are anything with an image's signature; a file that says "no face" has none."""

    settings: Settings
    models: ToyNetworks = field(default_factory=ToyNetworks)
    gate: threading.Event = field(default_factory=threading.Event)
    busy: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    av_offset_ms: float = 0.0
    breaks: Exception | None = None
    animations: int = 0
    detections: int = 0
    cancelled: int = 0

    def __post_init__(self):
        self.avatars = ToyAvatars(self.settings.avatars_dir)
        self.gate.set()

    def generator(self, name=None, precision="auto"):
        if name == "mismatched":
            raise ModelMismatchError("crop_size: expected 96, found 128")
        if name not in {None, "toy"}:
            raise ModelNotFoundError(f"no network is called {name!r}; known: toy")
        return ToyNetwork()

    def animate(self, avatar, audio, output, options=None, *, progress=None, cancel=None):
        start = time.perf_counter()
        options = options or AnimateOptions()
        if self.breaks is not None:
            raise self.breaks
        add_or_show = self.add_avatar if isinstance(avatar, Path) else self.avatars.show
        summary = add_or_show(avatar)
        if options.box == (0, 0, 0, 0):
            raise OptionError("box holds no pixel")
        sound = decode(audio, self.settings.max_audio_s)
        self._wait(cancel)
        fps = options.fps or 25
        frames = max(1, int(np.ceil(len(sound) / 16_000 * fps)))
        write_film(output, frames, fps)
        self.animations += 1
        return AnimateReport(
            output=output,
            avatar_id=summary.avatar_id,
            duration_s=frames / fps,
            frames=frames,
            fps=fps,
            size=(16, 16),
            model="toy",
            precision="f32",
            blend="box",
            cache="hit" if summary.cached else "miss",
            av_offset_ms=self.av_offset_ms,
            silence_motion=None,
            stages_s=dict.fromkeys(("decode", "detect", "mel", "infer", "blend", "encode"), 0.01),
            elapsed_s=time.perf_counter() - start,
        )

    def _wait(self, cancel):
        self.busy.release()
        while not self.gate.wait(0.005):
            if cancel is not None and cancel.is_set():
                self.cancelled += 1
                raise CancelledError("stopped between two frames")

    def say(self, text, avatar, output, *, voice="heart", options=None, cancel=None):
        if voice == "absent":
            raise ModelNotFoundError("pip install 'mouthpiece[tts]'")
        samples = np.zeros(1600 * len(text), np.int16)
        source = output.with_name("speech.wav")
        write_wav(source, samples)
        return self.animate(avatar, source, output, options, cancel=cancel)

    def add_avatar(self, source, *, avatar_id=None, options=None):
        content = source.read_bytes()
        if content[:4] not in {b"\x89PNG", b"\xff\xd8\xff\xe0", b"RIFF"}:
            raise VideoDecodeError("neither an image nor a video")
        if b"no face" in content:
            raise FaceNotFoundError("no face in frame 0 (best score 0.11, need 0.50)")
        fingerprint = hashlib.sha256(content).hexdigest()
        name = avatar_id or fingerprint[:32]
        try:
            kept = self.avatars.show(name)
            if kept.fingerprint == fingerprint:
                return kept
        except (AvatarNotFoundError, AvatarCorruptError):
            pass
        self.detections += 1
        return self.avatars.put(name, fingerprint)

    def inspect(self, source):
        if source.read_bytes()[:4] == b"\x89PNG":
            return {"faces": [{"id": 0, "box": np.array([1, 2, 3, 4])}], "problems": []}
        return {"faces": [], "audio_s": len(decode(source, 1e9)) / 16_000}

    def capabilities(self):
        return {"precision": "f32", "why": "toy"}

    def close(self):
        return None


def decode(source, max_s):
    """Decode sound to 16 kHz mono."""
    try:
        with av.open(str(source)) as container:
            resampler = av.AudioResampler("s16", "mono", 16_000)
            blocks, length = [], 0
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray()[0])
                    length += len(blocks[-1])
                if length > max_s * 16_000:
                    raise AudioTooLongError(f"longer than {max_s:g} s")
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        raise AudioDecodeError(f"no sound can be read: {error}") from error
    if not length:
        raise AudioDecodeError("the sound is empty")
    return np.concatenate(blocks)


def write_film(path, frames, fps):
    """Write a grey 16 x 16 film under a temporary name, then rename it."""
    part = path.with_suffix(".part")
    with av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=int(np.ceil(fps)))
        stream.width = stream.height = 16
        grey = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 128, np.uint8), format="bgr24")
        for _ in range(min(frames, 50)):
            grey.pts = None
            container.mux(stream.encode(grey))
        container.mux(stream.encode())
    part.rename(path)


def write_wav(path, samples, *, rate=16_000, junk=False):
    """Write 16-bit PCM, mono ``(n,)`` or stereo ``(n, 2)``; ``junk`` puts a chunk before fmt."""
    path.write_bytes(wav_bytes(samples, rate=rate, junk=junk))
    return path


def wav_bytes(samples, *, rate=16_000, junk=False):
    """Encode 16-bit PCM as WAV."""
    data = np.asarray(samples, "<i2")
    channels = 1 if data.ndim == 1 else data.shape[1]
    number = lambda value, size: int(value).to_bytes(size, "little")  # noqa: E731
    fmt = number(1, 2) + number(channels, 2) + number(rate, 4)
    fmt += number(rate * channels * 2, 4) + number(channels * 2, 2) + number(16, 2)
    chunks = (b"JUNK" + number(28, 4) + bytes(28)) if junk else b""
    chunks += b"fmt " + number(len(fmt), 4) + fmt
    chunks += b"data" + number(data.nbytes, 4) + data.tobytes()
    return b"RIFF" + number(len(chunks) + 4, 4) + b"WAVE" + chunks
