"""Memory against length, and cold starts; every figure from a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any

from api.options import AnimateOptions
from api.service import Mouthpiece
from api.settings import Settings
from api.startup import cache_default, rehearse
from benchmarks.endtoend import Media, make_film, make_still
from benchmarks.sounds import write_sound

#: Seconds of sound, frames per second: half an hour, with few frames to keep the run short.
SOUNDS = ((10.0, 25.0), (1800.0, 1.0))
#: Seconds of avatar video.
VIDEOS = (2.0, 20.0)
#: The full lengths: seconds of sound over a still of this side, seconds of avatar video, and the
#: video's height and width. Small pictures: what grows with length does so at any size.
LONG_SOUNDS, LONG_STILL, LONG_FPS = (10.0, 3600.0), 256, 10.0
LONG_VIDEOS, LONG_SIZE = (10.0, 600.0), (360, 640)
_HELP_RUNS = 5
_READY_TIMEOUT_S = 60.0
_IDLE_S = 1.0


def measure_memory(media: Media) -> dict[str, Any]:
    """Give the highest resident memory in MB of processes that animate, and of an idle service."""
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        still = make_still(media.portrait, 1024, folder)
        found: dict[str, Any] = {"sound": {}, "video": {}}
        for seconds, fps in SOUNDS:
            sound = write_sound(media.speech, seconds, folder)
            key = f"{seconds:g} s of sound at {fps:g} frames/s"
            found["sound"][key] = _child(still, sound, fps, folder)["peak_mb"]
        sound = write_sound(media.speech, 4.0, folder)
        for seconds in VIDEOS:
            film = make_film(media.portrait, folder, (720, 1280), seconds=seconds)
            key = f"{seconds:g} s of 1280x720 avatar"
            found["video"][key] = _child(film, sound, 25.0, folder)["peak_mb"]
        film = make_film(media.portrait, folder, (1080, 1920), seconds=2.0)
        found["animate_1080p"] = _child(film, sound, 25.0, folder)["peak_mb"]
        found["serve_idle"] = _serve(folder)["resident_mb"]
    return found


def measure_long(media: Media) -> dict[str, Any]:
    """Give the highest resident memory in MB at full length: of animating, and of preparing."""
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        found: dict[str, Any] = {"fps": LONG_FPS, "sound": {}, "prepare": {}, "animate": {}}
        still = make_still(media.portrait, LONG_STILL, folder)
        for seconds in LONG_SOUNDS:
            sound = write_sound(media.speech, seconds, folder)
            found["sound"][f"{seconds:g}"] = _child(still, sound, LONG_FPS, folder)["peak_mb"]
        sound = write_sound(media.speech, 4.0, folder)
        for seconds in LONG_VIDEOS:
            film = make_film(media.portrait, folder, LONG_SIZE, seconds=seconds)
            prepared, animated = _children(film, sound, 25.0, folder, repeats=1)
            found["prepare"][f"{seconds:g}"] = prepared["peak_mb"]
            found["animate"][f"{seconds:g}"] = animated["peak_mb"]
        return found


def measure_cold(media: Media) -> dict[str, Any]:
    """Time what happens before everything is warm, in seconds."""
    with TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        still, sound = (
            make_still(media.portrait, 1024, folder),
            write_sound(media.speech, 5, folder),
        )
        # The first service converts nothing but fills the caches on disk; the second counts.
        _serve(folder)
        return {
            "help_s": min(_help_s() for _ in range(_HELP_RUNS)),
            "serve_ready_s": _serve(folder)["ready_s"],
            "animation": _child(still, sound, 25.0, folder, repeats=3),
        }


def _child(
    avatar: Path, sound: Path, fps: float, folder: Path, *, repeats: int = 1
) -> dict[str, Any]:
    """Prepare in one new process and animate in another; give what the second one tells."""
    return _children(avatar, sound, fps, folder, repeats=repeats)[1]


def _children(
    avatar: Path, sound: Path, fps: float, folder: Path, *, repeats: int
) -> list[dict[str, Any]]:
    """Prepare in one new process and animate in another; see ``main``."""
    found = []
    for times in (0, repeats):
        command = [sys.executable, "-m", "benchmarks.footprint"]
        command += [str(avatar), str(sound), str(fps), str(folder), str(times)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
        found.append(json.loads(answer.stdout.splitlines()[-1]))
    return found


def main() -> None:
    """Prepare (no repeats) or animate, and print memory and times; run by ``_child``."""
    avatar, sound, fps, folder, repeats = sys.argv[1:]
    times, cpu_times = [], []
    settings = Settings(data_dir=Path(folder) / "data", max_audio_s=7200)
    with Mouthpiece(settings) as mouthpiece:
        if repeats == "0":
            mouthpiece.add_avatar(Path(avatar))
            cache_default(mouthpiece, settings)
        if int(repeats) > 1:
            # What the service has done when it takes its first request.
            mouthpiece.generator().warm_up()
            rehearse(mouthpiece, settings)
        for _ in range(int(repeats)):
            start, cpu = perf_counter(), process_time()
            mouthpiece.animate(
                Path(avatar),
                Path(sound),
                Path(folder) / "out.mp4",
                AnimateOptions(fps=float(fps)),
            )
            times.append(perf_counter() - start)
            cpu_times.append(process_time() - cpu)
    # Not getrusage: its maximum counts the parent's memory from before the new program.
    peak = _memory_mb("self", "VmHWM")
    print(json.dumps({"peak_mb": peak, "wall_s": times, "cpu_s": cpu_times}))


def _help_s() -> float:
    command = [sys.executable, "-c", "from api.cli import main; main()", "--help"]
    start = perf_counter()
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603
    return perf_counter() - start


def _serve(folder: Path) -> dict[str, float]:
    """Start a service, wait until it is ready, look at its memory, stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "from api.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", str(port)]
    environment = {**os.environ, "MOUTHPIECE_DATA_DIR": str(folder / "data")}
    start = perf_counter()
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as service:
        try:
            _wait_ready(f"http://127.0.0.1:{port}/readyz", start + _READY_TIMEOUT_S)
            ready = perf_counter() - start
            _wait_idle(service.pid)
            resident = _memory_mb(service.pid, "VmRSS")
        finally:
            service.terminate()
    return {"ready_s": ready, "resident_mb": resident}


def _memory_mb(process: int | str, name: str) -> float:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def _wait_idle(process: int) -> None:
    """Wait until a process has used no processor time for a moment."""
    before = None
    while before != (now := _ticks(process)):
        before = now
        sleep(_IDLE_S)


def _ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _wait_ready(address: str, deadline: float) -> None:
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310
                return
        except OSError:
            if perf_counter() > deadline:
                raise
            sleep(0.01)


if __name__ == "__main__":
    main()
