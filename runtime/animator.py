"""The one generator of frames: prepared avatar and sound in, blended patches out.

Files, HTTP, streams and benchmarks differ only in where the waveforms come from and where the
patches go. Batch is the stream read to its end; a still image is a video of one frame.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from typing import NamedTuple

import cv2
import numpy as np

from runtime.audio_lips import AudioLips
from runtime.blending import BlendOptions, BlendStage, chosen_method, make_blender
from runtime.chunks import MelChunker, frame_count, narrowed
from runtime.errors import AudioTooShortError
from runtime.faces import FaceMesh
from runtime.generator import SILENCE, Generator
from runtime.mel import MelStream
from runtime.reference import Loop, reference_order
from runtime.silence import SilenceGate
from runtime.silence_meter import SilenceMeter
from runtime.timing import StageTimer
from runtime.types import (
    STILL,
    Avatar,
    LipMovement,
    MelChunk,
    MouthCrop,
    Patch,
    ReferenceFrame,
    Waveform,
)


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How one stream of frames is made.

    Attributes:
        fps: Frames per second of a still avatar; a video avatar keeps its own rate.
        loop: Order of a video avatar's frames once speech outlasts them.
        blend: Blend method and its numbers.
        silence_gating: Hold the rest mouth in silence instead of generating.
        silence_threshold: RMS below which sound is silence.
    """

    fps: float = 25.0
    loop: Loop = "pingpong"
    blend: BlendOptions = field(default_factory=BlendOptions)
    silence_gating: bool = True
    silence_threshold: float = 0.01


class _Step(NamedTuple):
    """One output frame to be."""

    reference: ReferenceFrame
    chunk: MelChunk
    weight: float
    """Share of the generated mouth; the rest is the rest mouth."""
    is_silent: bool


class _Asked(NamedTuple):
    """A mouth that is being drawn."""

    step: _Step
    is_rest: bool


#: A step and what its face says.
_Said = tuple[_Step, MouthCrop | LipMovement]


class Animator:
    """Makes an avatar speak; one per utterance, cheap to create.

    Attributes:
        blend: Blend method of the latest stream.
        pasted: Frames with a face in it that ``warp`` could not show; ``FALLBACK`` did.
        timer: Busy seconds per stage so far.
        silence: Inner-lip movement measured in silent frames so far.
    """

    def __init__(self, generator: Generator, *, mesh: FaceMesh | None = None) -> None:
        """Bring the networks together.

        Args:
            generator: Makes mouths, and hears movements for frames that need no mouth.
            mesh: Reads lips on silent frames, for ``silence``; ``None`` does without.
        """
        self._generator = generator
        self.blend = ""
        self.pasted = 0
        self.timer = StageTimer()
        self.silence = SilenceMeter(mesh)

    @staticmethod
    def rate(avatar: Avatar, options: StreamOptions) -> float:
        """Give the frames per second that ``stream`` will have."""
        return options.fps if len(avatar) == 1 else avatar.fps

    def stream(
        self, avatar: Avatar, waveforms: Iterable[Waveform], options: StreamOptions | None = None
    ) -> Iterator[Patch]:
        """Yield one patch per video frame, in order, as soon as its sound is there.

        Memory does not depend on the length of the sound or of the avatar. Pulling slowly slows
        everything before it.

        Args:
            avatar: A prepared avatar.
            waveforms: The sound, in blocks of any length.
            options: See ``StreamOptions``.

        Yields:
            ``frame_count(samples, self.rate(avatar, options))`` patches.

        Raises:
            AudioTooShortError: There is no sound at all.
        """
        options = options or StreamOptions()
        order = reference_order(len(avatar), options.loop)
        references = self.timer.timed("decode", avatar.frames(order))
        sound = self._listen(waveforms, self.rate(avatar, options), options)
        steps = (
            _Step(reference, chunk, speech if options.silence_gating else 1.0, speech == 0.0)
            for (chunk, speech), reference in zip(sound, references, strict=False)
        )
        self.blend, self.pasted = chosen_method(options.blend), 0
        is_still = len(avatar) == 1
        blender = make_blender(
            options.blend,
            rest=self._generator.rest,
            draw=self._generator.draw,
            teeth=avatar.teeth_frame if self.blend == "warp" else None,
        )
        silent: deque[bool] = deque()
        for step, mouth in self._mouths(steps, blender, is_still=is_still):
            silent.append(step.is_silent and step.reference.has_face)
            self._count_pasted(step.reference, blender)
            with self.timer("blend"):
                patches = blender.push(step.reference, mouth, speaking=step.weight)
            yield from self._observed(patches, silent)
        yield from self._observed(blender.flush(), silent)

    def _count_pasted(self, reference: ReferenceFrame, blender: BlendStage) -> None:
        is_moved = self.blend != "warp" or blender.takes_movement(reference)
        self.pasted += reference.has_face and not is_moved

    def _observed(self, patches: Iterable[Patch], silent: deque[bool]) -> Iterator[Patch]:
        """Yield patches after a look at the lips on those of silent frames."""
        for patch in patches:
            self.silence.observe(patch, is_silent=silent.popleft())
            yield patch

    def _listen(
        self, waveforms: Iterable[Waveform], fps: float, options: StreamOptions
    ) -> Iterator[tuple[MelChunk, float]]:
        """Yield (chunk, speaking weight) per video frame."""
        mel, samples = MelStream(), 0
        lips = self._generator.lips
        around = lips.around if lips and chosen_method(options.blend) == "warp" else 0
        chunker = MelChunker(fps, offset=self._generator.mel_offset, around=around)
        gate = SilenceGate(fps, threshold=options.silence_threshold)
        chunks: deque[MelChunk] = deque()
        weights: deque[float] = deque()
        for waveform in waveforms:
            samples += len(waveform)
            with self.timer("mel"):
                chunks.extend(chunker.push(mel.push(waveform)))
                weights.extend(gate.push(waveform))
            while chunks and weights:
                yield chunks.popleft(), weights.popleft()
        if samples == 0:
            raise AudioTooShortError("there is no sound: 0 samples, expected at least one")
        count = frame_count(samples, fps)
        chunks.extend(chain(chunker.push(mel.flush()), chunker.flush(count)))
        weights.extend(gate.flush(count))
        yield from zip(chunks, weights, strict=True)

    def _mouths(
        self, steps: Iterable[_Step], blender: BlendStage, *, is_still: bool
    ) -> Iterator[_Said]:
        """Pair every step with its mouth or its lips' movement, in order.

        Frames at rest cost no inference, all but the first time that a video shows them to a
        method that needs their mouths: then these are drawn several at once, for a quarter of
        what each costs alone.
        """
        lips = self._generator.lips
        moved = partial(self._moved, lips=lips) if lips else None

        def way(step: _Step) -> Callable[[Iterable[_Step]], Iterator[_Said]]:
            reference, is_idle = step.reference, step.weight == 0.0
            if moved and blender.takes_movement(reference):
                return self._still if is_idle else moved
            knows = is_still or self._generator.knows_rest(reference)
            is_known = not reference.has_face or (is_idle and knows)
            return self._known if is_known else self._generated

        for pair, run in groupby(steps, key=way):
            yield from pair(run)

    def _still(self, steps: Iterable[_Step]) -> Iterator[_Said]:
        return ((step, STILL) for step in steps)

    def _moved(self, steps: Iterable[_Step], lips: AudioLips) -> Iterator[_Said]:
        waiting: deque[_Step] = deque()

        def chunks() -> Iterator[MelChunk]:
            for step in steps:
                waiting.append(step)
                yield step.chunk

        for movement in self.timer.timed("infer", lips.movements(chunks())):
            yield waiting.popleft(), movement

    def _known(self, steps: Iterable[_Step]) -> Iterator[_Said]:
        return ((step, self._idle_mouth(step.reference)) for step in steps)

    def _idle_mouth(self, reference: ReferenceFrame) -> MouthCrop:
        return self._generator.rest(reference) if reference.has_face else reference.crop

    def _generated(self, steps: Iterable[_Step]) -> Iterator[_Said]:
        waiting: deque[_Asked] = deque()
        pairs = self._pairs(steps, waiting)
        for mouth in self.timer.timed("infer", self._generator.generate(pairs)):
            step, is_rest = waiting.popleft()
            if is_rest:
                self._generator.keep_rest(step.reference, mouth)
            if step.weight == 0.0:
                yield step, mouth
            elif not is_rest:
                yield step, mouth if step.weight == 1.0 else self._faded(mouth, step)

    def _pairs(
        self, steps: Iterable[_Step], waiting: deque[_Asked]
    ) -> Iterator[tuple[ReferenceFrame, MelChunk]]:
        """Yield what to draw: every new frame's mouth at rest, which blending wants, and speech."""
        for step in steps:
            reference, is_idle = step.reference, step.weight == 0.0
            is_asked = any(asked.is_rest and asked.step.reference is reference for asked in waiting)
            if is_idle or not (is_asked or self._generator.knows_rest(reference)):
                waiting.append(_Asked(step, is_rest=True))
                yield reference, SILENCE
            if not is_idle:
                waiting.append(_Asked(step, is_rest=False))
                yield reference, narrowed(step.chunk)

    def _faded(self, mouth: MouthCrop, step: _Step) -> MouthCrop:
        rest = self._generator.rest(step.reference)
        mixed = cv2.addWeighted(mouth, step.weight, rest, 1.0 - step.weight, 0.0)
        return np.asarray(mixed, np.uint8)
