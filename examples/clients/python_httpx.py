"""Make a face speak from Python with httpx.

Usage: python_httpx.py http://localhost:8080 face.png speech.wav OUTPUT.mp4
"""

import sys
from pathlib import Path

import httpx


def animate(service: str, face: Path, speech: Path, output: Path) -> float:
    """Write the film and return its length in seconds."""
    with httpx.Client(base_url=service, timeout=120) as client:
        cached = client.post(
            "/cache-avatar", files={"avatar": face.read_bytes()}, data={"avatar_id": "anna"}
        )
        cached.raise_for_status()
        reply = client.post(
            "/v1/animation",
            files={"audio": speech.read_bytes()},
            params={"avatar_id": "anna", "fps": 25, "use_cache": True},
            headers={"Accept": "application/json"},
        )
        if reply.is_error:
            problem = reply.json()
            raise SystemExit(f"{problem['code']}: {problem['detail']}. {problem['recovery'][0]}")
        facts = reply.json()
        output.write_bytes(client.get(facts["video_url"]).raise_for_status().content)
        return float(facts["duration"])


if __name__ == "__main__":
    url, *paths = sys.argv[1:]
    animate(url, *map(Path, paths))
