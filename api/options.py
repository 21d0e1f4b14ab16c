"""What a caller may ask of one animation, and what comes back; shared by every entry point."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from runtime.errors import OptionError

Loop = Literal["pingpong", "repeat", "hold"]
MissingFace = Literal["keep", "hold", "interpolate", "fail"]
Precision = Literal["auto", "int8", "bf16", "f32"]
Blend = Literal[
    "auto", "box", "ellipse", "multiscale", "edge_aware", "guided", "hd", "mesh", "warp"
]
Preset = Literal["default", "fast", "quality", "beard"]

DEFAULT_FPS = 25.0
#: Outside these a video is either a slide show or more frames than any screen shows.
FPS_RANGE = (1.0, 120.0)


@dataclass(frozen=True, slots=True)
class AnimateOptions:
    """Options of one animation; the defaults are those of the command line.

    Attributes:
        fps: Frames per second for still avatars, 1 to 120; ``None`` means 25. A video avatar
            keeps its own rate.
        model: Name of the generator, or ``None`` for the one in use.
        precision: ``auto``, ``int8``, ``bf16`` or ``f32``.
        blend: How the mouth is put into the frame; ``auto`` leaves it to the preset.
        pads: Pixels added to the found face box: top, bottom, left, right; ``None`` keeps the
            network's own framing, which stands for Wav2Lip's ``0 10 0 0``.
        box: Fixed face box as Wav2Lip spells it: top, bottom, left, right, in pixels.
        crop: Part of the picture to use: top, bottom, left, right; -1 means to the end.
        rotate: Turn the source 90 degrees clockwise.
        resize_factor: Divide the source's height and width by this.
        static: Use only the first frame of a video.
        smooth: Smooth the face boxes over time.
        loop: What follows when the sound outlasts the avatar.
        on_missing_face: What to do with frames without a face.
        face_id: Which face to animate when there are several, 0 is the largest.
        face_at: Instead of ``face_id``: the face nearest to this point, x and y in pixels.
        mouth_region_size: How much of the lower face is replaced, 0.2 to 1; ``None`` leaves it to
            the preset, as for the next.
        blur_intensity: Feathering, a kernel size in pixels for a 256-pixel face, 3 to 101.
        sharpen_mouth: Sharpen the generated mouth.
        sharpen_amount: Strength of the sharpening, 0 to 2; ``None`` leaves it to the preset.
        silence_gating: Hold the rest mouth in silence.
        silence_threshold: RMS below which sound counts as silence, 0.001 to 0.1.
        preset: A named set of defaults for blending; what is given beside it wins.
        use_cache: Keep the prepared avatar in the store.
        deterministic: Give the same bytes for the same input.
    """

    fps: float | None = None
    model: str | None = None
    precision: Precision = "auto"
    blend: Blend = "auto"
    pads: tuple[int, int, int, int] | None = None
    box: tuple[int, int, int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    rotate: bool = False
    resize_factor: int = 1
    static: bool = False
    smooth: bool = True
    loop: Loop = "pingpong"
    on_missing_face: MissingFace = "keep"
    face_id: int | None = None
    face_at: tuple[int, int] | None = None
    mouth_region_size: float | None = None
    blur_intensity: int | None = None
    sharpen_mouth: bool = False
    sharpen_amount: float | None = None
    silence_gating: bool = True
    silence_threshold: float = 0.01
    preset: Preset = "default"
    use_cache: bool = True
    deterministic: bool = False

    def __post_init__(self) -> None:
        _check_choice("precision", self.precision, get_args(Precision))
        _check_choice("blend", self.blend, get_args(Blend))
        _check_choice("loop", self.loop, get_args(Loop))
        _check_choice("on_missing_face", self.on_missing_face, get_args(MissingFace))
        _check_choice("preset", self.preset, get_args(Preset))
        if self.fps is not None:
            _check_range("fps", self.fps, *FPS_RANGE)
        _check_range("resize_factor", self.resize_factor, 1, 16)
        _check_range("silence_threshold", self.silence_threshold, 0.0001, 0.5)
        if self.mouth_region_size is not None:
            _check_range("mouth_region_size", self.mouth_region_size, 0.2, 1.0)
        if self.blur_intensity is not None:
            _check_range("blur_intensity", self.blur_intensity, 3, 101)
        if self.sharpen_amount is not None:
            _check_range("sharpen_amount", self.sharpen_amount, 0, 2)
        if self.face_id is not None:
            _check_range("face_id", self.face_id, 0, 99)


@dataclass(frozen=True, slots=True)
class AnimateReport:
    """What one animation gave.

    Attributes:
        output: The finished file.
        avatar_id: Id of the avatar that spoke.
        duration_s: Length of the video in seconds.
        frames: Number of video frames.
        fps: Frames per second.
        size: Height and width in pixels.
        model: Name of the generator.
        precision: Arithmetic that ran.
        blend: Blend method that made most of the frames.
        cache: ``hit`` when the avatar had been prepared before, else ``miss``.
        av_offset_ms: Drift of the picture against the sound at the end, in milliseconds; 0 when
            the sound ends during the last frame.
        silence_motion: Mean inner-lip movement in silent frames, percent of the mouth width;
            ``None`` when there was no silence to measure.
        stages_s: Busy seconds per stage.
        elapsed_s: Wall seconds of the whole call.
        missing_face: Intervals without a face, in seconds of the avatar.
        warnings: Sentences for the user.
    """

    output: Path
    avatar_id: str
    duration_s: float
    frames: int
    fps: float
    size: tuple[int, int]
    model: str
    precision: str
    blend: str
    cache: Literal["hit", "miss"]
    av_offset_ms: float
    silence_motion: float | None
    stages_s: dict[str, float]
    elapsed_s: float
    missing_face: tuple[tuple[float, float], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def real_time_factor(self) -> float:
        """Wall seconds per second of video."""
        return self.elapsed_s / self.duration_s if self.duration_s else 0.0


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise OptionError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise OptionError(f"{name} is {value}; expected a number from {low} to {high}")
