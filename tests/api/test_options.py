import pytest

from api.options import AnimateOptions
from runtime.errors import OptionError


def test_the_defaults_are_valid():
    assert AnimateOptions().blend == "auto"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fps", 0.0),
        ("fps", 1000.0),
        ("fps", float("nan")),
        ("blend", "poisson"),
        ("precision", "int4"),
        ("loop", "forever"),
        ("preset", "best"),
        ("on_missing_face", "panic"),
        ("resize_factor", 0),
        ("mouth_region_size", 3.0),
        ("blur_intensity", 0),
        ("sharpen_amount", -1.0),
        ("silence_threshold", 1.0),
        ("face_id", -1),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused_by_name(name, value):
    with pytest.raises(OptionError, match=name):
        AnimateOptions(**{name: value})
