"""The laws of every blend method."""

import dataclasses

import cv2
import numpy as np
import pytest

from runtime.blending import METHODS, PRESETS, BlendOptions, first_row, make_blender, seam_step
from runtime.blending.hd import enhance
from runtime.blending.paste import crop_points
from runtime.blending.region import crop_to_frame
from runtime.blending.tone import NaturalTeeth, crispness, grain_pattern, strongest
from runtime.errors import OptionError
from runtime.planes import patch_bgr, to_bgr
from runtime.types import CROP_SIZE, FaceBox
from tests.runtime.painted_face import frame_of, painted_reference, shown, spoken

SOFT = ("ellipse", "multiscale", "edge_aware", "guided", "hd", "mesh", "warp")


def patches_of(method, reference, mouths, **options):
    stage = make_blender(
        BlendOptions(method=method, **options), rest=lambda frame: frame.crop.copy()
    )
    patches = [patch for mouth in mouths for patch in stage.push(reference, mouth)]
    return patches + stage.flush()


@pytest.fixture(scope="module")
def reference():
    return painted_reference()


@pytest.mark.parametrize("method", METHODS)
def test_every_mouth_gives_one_patch_in_order(method, reference):
    mouths = [spoken(reference, share) for share in (0.0, 0.4, 0.8, 0.2)]
    assert len(patches_of(method, reference, mouths)) == len(mouths)


@pytest.mark.parametrize("method", METHODS)
def test_regions_are_even_and_inside_the_frame(method, reference):
    region = patches_of(method, reference, [spoken(reference, 0.5)])[0].region
    assert all(edge % 2 == 0 for edge in region)
    assert 0 <= region.x1 < region.x2 <= reference.size[1]
    assert 0 <= region.y1 < region.y2 <= reference.size[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box_width", [60, 121, 256])
def test_any_face_size_is_taken(method, box_width):
    small = painted_reference(box_width=box_width)
    patch = patches_of(method, small, [spoken(small, 0.5)])[0]
    assert patch_bgr(patch).shape == (patch.region.height, patch.region.width, 3)
    assert patch.touched.shape == patch_bgr(patch).shape[:2]
    assert patch.touched.any()


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_without_a_face_is_shown_as_it_is(method):
    empty = painted_reference(has_face=False)
    patch = patches_of(method, empty, [spoken(empty, 0.5)])[0]
    assert patch.region == FaceBox(0, 0, 0, 0)
    assert not patch.touched.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_same_mouths_give_the_same_patches(method, reference):
    mouths = [spoken(reference, share) for share in (0.1, 0.7, 0.3)]
    first, second = (patches_of(method, reference, mouths) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.pixels, b.pixels)
        assert np.array_equal(a.touched, b.touched)


@pytest.mark.parametrize("method", SOFT)
def test_no_edge_is_added_at_the_masks_border(method, reference):
    patch = patches_of(method, reference, [spoken(reference, 0.8)])[0]
    source = frame_of(reference)
    mask = np.zeros(source.shape[:2], np.float32)
    region = patch.region
    mask[region.y1 : region.y2, region.x1 : region.x2] = patch.touched
    assert seam_step(shown(patch), source, mask) < 1.15


@pytest.mark.parametrize("method", [m for m in SOFT if m != "warp"])
def test_a_mouth_equal_to_its_face_changes_nothing_outside_the_lips(method, reference):
    patch = patches_of(method, reference, [reference.crop], grain=False)[0]
    source = to_bgr(reference.planes, patch.region)
    chin = crop_points(reference)[[199, 200]].mean(0)
    frame_chin = (crop_to_frame(reference.box, 0.0) @ [*chin, 1]).astype(int)
    y, x = frame_chin[1] - patch.region.y1, frame_chin[0] - patch.region.x1
    change = np.abs(patch.pixels.astype(int) - source)[y - 2 : y + 3, x - 8 : x + 9]
    assert change.max() <= 4  # two roundings, and the tail of the lip mask


@pytest.mark.parametrize("method", [m for m in SOFT if m != "warp"])
def test_lips_that_look_as_in_the_frame_keep_every_detail_of_it(method, reference):
    patch = patches_of(method, reference, [reference.crop])[0]
    source = to_bgr(reference.planes, patch.region)
    assert np.abs(patch.pixels.astype(int) - source).max() <= 1


@pytest.mark.parametrize("method", [m for m in SOFT if m != "warp"])
def test_no_lip_line_of_the_frame_shows_in_an_open_mouth(method, reference):
    inner = reference.landmarks[[13, 14]].mean(0).astype(int) + np.array([0, 8])
    patch = patches_of(method, reference, [spoken(reference, 1.0)], grain=False)[0]
    x, y = inner - (patch.region.x1, patch.region.y1)
    inside = patch.pixels[y - 2 : y + 3, x - 10 : x + 11].astype(float).mean(-1)
    assert inside.std() < 6


def test_crispness_never_leaves_the_range_of_the_neighbours(reference):
    mouth = spoken(reference, 0.7)
    grey = cv2.cvtColor(mouth, cv2.COLOR_BGR2GRAY)
    crisp = grey + crispness(mouth)
    around = np.ones((3, 3), np.uint8)
    assert (crisp <= cv2.dilate(grey, around)).all()
    assert (crisp >= cv2.erode(grey, around)).all()
    assert cv2.Laplacian(crisp, cv2.CV_32F).var() > cv2.Laplacian(grey, cv2.CV_32F).var()


@pytest.mark.parametrize("method", [m for m in SOFT if m != "warp"])
def test_a_wrong_colour_is_matched(method, reference):
    tinted = np.clip(spoken(reference, 0.5) * np.array([0.9, 0.95, 1.08]), 0, 255)
    mouth = tinted.astype(np.uint8)
    options = BlendOptions(method=method, grain=False)
    on, off = (
        make_blender(
            BlendOptions(method=method, grain=False, colour_match=match), rest=lambda _: mouth
        ).push(reference, mouth)[0]
        for match in (True, False)
    )
    source = to_bgr(reference.planes, on.region).astype(float)
    rim = on.touched
    assert options.colour_match
    assert np.abs(on.pixels - source)[rim].mean() < np.abs(off.pixels - source)[rim].mean()


def test_a_still_avatars_border_keeps_its_colour(reference):
    mouths = [spoken(reference, share) for share in np.linspace(0, 1, 7)]
    patches = patches_of("mesh", reference, mouths)
    from_edge = patches[0].touched & ~_eroded(patches[0].touched, 9)
    means = [patch.pixels[from_edge].mean(0) for patch in patches]
    assert np.ptp(means, axis=0).max() < 1.0


def test_a_turned_face_is_pasted_turned():
    turned = painted_reference(angle=25.0)
    patch = patches_of("mesh", turned, [spoken(turned, 0.8)])[0]
    change = np.abs(shown(patch).astype(int) - frame_of(turned)).sum(-1)
    y, x = np.argwhere(change > 40).mean(0)
    lips = turned.landmarks[[13, 14, 17]].mean(0)
    assert np.hypot(x - lips[0], y - lips[1]) < 0.12 * turned.box.width


def test_box_pastes_every_pixel_of_the_face_box(reference):
    mouth = np.full((CROP_SIZE, CROP_SIZE, 3), 77, np.uint8)
    patch = patches_of("box", reference, [mouth])[0]
    assert patch.touched.sum() == reference.box.width * reference.box.height
    assert (patch.pixels[patch.touched] == 77).all()


def test_hd_refuses_a_mouth_that_was_resized_before():
    resized = np.zeros((192, 192, 3), np.uint8)
    with pytest.raises(ValueError, match="original"):
        enhance(resized, FaceBox(0, 0, 96, 96), (192, 192), cv2.createCLAHE())


def test_hd_hands_on_the_original_mouth(reference, monkeypatch):
    seen = []
    original = enhance

    def spy(mouth, *rest):
        seen.append(mouth.shape)
        return original(mouth, *rest)

    monkeypatch.setattr("runtime.blending.hd.enhance", spy)
    patches_of("hd", reference, [spoken(reference, 0.5)])
    assert seen == [(96, 96, 3)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "poisson"},
        {"mouth_region_size": 0.1},
        {"blur_intensity": 201},
        {"blur_intensity": 40},
        {"sharpen_amount": -1.0},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(OptionError):
        BlendOptions(**wrong)


def test_presets_are_named_as_documented():
    assert set(PRESETS) == {"default", "fast", "quality", "beard"}


def test_sharpening_sharpens(reference):
    mouth = spoken(reference, 0.8)
    plain, sharp = (
        patches_of("mesh", reference, [mouth], sharpen_mouth=on, grain=False)[0].pixels
        for on in (False, True)
    )
    assert sharp.astype(float).std() > plain.astype(float).std()


def test_a_smaller_mouth_region_touches_less(reference):
    mouth = spoken(reference, 0.8)
    small, large = (
        patches_of("mesh", reference, [mouth], mouth_region_size=size)[0].touched.sum()
        for size in (0.35, 0.6)
    )
    assert small < large


def _eroded(mask, size):
    return cv2.erode(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0


@pytest.mark.parametrize("method", [name for name in SOFT if name != "multiscale"])
def test_rows_that_need_not_be_generated_are_never_shown(method, reference):
    row = first_row(BlendOptions(method=method))
    assert row > 0
    mouth = spoken(reference, 0.5)
    other = mouth.copy()
    other[:row] = 255 - other[:row]
    one, two = (patches_of(method, reference, [m], colour_match=False)[0] for m in (mouth, other))
    assert np.array_equal(shown(one), shown(two))


def test_the_whole_crop_is_generated_where_it_may_be_shown():
    assert first_row(BlendOptions(method="box")) == 0
    assert first_row(BlendOptions(method="multiscale")) == 0
    assert first_row(BlendOptions(mouth_region_size=1.0)) == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_mouth_that_is_hidden_wholly_leaves_the_picture_as_it_is(method):
    reference = painted_reference()
    hidden = dataclasses.replace(reference, cover=np.full((48, 48), 255, np.uint8))
    stage = make_blender(BlendOptions(method=method), rest=lambda frame: frame.crop)
    patches = [*stage.push(hidden, spoken(hidden, 0.8)), *stage.flush()]
    assert np.array_equal(shown(patches[0]), frame_of(hidden))


def test_the_strongest_colour_is_the_largest_of_the_three():
    colours = np.random.default_rng(0).random((5, 7, 3)).astype(np.float32)
    assert np.array_equal(strongest(colours), colours.max(-1))


def test_windows_show_parts_of_one_grain():
    whole = grain_pattern(np.s_[0:300, 0:40], index=3)
    part = grain_pattern(np.s_[250:300, 10:30], index=3)
    assert np.array_equal(part, whole[250:, 10:30])


def test_teeth_are_at_most_half_as_far_from_skin_as_grey_is():
    face = np.full((8, 8, 3), (80, 120, 160), np.uint8)
    mouth = np.full((8, 8, 3), (130, 150, 120), np.uint8)
    mouth[4:] = (60, 80, 140)
    natural = NaturalTeeth(face).of(mouth)
    assert (natural[:4] == (90, 105, 120)).all()
    assert (natural[4:] == mouth[4:]).all()


def test_teeth_are_not_green_beside_pink_skin():
    face = np.full((8, 8, 3), (150, 160, 230), np.uint8)
    mouth = np.full((8, 8, 3), (160, 180, 190), np.uint8)
    blue, green, red = NaturalTeeth(face).of(mouth)[0, 0].astype(int)
    assert (blue, red) == (157, 190)
    assert green <= (blue + red) / 2


@pytest.mark.parametrize("colour", [(80, 120, 160), (120, 120, 120), (200, 120, 100)])
def test_a_mouth_in_the_colours_of_its_face_keeps_them(colour):
    face = np.full((8, 8, 3), colour, np.uint8)
    face[4:] //= 2
    assert (NaturalTeeth(face).of(face) == face).all()
    brighter = face + np.uint8(30) if len(set(colour)) == 1 else face
    assert (NaturalTeeth(face).of(brighter) == brighter).all()
