from dataclasses import replace
from itertools import cycle, islice

import numpy as np
import openvino as ov
import pytest

from benchmarks.quantized import quantize
from benchmarks.topology import random_generator
from runtime.errors import ModelMismatchError
from runtime.generator import SILENCE, Generator
from runtime.host import HostPlan
from tests.runtime.networks import PLAN, Stored, difference, inputs, noted, reference, run


@pytest.fixture(scope="module", params=["f32", "int8"])
def stored(request, tmp_path_factory):
    model = random_generator(0.125)
    if request.param == "int8":
        model = quantize(model)
    path = tmp_path_factory.mktemp("generator") / "random.xml"
    ov.save_model(model, path, compress_to_fp16=False)
    return Stored(path)


@pytest.fixture(scope="module")
def generator(stored):
    return Generator(stored, PLAN)


@pytest.fixture(scope="module")
def whole(stored):
    """Mouths of the whole graph for three crops and eleven sounds, crops in turn."""
    crops, mels = inputs(11)
    order = list(islice(cycle(range(3)), 11))
    (mouths,) = run(ov.Core().read_model(stored.path), crops[order], mels)
    return crops[:3], mels, mouths


def test_mouths_come_in_order_and_are_those_of_the_whole_graph(generator, whole):
    crops, mels, expected = whole
    references = [reference(crop, index) for index, crop in enumerate(crops)]
    mouths = list(generator.generate(zip(cycle(references), mels, strict=False)))
    assert len(mouths) == 11
    # See test_splitting for the one level.
    assert max(map(difference, mouths, expected)) <= 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_any_number_of_frames_fills_any_batch(generator, count):
    crops, mels = inputs(max(count, 1))
    pairs = [(reference(crops[0]), mel) for mel in mels[:count]]
    mouths = list(generator.generate(pairs))
    assert len(mouths) == count
    assert all(mouth.shape == (96, 96, 3) and mouth.dtype == np.uint8 for mouth in mouths)


@pytest.mark.parametrize(
    "plan", [HostPlan(streams=1, threads=1, batch=1), HostPlan(streams=2, threads=2, batch=8)]
)
def test_streams_and_batches_change_no_picture(stored, generator, plan):
    crops, mels = inputs(9)
    pairs = [(reference(crop), mel) for crop, mel in zip(crops, mels, strict=True)]
    for ours, theirs in zip(
        generator.generate(pairs), Generator(stored, plan).generate(pairs), strict=True
    ):
        assert difference(ours, theirs) <= 1


def test_the_same_input_gives_the_same_bytes(stored):
    crops, mels = inputs(7)
    pairs = [(reference(crop), mel) for crop, mel in zip(crops, mels, strict=True)]
    plan = HostPlan(streams=2, threads=2, batch=2)
    first, second = (b"".join(map(bytes, Generator(stored, plan).generate(pairs))) for _ in "ab")
    assert first == second


def test_prepared_features_save_the_face_encoder(stored):
    generator = Generator(stored, PLAN)
    crops, mels = inputs(3)
    plain = list(generator.generate(zip(map(reference, crops), mels, strict=True)))
    features = generator.encode(crops)
    fresh = Generator(stored, PLAN)
    prepared = [
        replace(reference(crop), features=levels)
        for crop, levels in zip(crops, features, strict=True)
    ]
    mouths = list(fresh.generate(zip(prepared, mels, strict=True)))
    assert "_compiled_encoder" not in vars(fresh)
    assert all(map(np.array_equal, plain, mouths))


def test_features_are_what_an_avatar_can_store(generator):
    crops, _ = inputs(5)
    features = generator.encode(crops)
    assert len(features) == 5
    for levels in features:
        assert [level.shape[0] for level in levels] == [96, 48, 24, 12, 6, 3, 1]
        assert all(
            level.flags.owndata and level.dtype in (np.uint8, np.float16) for level in levels
        )


@pytest.mark.parametrize("first_row", [44, 48])
def test_rows_above_the_first_are_the_reference_crops(stored, generator, first_row):
    crops, mels = inputs(4)
    pairs = [(reference(crop), mel) for crop, mel in zip(crops, mels, strict=True)]
    lower = Generator(stored, PLAN, first_row=first_row)
    for crop, mouth, whole_mouth in zip(
        crops, lower.generate(pairs), generator.generate(pairs), strict=True
    ):
        assert np.array_equal(mouth[:first_row], crop[:first_row])
        assert difference(mouth[first_row:], whole_mouth[first_row:]) <= 1


def test_the_rest_mouth_is_that_of_silence_and_is_drawn_once(generator):
    crops, _ = inputs(1, seed=3)
    rest = generator.rest(reference(crops[0]))
    assert np.array_equal(rest, next(generator.generate([(reference(crops[0]), SILENCE)])))
    assert generator.rest(reference(crops[0].copy(), index=7)) is rest


def test_a_live_generator_answers_before_it_asks_for_more(stored):
    generator = Generator(stored, HostPlan(streams=1, threads=1, batch=1))
    crops, mels = inputs(4)
    pulled: list[object] = []
    pairs = ((reference(crops[0]), mel) for mel in noted(mels, pulled))
    for index, _ in enumerate(generator.generate(pairs)):
        assert len(pulled) == index + 1


def test_memory_of_crops_is_bounded(generator):
    crops, mels = inputs(60, seed=4)
    list(generator.generate((reference(crop), mels[0]) for crop in crops))
    assert len(generator._features._values) <= 32


def test_a_generator_tells_what_the_network_says_of_itself(generator):
    assert (generator.name, generator.licence, generator.mel_offset) == ("random", "none", 0)
    assert generator.digest == "5" * 64


def test_a_network_for_another_crop_size_is_refused(tmp_path):
    model = random_generator(0.125)
    model.set_rt_info("192", ["mouthpiece", "crop_size"])
    ov.save_model(model, tmp_path / "large.xml")
    with pytest.raises(ModelMismatchError, match="crop_size must be '96', found '192'"):
        Generator(Stored(tmp_path / "large.xml"), PLAN)
