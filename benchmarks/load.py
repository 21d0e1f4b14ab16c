"""Load a service on loopback with a bounded mix of requests and check every answer.

Usage: ``python -m benchmarks.load FACE SPEECH [--requests 200] [--clients 16] [--json FILE]``

Starts ``mouthpiece serve`` with its own folders, sends the requests from as many clients at once,
asks ``/livez`` all the while, and tells latencies, statuses, and what the process holds before and
after: memory, threads, open files, temporary files. Exit code 1 when an answer was wrong.
"""

import argparse
import base64
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import httpx

from api.statistics import percentile

#: Longer than this the benchmark is over, whatever happens.
BUDGET_S = 540.0
#: Seconds between two looks at /livez.
LOOK_EVERY_S = 0.05
KINDS = ("json", "form", "cached", "sync", "cache", "inspect", "list", "faceless", "broken")
EXPECTED = {"faceless": {422}, "broken": {400}}
BUSY = {429, 503}


@dataclass
class Tally:
    """What was seen."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Load:
    """Sends requests to one service."""

    def __init__(self, url: str, face: bytes, speech: bytes) -> None:
        self.url = url
        self.face = face
        self.speech = speech
        self._text = base64.b64encode(speech).decode()
        self.tally = Tally()
        self._end = time.monotonic() + BUDGET_S

    def request(self, number: int) -> None:
        """Send one request, again while the service is busy, and judge its answer."""
        kind = random.Random(number).choice(KINDS)  # noqa: S311 - a mix, no secret
        start = time.monotonic()
        with httpx.Client(base_url=self.url, timeout=300) as client:
            reply = self._send(client, kind, number)
            while reply.status_code in BUSY and time.monotonic() < self._end:
                self.tally.statuses[f"{kind} {reply.status_code}"] += 1
                time.sleep(min(2.0, float(reply.headers["retry-after"])))
                reply = self._send(client, kind, number)
        self.tally.seconds[kind].append(time.monotonic() - start)
        self.tally.statuses[f"{kind} {reply.status_code}"] += 1
        if reply.status_code not in EXPECTED.get(kind, {200}) or not right(kind, reply):
            self.tally.wrong.append(f"{kind} {number}: {reply.status_code} {reply.text[:200]!r}")

    def _send(self, client: httpx.Client, kind: str, number: int) -> httpx.Response:
        face, speech = self.face, self.speech
        if kind == "list":
            return client.get("/v1/avatars")
        if kind == "json":
            return client.post(
                "/v1/animation", json={"byte_str": self._text, "fps": number % 3 + 10}
            )
        if kind == "broken":
            return client.post("/v1/animation", content=b'{"byte_str":')
        path, files = {
            "form": ("/v1/animation", {"audio": speech, "avatar": face}),
            "cached": ("/v1/animation-with-cache", {"audio": speech}),
            "sync": ("/sync", {"video": face, "audio": speech}),
            "cache": ("/cache-avatar", {"avatar": face}),
            "inspect": ("/v1/inspect", {"file": face}),
            "faceless": ("/v1/animation", {"audio": speech, "avatar": speech}),
        }[kind]
        return client.post(path, files=files, params={"fps": 10 + number % 3})


def look(url: str, done: Event, seen: Connection) -> None:
    """Time ``/livez`` until ``done``, in a process of its own: the clients keep theirs busy."""
    waits = []
    with httpx.Client(base_url=url) as client:
        client.get("/livez")
        while not done.wait(LOOK_EVERY_S):
            start = time.perf_counter()
            client.get("/livez").raise_for_status()
            waits.append(time.perf_counter() - start)
    seen.send(waits)


def right(kind: str, reply: httpx.Response) -> bool:
    """Say whether an answer has the content that its kind promises."""
    if kind in {"form", "cached", "sync"}:
        return reply.content[4:8] == b"ftyp"
    if kind in EXPECTED:
        return reply.headers["content-type"] == "application/problem+json"
    if kind == "json":
        return Path(reply.json()["video_path"]).stat().st_size > 0
    return bool(reply.json())


def holdings(pid: int, folder: Path) -> dict[str, int]:
    """Tell what a process holds: kilobytes of memory, threads, open files, uploads on disk."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {
        "rss_kb": int(status["VmRSS"].split()[0]),
        "threads": int(status["Threads"]),
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "uploads": len(list((folder / "cache/uploads").iterdir())),
    }


def start_service(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start ``mouthpiece serve`` on a free port and wait until it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "MOUTHPIECE_DATA_DIR": str(folder)}
    command = [sys.executable, "-m", "api.cli", "serve", "--port", str(port)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stderr=log)  # noqa: S603 - our own
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return server, url
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    server.kill()
    raise SystemExit(f"the service did not start: {(folder / 'log').read_text()[-2000:]}")


def measure(
    load: Load, server: subprocess.Popen[bytes], folder: Path, counts: tuple[int, int]
) -> dict[str, object]:
    """Run the load and return what was measured."""
    requests, clients = counts
    load.request(KINDS.index("cache"))
    for kind in range(clients):
        load.request(kind)
    load.tally = Tally()
    before = holdings(server.pid, folder)
    spawn = multiprocessing.get_context("spawn")
    done, (seen, sending) = spawn.Event(), spawn.Pipe(duplex=False)
    watcher = spawn.Process(target=look, args=(load.url, done, sending))
    watcher.start()
    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(load.request, range(requests)))
    elapsed = time.monotonic() - start
    done.set()
    livez = sorted(seen.recv())
    watcher.join()
    time.sleep(1)
    tally = load.tally
    return {
        "requests": requests,
        "clients": clients,
        "elapsed_s": round(elapsed, 2),
        "statuses": dict(sorted(tally.statuses.items())),
        "wrong": tally.wrong,
        "livez_ms": {
            name: round(1000 * (percentile(livez, share) or 0), 1)
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
        "livez_count": len(livez),
        "p50_s": {
            kind: round(percentile(sorted(seen), 0.5) or 0, 3)
            for kind, seen in sorted(tally.seconds.items())
        },
        "before": before,
        "after": holdings(server.pid, folder),
    }


def main() -> int:
    """Run the benchmark and print its result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("face", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, url = start_service(folder)
        try:
            load = Load(url, asked.face.read_bytes(), asked.speech.read_bytes())
            found = measure(load, server, folder, (asked.requests, asked.clients))
        finally:
            server.terminate()
            server.wait(60)
    text = json.dumps(found, indent=2)
    print(text)
    if asked.json:
        asked.json.write_text(text + "\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
