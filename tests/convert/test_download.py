"""Laws of downloads: resumed, checked, never half there; proved against a local server."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from convert.download import copy_file, download
from runtime.errors import ModelNotFoundError

CONTENT = np.random.default_rng(0).bytes(1_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves ``CONTENT``; ``/cut`` breaks off in the middle, ``/page`` is HTML."""

    ranges: ClassVar[list[str | None]] = []
    etag = '"one"'

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        if self.path == "/missing":
            self.send_error(404, "Not Found")
            return
        start = 0
        if asked and self.headers.get("If-Range") == self.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.etag)
        self.send_header(
            "Content-Type", "text/html" if self.path == "/page" else "application/octet-stream"
        )
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : 600_000 if self.path == "/cut" else None])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Handler, "ranges", [])
    monkeypatch.setattr(Handler, "etag", '"one"')
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_download_arrives_whole_and_leaves_nothing_else(server, tmp_path):
    steps: list[tuple[int, int]] = []

    download(
        f"{server}/file",
        tmp_path / "new" / "w.pth",
        sha256=[DIGEST],
        progress=lambda *step: steps.append(step),
    )

    assert (tmp_path / "new" / "w.pth").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["w.pth"]
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    with pytest.raises(ModelNotFoundError, match="600000 of 1000000 bytes; try again"):
        download(f"{server}/cut", tmp_path / "w.pth", sha256=[DIGEST])
    assert not (tmp_path / "w.pth").exists()

    download(f"{server}/file", tmp_path / "w.pth", sha256=[DIGEST])

    assert Handler.ranges == [None, "bytes=600000-"]
    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_another_edition_of_the_file_is_not_glued_to_the_old_one(server, tmp_path, monkeypatch):
    with pytest.raises(ModelNotFoundError):
        download(f"{server}/cut", tmp_path / "w.pth")
    monkeypatch.setattr(Handler, "etag", '"two"')

    download(f"{server}/file", tmp_path / "w.pth")

    assert (tmp_path / "w.pth").read_bytes() == CONTENT


def test_another_digest_is_refused_and_removed(server, tmp_path):
    with pytest.raises(ModelNotFoundError, match=f"SHA-256 {DIGEST}, expected {'0' * 64}"):
        download(f"{server}/file", tmp_path / "w.pth", sha256=["0" * 64])

    assert list(tmp_path.iterdir()) == []


def test_any_of_several_known_editions_is_accepted(server, tmp_path):
    download(f"{server}/file", tmp_path / "w.pth", sha256=["0" * 64, DIGEST])

    assert (tmp_path / "w.pth").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [("/missing", "the server answered 404"), ("/page", "a web page instead of the file")],
)
def test_a_refusal_of_the_server_is_told_in_words(path, words, server, tmp_path):
    with pytest.raises(ModelNotFoundError, match=words):
        download(f"{server}{path}", tmp_path / "w.pth")

    assert list(tmp_path.iterdir()) == []


def test_no_network_is_told_in_words(tmp_path):
    with pytest.raises(ModelNotFoundError, match="no connection"):
        download("http://127.0.0.1:9/w.pth", tmp_path / "w.pth")


def test_only_web_addresses_are_opened(tmp_path):
    with pytest.raises(ModelNotFoundError, match="is no web address"):
        download("file:///etc/passwd", tmp_path / "w.pth")


def test_a_local_file_is_checked_like_a_download(tmp_path):
    (tmp_path / "own.pth").write_bytes(CONTENT)

    copy_file(tmp_path / "own.pth", tmp_path / "kept" / "w.pth", sha256=[DIGEST])

    assert (tmp_path / "kept" / "w.pth").read_bytes() == CONTENT
    with pytest.raises(ModelNotFoundError, match="not the file that was expected"):
        copy_file(tmp_path / "own.pth", tmp_path / "other" / "w.pth", sha256=["0" * 64])
    assert list((tmp_path / "other").iterdir()) == []


def test_a_missing_local_file_is_named(tmp_path):
    with pytest.raises(ModelNotFoundError, match=r"nowhere\.pth: No such file"):
        copy_file(tmp_path / "nowhere.pth", tmp_path / "w.pth")
