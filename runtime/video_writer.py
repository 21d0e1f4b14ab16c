"""The output file: encoded in its own thread, complete or absent, never half-written."""

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

import av.error

from runtime.destination import Destination, check_output
from runtime.errors import OutputError
from runtime.image_sequence import ImageSequence
from runtime.muxing import EncodeOptions, FilmEncoder
from runtime.resampling import MuxAudio, SoundArray
from runtime.timing import StageTimer
from runtime.types import Patch

__all__ = ["QUEUE_LENGTH", "VideoWriter", "check_output"]

logger = logging.getLogger(__name__)

#: Frames and sound blocks that may wait for the encoder; a slow encoder slows the producer.
QUEUE_LENGTH = 8


class VideoWriter:
    """Writes patches and sound as one film, with the encoder in a thread behind a bounded queue.

    The name chooses the format: .mp4, .m4v, .mov and .mkv hold H.264 and AAC, .webm holds VP9
    (with opacity when asked for) and Opus. A name without suffix, or ``folder/%05d.png``, is a
    new folder of PNG pictures (with opacity where there is one) and ``sound.wav``. The output is
    written under a temporary name beside its own and renamed by ``close``; an error, ``abort`` or
    leaving ``with`` by an exception removes it. The first frame and the first sample are both at
    time 0.

    Args:
        target: Output path, or a binary file object for MP4; one that cannot seek needs
            ``fragmented``.
        fps: Frames per second.
        size: Height and width in pixels, both even.
        audio: Rate and channels of the sound, or ``None`` for a silent film.
        options: How to encode.
        alpha: Keep the reference frames' opacity in a .webm film; others show them before black.
        timer: Gets the encoder's busy time as the stage ``encode``.

    Raises:
        OptionError: The suffix or the size is not one that can be written.
        OutputError: The folder is not writable.
    """

    def __init__(
        self,
        target: Path | BinaryIO,
        *,
        fps: float,
        size: tuple[int, int],
        audio: MuxAudio | None = None,
        options: EncodeOptions | None = None,
        alpha: bool = False,
        timer: StageTimer | None = None,
    ) -> None:
        self._timer = timer or StageTimer()
        self._name = str(target) if isinstance(target, Path) else "the output stream"
        place = Destination(target) if isinstance(target, Path) else target
        self._destination = place if isinstance(place, Destination) else None
        self._failure: BaseException | None = None
        self._abandoned = threading.Event()
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue(QUEUE_LENGTH)
        self._thread: threading.Thread | None = None
        self._frames = 0
        try:
            self._encoder: _Encoder
            if isinstance(place, Destination) and place.pattern:
                self._encoder = ImageSequence(place.temporary, pattern=place.pattern, audio=audio)
            else:
                self._encoder = FilmEncoder(
                    place,
                    fps=fps,
                    size=size,
                    audio=audio,
                    options=options or EncodeOptions(),
                    alpha=alpha,
                )
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._remove()
            raise self._translated(error) from error
        except BaseException:
            self._remove()
            raise
        self._thread = threading.Thread(target=self._work, name="encode", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> int:
        """Number of frames written so far."""
        return self._frames

    def write(self, patch: Patch) -> None:
        """Queue the next frame; waits while the queue is full.

        Raises:
            OutputError: Writing failed, for example because the disk is full.
        """
        self._put(lambda: self._encoder.write(patch))
        self._frames += 1

    def write_audio(self, samples: SoundArray) -> None:
        """Queue the next sound.

        Args:
            samples: float32 ``(n, channels)`` (or ``(n,)`` for mono), [-1, 1], at the rate given
                as ``audio``; the array must not change afterwards.

        Raises:
            OutputError: Writing failed, for example because the disk is full.
        """
        self._put(lambda: self._encoder.write_audio(samples))

    def close(self) -> None:
        """Encode the rest and put the file in its place; does nothing when already closed.

        Raises:
            OutputError: Writing failed; nothing is left behind.
        """
        if self._thread is None:
            return
        if not self._frames:
            self.abort()
            raise OutputError(f"cannot write {self._name}: no frame was made")
        try:
            self._put(self._encoder.finish)
            self._stop()
            self._raise_failure()
            if self._destination is not None:
                self._destination.publish()
        except OSError as error:
            raise self._translated(error) from error
        finally:
            self._remove()
            if self._failure is not None:
                self._encoder.discard()

    def abort(self) -> None:
        """Give the output up and remove what was written; does nothing when already closed."""
        if self._thread is None:
            return
        self._abandoned.set()
        self._stop()
        # First the file, then the encoder: without the file it cannot spend time on completing it.
        self._remove()
        self._encoder.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _put(self, task: Callable[[], None]) -> None:
        if self._thread is None:
            raise OutputError(f"{self._name} is closed already")
        if self._failure is not None:
            self.abort()
            self._raise_failure()
        self._tasks.put(task)

    def _work(self) -> None:
        """Run tasks until told to stop; after a failure only take them off the queue."""
        while (task := self._tasks.get()) is not None:
            if self._failure is not None or self._abandoned.is_set():
                continue
            try:
                with self._timer("encode"):
                    task()
            except Exception as error:  # noqa: BLE001  # handed to the caller's thread
                self._failure = error

    def _stop(self) -> None:
        if self._thread is not None:
            self._tasks.put(None)
            self._thread.join()
            self._thread = None

    def _raise_failure(self) -> None:
        if isinstance(self._failure, (av.error.FFmpegError, OSError)):
            raise self._translated(self._failure) from self._failure
        if self._failure is not None:
            raise self._failure

    def _translated(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error)
        return OutputError(f"cannot write {self._name}: {reason}")

    def _remove(self) -> None:
        if self._destination is not None:
            self._destination.remove()


class _Encoder(Protocol):
    """What the encoder thread drives."""

    def write(self, patch: Patch) -> None: ...

    def write_audio(self, samples: SoundArray) -> None: ...

    def finish(self) -> None: ...

    def discard(self) -> None: ...
