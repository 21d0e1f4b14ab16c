"""Opening of media files: content decides the format, and nothing but the file is read."""

import io
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeVar

import av
import av.container
import av.error
import av.stream

from runtime.errors import InputError

logger = logging.getLogger(__name__)

MediaSource = Path | bytes
Packet = TypeVar("Packet")
Decoded = TypeVar("Decoded")

#: Demuxers that draw text files as pictures; a renamed text file must not become a video.
TEXT_ART_FORMATS = frozenset({"tty", "bin", "xbin", "idf", "adf"})
#: No protocol at all: a playlist inside an upload must not open other files or addresses.
CONTAINER_OPTIONS = {"protocol_whitelist": "none"}
#: Largest denominator of a frame rate: 1001 covers the NTSC family exactly.
RATE_DENOMINATOR = 1001


def source_name(source: MediaSource) -> str:
    """Name a source for messages: its path, or its size when it came as bytes."""
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    return str(source)


def exact_rate(fps: float | Fraction) -> Fraction:
    """Give the frame rate as an exact fraction, so that 29.97003 is 30000/1001 again."""
    return Fraction(fps).limit_denominator(RATE_DENOMINATOR)


def header_length_s(container: av.container.InputContainer, stream: av.stream.Stream) -> float:
    """Give the length in seconds that the headers tell, 0 when they do not."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


class _NamelessFile:
    """A binary file without its name: a wrong suffix cannot mislead the format detection."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


@contextmanager
def open_media(
    source: MediaSource, *, error: type[InputError], expected: str
) -> Iterator[av.container.InputContainer]:
    """Open an image, sound or video for reading.

    Args:
        source: Path, or the file's bytes.
        error: Class raised when the file cannot be opened.
        expected: What the caller needs, for the message, such as "a sound file".

    Yields:
        The open container, closed on leaving.

    Raises:
        InputError: As ``error``; the message names the file, what was expected and found.
    """
    name = source_name(source)
    with _open_binary(source, name, error, expected) as file:
        try:
            container = av.open(
                _NamelessFile(file), mode="r", options=CONTAINER_OPTIONS, metadata_errors="replace"
            )
        except (av.error.FFmpegError, OSError, ValueError) as failure:
            found = describe_content(file)
            raise error(f"cannot read {name}: expected {expected}, found {found}") from failure
        with container:
            if container.format.name in TEXT_ART_FORMATS:
                raise error(f"cannot read {name}: expected {expected}, found a text file")
            yield container


@contextmanager
def _open_binary(
    source: MediaSource, name: str, error: type[InputError], expected: str
) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    try:
        file = source.open("rb")
    except OSError as failure:
        reason = failure.strerror or str(failure)
        raise error(f"cannot read {name}: expected {expected}, found: {reason}") from failure
    with file:
        yield file


def describe_content(file: BinaryIO) -> str:
    """Say in words what an unreadable file seems to hold, from its first bytes."""
    file.seek(0)
    head = file.read(4096)
    if not head:
        return "an empty file"
    text_bytes = sum(byte in b"\t\n\r" or 32 <= byte < 127 or byte >= 128 for byte in head)
    if text_bytes == len(head) and b"\0" not in head:
        return "a text file"
    return "data of an unknown or damaged format"


def decode_packets(
    packets: Iterator[Packet], decode: Callable[[Packet], Iterable[Decoded]], source: MediaSource
) -> Iterator[Decoded]:
    """Decode a stream, passing over what is damaged; a warning then names the file.

    Args:
        packets: The stream's packets, in order.
        decode: Gives the frames of one packet.
        source: What they come from, for the warning.

    Yields:
        Every frame that can be decoded.
    """
    is_whole = True
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.EOFError):
            break
        except av.error.FFmpegError:
            is_whole = False
            break
        try:
            yield from decode(packet)
        except av.error.EOFError:
            continue
        except av.error.FFmpegError:
            is_whole = False
    if not is_whole:
        logger.warning("%s is damaged or cut off; what could be read is used", source_name(source))
