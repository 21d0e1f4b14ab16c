"""Laws of the exported graphs: torch's numbers, names that stay, complete metadata."""

import numpy as np
import openvino as ov
import pytest
import torch

from convert.export import GeneratorMetadata, export_generator
from convert.export_detector import CHANNEL_MEANS, export_s3fd
from convert.ir import save_model
from convert.networks.s3fd import S3FD
from convert.networks.wav2lip import NOTA_CHANNELS, NOTA_DEPTH, Wav2Lip, channels_for_width

METADATA = GeneratorMetadata(
    name="tiny",
    layout="wav2lip",
    checkpoint_sha256="0" * 64,
    licence="none",
    width="0.02/0.02",
    mel_offset=-5,
)
F32 = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def randomise(network: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.get_buffer("running_mean"), -0.2, 0.2)
            torch.nn.init.uniform_(module.get_buffer("running_var"), 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.8, 1.6)
            torch.nn.init.uniform_(module.bias, -0.2, 0.3)
    return network.eval()


@pytest.fixture(
    params=[
        lambda: Wav2Lip(channels_for_width(0.02)),
        lambda: Wav2Lip(channels_for_width(0.04, 0.06)),
        lambda: Wav2Lip(NOTA_CHANNELS, NOTA_DEPTH),
    ],
    ids=["narrow", "two widths", "nota"],
)
def network(request: pytest.FixtureRequest) -> torch.nn.Module:
    return randomise(request.param())


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    face = rng.integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    return face, rng.uniform(-4, 4, (3, 80, 16)).astype(np.float32)


def torch_mouth(network: torch.nn.Module, face: np.ndarray, mel: np.ndarray) -> np.ndarray:
    whole = torch.from_numpy(face).permute(0, 3, 1, 2).float() / 255
    blanked = whole.clone()
    blanked[:, :, 48:] = 0
    with torch.no_grad():
        mouth = network(torch.from_numpy(mel)[:, None], torch.cat((blanked, whole), dim=1))
    return np.asarray((mouth * 255).permute(0, 2, 3, 1))


def run(model: ov.Model, *inputs: np.ndarray) -> list[np.ndarray]:
    outputs = ov.Core().compile_model(model, "CPU", F32)(list(inputs))
    return [outputs[index] for index in range(len(outputs))]


def test_the_exported_generator_gives_the_numbers_of_torch(network, pair):
    expected = torch_mouth(network, *pair)

    (found,) = run(export_generator(network, METADATA), *pair)

    assert found.dtype == np.uint8
    # Half a level of rounding, plus float32 sums in another order.
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_the_lower_half_is_blanked_only_in_the_first_three_channels(pair):
    network = randomise(Wav2Lip(channels_for_width(0.02)))
    face, mel = pair
    other = face.copy()
    other[:, 48:] = 255 - other[:, 48:]

    (found,) = run(export_generator(network, METADATA), other, mel)

    np.testing.assert_allclose(found, torch_mouth(network, other, mel), atol=0.51)


def test_cut_points_and_metadata_survive_the_file(network, tmp_path):
    save_model(export_generator(network, METADATA), tmp_path / "tiny.xml")

    model = ov.Core().read_model(tmp_path / "tiny.xml")

    names = {node.get_friendly_name() for node in model.get_ops()}
    assert {f"feature_{i}" for i in range(7)} | {f"concat_{i}" for i in range(7)} <= names
    assert {port.get_any_name() for port in model.inputs} == {"face", "mel"}
    assert model.output(0).get_any_name() == "mouth"
    expected = {"schema": "1", **METADATA.as_text("f32")}
    found = {key: model.get_rt_info(["mouthpiece", key]).astype(str) for key in expected}
    assert found == expected


def test_the_batch_is_free(network, pair):
    face, mel = pair
    compiled = ov.Core().compile_model(export_generator(network, METADATA), "CPU", F32)

    whole = compiled([face, mel])[0]
    one = compiled([face[1:2], mel[1:2]])[0]

    np.testing.assert_array_equal(one[0], whole[1])


def test_saving_twice_gives_the_same_bytes(network, tmp_path):
    for name in ("a.xml", "b.xml"):
        save_model(export_generator(network, METADATA), tmp_path / name)

    for suffix in (".xml", ".bin"):
        first, second = ((tmp_path / f"{stem}{suffix}").read_bytes() for stem in "ab")
        assert first == second


def test_saving_leaves_nothing_half_written(network, tmp_path, monkeypatch):
    def broken(_model, path, **_options):
        path.with_suffix(".bin").write_bytes(b"half")
        raise RuntimeError("disk full")

    monkeypatch.setattr(ov, "save_model", broken)

    with pytest.raises(RuntimeError, match="disk full"):
        save_model(export_generator(network, METADATA), tmp_path / "tiny.xml")
    assert list(tmp_path.iterdir()) == []


def test_the_exported_detector_gives_the_numbers_of_torch():
    torch.manual_seed(0)
    network = S3FD().eval()
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 80, 3), dtype=np.uint8)
    centred = torch.from_numpy(image).float() - torch.tensor(CHANNEL_MEANS)
    with torch.no_grad():
        scores, offsets = network(centred.permute(0, 3, 1, 2))

    model = export_s3fd(network, name="s3fd", checkpoint_sha256="0", licence="none")
    found = run(model, image)

    names = [port.get_any_name() for port in model.outputs]
    assert names == [f"{kind}_{i}" for i in range(6) for kind in ("score", "offset")]
    for index in range(6):
        np.testing.assert_allclose(found[2 * index], scores[index].numpy(), atol=1e-4)
        np.testing.assert_allclose(found[2 * index + 1], offsets[index].numpy(), atol=1e-3)
