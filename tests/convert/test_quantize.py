"""Laws of INT8: names stay, layers can be put back, and a bad result is never published."""

import json
from dataclasses import replace

import numpy as np
import openvino as ov
import pytest
import torch
from safetensors.torch import save_file

from convert import conversion, inference, quantize
from convert.calibration import Material, Pairs, draw_pairs, silent_chunks
from convert.conversion import GeneratorOptions, convert_generator, verify
from convert.fidelity import Certificate, Floor, motion_kept, mouth_psnr, mouth_ssim
from convert.inference import run_generator
from convert.networks.wav2lip import Wav2Lip, channels_for_width
from convert.quantize import (
    SearchOptions,
    floating_layers,
    keep_sensitive_layers,
    quantize_plainly,
    quantized_layers,
    restore_layers,
    widen_ranges,
)
from runtime.errors import FidelityError
from runtime.models import ModelStore

# https://github.com/openvinotoolkit/nncf: its own deprecations, nothing of ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def tiny_network() -> torch.nn.Module:
    torch.manual_seed(0)
    return Wav2Lip(channels_for_width(0.02)).eval()


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(0)

    def crops() -> list[np.ndarray]:
        return [rng.integers(0, 256, (96, 96, 3), dtype=np.uint8) for _ in range(3)]

    def chunks() -> list[np.ndarray]:
        return [rng.uniform(-4, 4, (80, 16)).astype(np.float32) for _ in range(60)]

    people = [crops() for _ in range(3)]
    own = [[(people[0][0], chunks()[0])]]
    return Material(people=people, own=own, speech=[chunks()])


@pytest.fixture(scope="module")
def pairs(material: Material) -> Pairs:
    return draw_pairs(material, 8)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> ov.Model:
    folder = tmp_path_factory.mktemp("exact")
    save_file(dict(tiny_network().state_dict()), folder / "tiny.safetensors")
    convert_generator(folder / "tiny.safetensors", folder, GeneratorOptions(int8=False))
    return ov.Core().read_model(folder / "tiny.xml")


@pytest.fixture(scope="module")
def quantized(exact: ov.Model, pairs: Pairs) -> ov.Model:
    return quantize_plainly(exact, pairs)


def test_cut_points_are_found_after_quantization(quantized):
    names = {node.get_friendly_name() for node in quantized.get_ops()}

    assert {f"{kind}_{i}" for kind in ("feature", "concat") for i in range(7)} <= names
    assert len(quantized_layers(quantized)) > 30


def test_the_sound_goes_in_as_it_is(quantized):
    (mel,) = (node for node in quantized.get_parameters() if node.get_friendly_name() == "mel")
    seen, found = [mel], set()
    while seen:
        node = seen.pop()
        found.add(node.get_type_name())
        if node.get_type_name() != "Convolution":
            seen += [target.get_node() for target in node.output(0).get_target_inputs()]
    assert "Convolution" in found
    assert "FakeQuantize" not in found


def test_a_layer_put_back_computes_in_floating_point(exact, quantized):
    name = quantized_layers(quantized)[5]

    restored = restore_layers(quantized, exact, [name])

    assert name in floating_layers(restored)
    assert name in quantized_layers(quantized)


def test_with_every_layer_put_back_the_network_is_itself_again(exact, quantized, pairs):
    restored = restore_layers(quantized, exact, quantized_layers(quantized))

    difference = run_generator(restored, pairs).astype(int) - run_generator(exact, pairs)
    # Sums of shortcuts may still be quantized: a few levels at most.
    assert np.abs(difference).max() <= 6


def test_ranges_are_widened_by_the_factor_that_serves_best(exact, quantized, pairs):
    def distance(graph: ov.Model) -> float:
        difference = run_generator(graph, pairs).astype(float) - run_generator(exact, pairs)
        return float(np.abs(difference).mean())

    absurd = widen_ranges(exact, quantized, pairs, factors=(50.0,))
    chosen = widen_ranges(exact, quantized, pairs, factors=(50.0, 1.0))

    assert distance(chosen) == distance(quantized) < distance(absurd)


def test_the_search_keeps_only_layers_that_help(exact, quantized, pairs, monkeypatch):
    harmful, harmless = "output_block.1", "audio_encoder.3"
    monkeypatch.setattr(quantize, "quantized_layers", lambda _: [harmless, harmful])

    def psnr(_truth, _found):
        return np.array([30.0 + 5.0 * (harmful in restored), 25.0])

    def restore(model, _exact, names):
        restored[:] = names
        return model

    restored: list[str] = []
    monkeypatch.setattr(quantize, "restore_layers", restore)
    monkeypatch.setattr(quantize, "mouth_psnr", psnr)

    _, kept = keep_sensitive_layers(exact, quantized, pairs, SearchOptions())

    assert kept == [harmful]


def louder_is_brighter(levels: float) -> ov.Model:
    """A toy generator: the whole picture is as many levels brighter as the sound is louder."""
    ops = ov.opset13
    face = ops.parameter(ov.PartialShape([-1, 96, 96, 3]), np.uint8, "face")
    mel = ops.parameter(ov.PartialShape([-1, 80, 16]), np.float32, "mel")
    loudness = ops.reduce_mean(mel, np.array([1, 2]), True)
    light = ops.add(ops.multiply(ops.unsqueeze(loudness, 1), np.float32(levels)), np.float32(128))
    mouth = ops.add(ops.multiply(ops.convert(face, np.float32), np.float32(0)), light)
    return ov.Model([ops.convert(ops.round(mouth), np.uint8)], [face, mel])


def test_a_network_keeps_all_of_its_own_movement_and_half_when_it_moves_half(pairs):
    louder = np.linspace(-1, 1, len(pairs.mels), dtype=np.float32)
    moving = pairs._replace(
        mels=np.ones_like(pairs.mels) * louder[:, None, None],
        is_silent=np.zeros_like(pairs.is_silent),
    )
    whole = louder_is_brighter(40)
    assert motion_kept(whole, louder_is_brighter(40), moving) == pytest.approx((1, 1))
    assert motion_kept(whole, louder_is_brighter(20), moving) == pytest.approx((0.5, 1), abs=0.02)


def test_equal_pictures_are_perfect():
    pictures = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)

    assert mouth_psnr(pictures, pictures).tolist() == [99.0, 99.0]
    assert mouth_ssim(pictures, pictures) == pytest.approx([1.0, 1.0])


def test_psnr_looks_at_the_mouth_alone():
    truth = np.zeros((1, 96, 96, 3), np.uint8)
    found = truth.copy()
    found[:, :40] = 200
    assert mouth_psnr(truth, found)[0] == 99.0

    found[:, 60:80, 30:60] = 10

    assert mouth_psnr(truth, found)[0] == pytest.approx(20 * np.log10(255 / 10) + 6.71, abs=0.02)


def test_pairs_have_silence_and_own_sound_in_their_shares(material):
    drawn = draw_pairs(material, 100)

    assert drawn.is_silent.sum() == 15
    own_face, own_mel = material.own[0][0]
    assert sum(np.array_equal(mel, own_mel) for mel in drawn.mels) >= 40
    assert drawn.faces.shape == (100, 96, 96, 3)
    np.testing.assert_array_equal(drawn.faces[0], own_face)


def test_the_same_seed_draws_the_same_pairs(material):
    for first, second in zip(draw_pairs(material, 9), draw_pairs(material, 9), strict=True):
        np.testing.assert_array_equal(first, second)


def test_measuring_uses_other_people_and_other_speech_than_calibrating(material):
    calibration, evaluation = material.split()

    assert [len(calibration.people), len(evaluation.people)] == [2, 1]
    last, first = calibration.speech[0][-1], evaluation.speech[0][0]
    assert not np.array_equal(last, first)
    assert len(calibration.speech[0]) + 16 <= len(material.speech[0]) // 2 + 1


def test_silence_is_the_floor_of_the_mel_and_quiet_noise():
    chunks = silent_chunks()

    assert (chunks[0] == -4.0).all()
    assert -4.0 < chunks[-1].mean() < 0.0


@pytest.fixture
def checkpoint(tmp_path):
    save_file(dict(tiny_network().state_dict()), tmp_path / "Tiny_One.safetensors")
    return tmp_path / "Tiny_One.safetensors"


@pytest.fixture
def real_material(material, monkeypatch):
    monkeypatch.setattr(conversion, "_material", lambda *_: material)
    monkeypatch.setattr(inference, "ROUND_S", 0.01)
    # Both searches have tests of their own; here they would try every layer.
    monkeypatch.setattr(conversion, "widen_ranges", lambda _exact, plain, _pairs: plain)
    monkeypatch.setattr(
        conversion, "keep_sensitive_layers", lambda _exact, plain, _pairs, _options: (plain, [])
    )


OPTIONS = GeneratorOptions(pairs=4, certificate_pairs=8, mel_offset=-3, licence="mine")
NO_FLOOR = Floor(median_db=0.0, worst_db=0.0)


def test_a_conversion_writes_both_precisions_the_certificate_and_the_card(
    checkpoint, tmp_path, real_material, capsys
):
    options = replace(OPTIONS, floor=NO_FLOOR)

    report = convert_generator(checkpoint, tmp_path / "out", options)

    assert capsys.readouterr().out == ""
    assert report.certificate is not None
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(path.name for path in report.files)
    assert names == [
        "tiny-one-int8.bin",
        "tiny-one-int8.xml",
        "tiny-one.bin",
        "tiny-one.card.json",
        "tiny-one.certificate.json",
        "tiny-one.xml",
    ]
    kept = json.loads((tmp_path / "out" / "tiny-one.certificate.json").read_text())
    assert kept["name"] == "tiny-one"
    assert kept["psnr_median_db"] == report.certificate.psnr_median_db
    store = ModelStore([tmp_path / "out"])
    assert store.find("tiny-one", "int8").entry.licence == "mine"
    assert {check.state for check in store.verify()} == {"ok"}
    model = ov.Core().read_model(tmp_path / "out" / "tiny-one-int8.xml")
    assert model.get_rt_info(["mouthpiece", "precision"]).astype(str) == "int8"
    assert model.get_rt_info(["mouthpiece", "mel_offset"]).astype(str) == "-3"
    again = verify("tiny-one", store, floor=NO_FLOOR, certificate_pairs=8)
    assert again.psnr_median_db == report.certificate.psnr_median_db
    assert set(again.float_layers) >= set(report.certificate.float_layers)


def test_int8_below_the_floor_is_refused_and_leaves_full_precision_alone(
    checkpoint, tmp_path, real_material
):
    options = replace(OPTIONS, floor=Floor(median_db=98.0, worst_db=98.0))

    with pytest.raises(FidelityError, match=r"mouth PSNR median .* needed 98\.0 and 98\.0 dB"):
        convert_generator(checkpoint, tmp_path / "out", options)

    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["tiny-one.bin", "tiny-one.card.json", "tiny-one.xml"]
    assert ModelStore([tmp_path / "out"]).find("tiny-one").precision == "f32"


def test_int8_of_an_older_checkpoint_does_not_outlive_it(checkpoint, tmp_path, real_material):
    folder = tmp_path / "out"
    convert_generator(checkpoint, folder, replace(OPTIONS, floor=NO_FLOOR))
    convert_generator(checkpoint, folder, replace(OPTIONS, int8=False))
    assert ModelStore([folder]).precisions("tiny-one") == ("f32",)
    assert not list(folder.glob("*.certificate.json"))


def test_the_checkpoints_own_mel_offset_is_kept(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(dict(tiny_network().state_dict()), path, metadata={"mel_offset": "-5"})

    convert_generator(path, tmp_path / "out", GeneratorOptions(int8=False))

    model = ov.Core().read_model(tmp_path / "out" / "w.xml")
    assert model.get_rt_info(["mouthpiece", "mel_offset"]).astype(str) == "-5"


def test_the_certificate_reads_as_a_table():
    certificate = Certificate(
        name="n",
        checkpoint_sha256="0",
        pairs=96,
        psnr_median_db=38.2,
        psnr_worst_db=33.1,
        ssim_median=0.99,
        ssim_worst=0.95,
        max_error=20,
        max_error_p99=5.0,
        motion_gain=0.97,
        motion_correlation=0.99,
        silence_motion_f32=0.1,
        silence_motion_int8=0.2,
        size_f32_bytes=11_000_000,
        size_int8_bytes=6_000_000,
        fps_f32=100.0,
        fps_int8=300.0,
        float_layers=("output_block.1",),
        floor_median_db=35.0,
        floor_worst_db=30.0,
        host="a processor",
        openvino="1",
    )

    table = certificate.table()

    assert "frames/s                           100       300" in table
    assert "mouth PSNR       median 38.2 dB, worst 33.1 dB (floor 35 and 30)" in table
    certificate.check()
