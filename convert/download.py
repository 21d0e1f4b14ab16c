"""Files from the network: resumed where they broke off, checked, and never half there."""

import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from runtime.errors import ModelNotFoundError
from runtime.models import file_sha256

TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 18
_SCHEMES = ("http", "https")

#: Told how many bytes there are and how many there will be (0 when unknown).
Progress = Callable[[int, int], None]


def download(
    url: str, target: Path, *, sha256: Sequence[str] = (), progress: Progress | None = None
) -> None:
    """Download one file.

    What has arrived is kept in ``target`` plus ``.partial`` when the connection breaks; the next
    call goes on from there.

    Args:
        url: HTTP or HTTPS address.
        target: Name of the finished file; appears only when complete and checked.
        sha256: Acceptable hex digests; empty when none is known.
        progress: Told after every block.

    Raises:
        ModelNotFoundError: No connection, refused by the server, cut off, or another digest.
    """
    if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
        raise ModelNotFoundError(f"{url} is no web address")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    edition = target.with_name(f"{target.name}.partial-edition")
    try:
        _receive(url, partial, edition, progress)
    except (OSError, HTTPException) as error:
        raise ModelNotFoundError(f"{url}: {_reason(error)}") from error
    edition.unlink(missing_ok=True)
    publish(partial, target, sha256=sha256, origin=url)


def publish(partial: Path, target: Path, *, sha256: Sequence[str], origin: str) -> None:
    """Rename a complete file to its name if its digest is acceptable, and remove it otherwise.

    Args:
        partial: The file.
        target: Its name to be.
        sha256: Acceptable hex digests; empty when none is known.
        origin: For the message.

    Raises:
        ModelNotFoundError: It has another digest.
    """
    if sha256 and (found := file_sha256(partial)) not in sha256:
        partial.unlink()
        raise ModelNotFoundError(
            f"{origin} is not the file that was expected: SHA-256 {found}, expected "
            f"{' or '.join(sha256)}"
        )
    partial.replace(target)


def copy_file(source: Path, target: Path, *, sha256: Sequence[str] = ()) -> None:
    """Take a file that the user has already, under the same rules as a download.

    Raises:
        ModelNotFoundError: It is missing, or has another digest.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        shutil.copyfile(source, partial)
    except OSError as error:
        raise ModelNotFoundError(f"cannot read {source}: {error.strerror}") from error
    publish(partial, target, sha256=sha256, origin=str(source))


def _receive(url: str, partial: Path, edition: Path, progress: Progress | None) -> None:
    there = partial.stat().st_size if partial.is_file() and edition.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "mouthpiece"})  # noqa: S310  # checked
    if there:
        request.add_header("Range", f"bytes={there}-")
        request.add_header("If-Range", edition.read_text(encoding="utf-8"))
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  # checked
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            there = 0
        _refuse_pages(response)
        _remember_edition(response, edition)
        total = there + int(response.headers.get("Content-Length") or 0)
        with partial.open("ab" if there else "wb") as file:
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                there += len(block)
                if progress is not None:
                    progress(there, total)
    if there < total:
        raise OSError(f"the connection broke after {there} of {total} bytes; try again to go on")


def _refuse_pages(response: HTTPResponse) -> None:
    if response.headers.get_content_type() == "text/html":
        raise OSError("the server sent a web page instead of the file")


def _remember_edition(response: HTTPResponse, edition: Path) -> None:
    """Note which edition of the file this is: only the same one may be continued."""
    mark = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if mark and not mark.startswith("W/"):
        edition.write_text(mark, encoding="utf-8")
    else:
        edition.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__
