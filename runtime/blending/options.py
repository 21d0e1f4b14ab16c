"""What a caller can choose about blending, and the presets."""

from dataclasses import dataclass

from runtime.errors import OptionError

#: Every blend method by name; ``auto`` is ``warp``, which falls back to ``mesh`` when it must.
METHODS = ("box", "ellipse", "multiscale", "edge_aware", "guided", "hd", "mesh", "warp", "auto")


#: ``mouth_region_size`` at which the lower-face outline is taken as it is.
NATURAL_SIZE = 0.6
#: No natural mask reaches above this row of a crop: on sixteen portraits of all kinds the masks
#: began at rows 39 to 51.
SHOWN_ROW = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendOptions:
    """How a generated mouth is put into its reference frame.

    Attributes:
        method: One of ``METHODS``.
        mouth_region_size: How much of the lower face is replaced, 0.2 to 1; 0.6 reaches from
            under the nose to the chin.
        blur_intensity: Width of the fade at the mask's border, as the kernel of a Gaussian in
            pixels on a face 256 pixels wide, odd, 3 to 101; scales with the face.
        sharpen_mouth: Sharpen the generated mouth before it is enlarged.
        sharpen_amount: Strength of that sharpening, 0 to 2.
        colour_match: Match the mouth's colour to the skin around it, in linear light.
        grain: Give the mouth the picture's own grain.
    """

    method: str = "auto"
    mouth_region_size: float = NATURAL_SIZE
    blur_intensity: int = 41
    sharpen_mouth: bool = False
    sharpen_amount: float = 0.6
    colour_match: bool = True
    grain: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be honoured.

        Raises:
            OptionError: A value is outside its range.
        """
        if self.method not in METHODS:
            raise OptionError(f"unknown blend method {self.method!r}; choose of {list(METHODS)}")
        _check_range("mouth_region_size", self.mouth_region_size, 0.2, 1.0)
        _check_range("blur_intensity", self.blur_intensity, 3, 101)
        if self.blur_intensity % 2 == 0:
            raise OptionError(
                f"blur_intensity is {self.blur_intensity}, must be odd as kernels are: "
                f"{self.blur_intensity - 1} or {self.blur_intensity + 1}"
            )
        _check_range("sharpen_amount", self.sharpen_amount, 0.0, 2.0)


def first_row(options: BlendOptions) -> int:
    """Give the topmost row of a generated mouth that these options can show.

    The mask of the soft methods begins under the nose; what lies above need not be generated.
    ``box`` shows all, and the coarse levels of ``multiscale`` look beyond their mask.
    """
    shows_all = options.method in ("box", "multiscale")
    return 0 if shows_all or options.mouth_region_size > NATURAL_SIZE else SHOWN_ROW


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise OptionError(f"{name} is {value:g}, must be {low:g} to {high:g}")


#: Named choices for whoever does not want to know.
PRESETS = {
    "default": BlendOptions(),
    "fast": BlendOptions(method="ellipse"),
    "quality": BlendOptions(blur_intensity=61, sharpen_mouth=True),
    "beard": BlendOptions(method="guided", mouth_region_size=0.4),
}
