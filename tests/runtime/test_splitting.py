from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from benchmarks.quantized import quantize
from benchmarks.topology import random_generator
from runtime.errors import ModelMismatchError
from runtime.rows import keep_rows
from runtime.splitting import split_generator
from runtime.upsampling import unroll_upsampling
from tests.runtime.networks import difference, inputs, run

BUNDLED = Path(__file__).parents[2] / "models" / "mouthpiece"
ROWS = (1, 31, 44, 48, 49, 95)


@cache
def network(kind):
    if kind.startswith("random"):
        model = random_generator(0.125)
        return quantize(model) if kind == "random int8" else model
    path = BUNDLED / ("mouthpiece-int8.xml" if kind == "bundled int8" else "mouthpiece.xml")
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    return ov.Core().read_model(path)


@cache
def answers(kind):
    """The whole graph's mouths, the features, and the split graph's mouths."""
    crops, mels = inputs()
    split = split_generator(network(kind))
    features = run(split.face_encoder, crops)
    (mouths,) = run(network(kind), crops, mels)
    (split_mouths,) = run(split.decoder, mels, *features)
    return mouths, features, split_mouths


KINDS = ("random f32", "random int8", "bundled f32", "bundled int8")


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_generator_draws_what_the_whole_one_draws(kind):
    mouths, features, split_mouths = answers(kind)
    is_quantized = features[0].dtype == np.uint8
    assert mouths.std() > 5
    # Quantized features travel as they are; float16 keeps 11 bits, which may turn a rounding.
    assert difference(mouths, split_mouths) <= (0 if is_quantized else 1)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_features_travel_as_the_network_computes_with_them(kind):
    _, features, _ = answers(kind)
    assert {level.dtype for level in features} == {np.dtype("u1" if "int8" in kind else "f2")}
    assert [level.shape[1] for level in features] == [96, 48, 24, 12, 6, 3, 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first_row", ROWS)
def test_the_kept_rows_are_those_of_the_whole_picture(kind, first_row):
    _, features, mouths = answers(kind)
    lower = keep_rows(split_generator(network(kind)).decoder, first_row)
    kept = [
        level[:, -port.partial_shape[1].get_length() :]
        for level, port in zip(features, lower.inputs[1:], strict=True)
    ]
    (rows,) = run(lower, inputs()[1], *kept)
    assert rows.shape == (3, 96 - first_row, 96, 3)
    # The same sums in the same order; only a library's blocking may differ with the shape.
    assert difference(rows, mouths[:, first_row:]) <= 1
    assert np.mean(rows != mouths[:, first_row:]) < 1e-3


@pytest.mark.parametrize("first_row", [30, 48])
def test_one_row_less_of_halo_would_show(first_row):
    _, features, mouths = answers("random f32")
    lower = keep_rows(split_generator(network("random f32")).decoder, first_row)
    kept = [
        level[:, -port.partial_shape[1].get_length() :].copy()
        for level, port in zip(features, lower.inputs[1:], strict=True)
    ]
    kept[0][:, 0] += 1
    (rows,) = run(lower, inputs()[1], *kept)
    assert np.any(rows[:, 0] != mouths[:, first_row])
    assert difference(rows[:, 1:], mouths[:, first_row + 1 :]) <= 1


def test_keeping_every_row_changes_nothing():
    decoder = split_generator(network("random f32")).decoder
    assert keep_rows(decoder, 0).input(1).partial_shape == decoder.input(1).partial_shape


def test_surgery_leaves_the_graph_it_was_given_alone():
    model = random_generator(0.125)
    before = [node.get_friendly_name() for node in model.get_ordered_ops()]
    decoder = split_generator(model).decoder
    unroll_upsampling(keep_rows(decoder, 48))
    assert [node.get_friendly_name() for node in model.get_ordered_ops()] == before
    assert list(decoder.output(0).partial_shape)[1].get_length() == 96


def test_a_network_whose_decoder_ignores_the_face_cannot_be_split():
    face = ov.opset13.parameter([-1, 96, 96, 3], np.uint8, name="face")
    mel = ov.opset13.parameter([-1, 80, 16], np.float32, name="mel")
    deaf = ov.Model([ov.opset13.relu(mel), ov.opset13.relu(face)], [face, mel], "deaf")
    with pytest.raises(ModelMismatchError, match="nothing from its face encoder"):
        split_generator(deaf)


@pytest.mark.parametrize("kind", KINDS)
def test_unrolled_upsampling_multiplies_the_same_numbers(kind):
    _, features, mouths = answers(kind)
    unrolled = unroll_upsampling(split_generator(network(kind)).decoder)
    kinds = [node.get_type_name() for node in unrolled.get_ordered_ops()]
    # The first layer, 1x1 to 3x3, has stride one.
    assert kinds.count("ConvolutionBackpropData") == 1
    assert kinds.count("DepthToSpace") == 5
    (again,) = run(unrolled, inputs()[1], *features)
    if "f32" in kind:
        assert difference(again, mouths) <= 1
    else:
        # Float and INT8 kernels round differently, and a turned rounding walks through 20 layers.
        assert np.abs(again.astype(int) - mouths).mean() < 1.5


@pytest.mark.parametrize("first_row", [44, 48])
def test_unrolled_upsampling_also_keeps_rows(first_row):
    _, features, mouths = answers("random f32")
    decoder = split_generator(network("random f32")).decoder
    lower = unroll_upsampling(keep_rows(decoder, first_row))
    kept = [
        level[:, -port.partial_shape[1].get_length() :]
        for level, port in zip(features, lower.inputs[1:], strict=True)
    ]
    (rows,) = run(lower, inputs()[1], *kept)
    assert difference(rows, mouths[:, first_row:]) <= 1
