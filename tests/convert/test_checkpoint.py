"""Laws of reading checkpoints: every layout met in the wild, and nothing else."""

import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from convert.checkpoint import load_checkpoint
from convert.networks.s3fd import S3FD
from convert.networks.wav2lip import (
    NOTA_CHANNELS,
    NOTA_DEPTH,
    PUBLIC_CHANNELS,
    Wav2Lip,
    channels_for_width,
)
from runtime.errors import CheckpointError

TINY = channels_for_width(0.02)


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def randomised(network: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.4 + 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return randomised(Wav2Lip(TINY))


@pytest.fixture(scope="module")
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(1, 1, 80, 16, generator=generator), torch.rand(
        1, 6, 96, 96, generator=generator
    )


def assert_same_output(loaded, original, inputs):
    with torch.no_grad():
        expected, found = original(*inputs), loaded(*inputs)
    # Folded batch norms change the order of float32 operations.
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-5)


def save_state_dict(network: nn.Module, path: Path) -> None:
    torch.save({"state_dict": network.state_dict(), "global_step": 7}, path)


def save_parallel(network: nn.Module, path: Path) -> None:
    prefixed = {f"module.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": prefixed}, path)


def save_bare(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


def save_legacy(network: nn.Module, path: Path) -> None:
    torch.save({"state_dict": network.state_dict()}, path, _use_new_zipfile_serialization=False)


def save_with_optimizer(network: nn.Module, path: Path) -> None:
    optimizer = torch.optim.Adam(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = {"state_dict": network.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(state, path)


def save_safetensors(network: nn.Module, path: Path) -> None:
    save_file(dict(network.state_dict()), path, metadata={"mel_offset": "-5"})


def save_scripted(network: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
        torch.jit.save(torch.jit.trace(network, example, check_trace=False), str(path))


def save_onnx(network: nn.Module, path: Path) -> None:
    example = torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network, example, str(path), dynamo=False)


LAYOUTS = {
    "state_dict.pth": save_state_dict,
    "parallel.pth": save_parallel,
    "bare.pth": save_bare,
    "legacy.pth": save_legacy,
    "optimizer.pth": save_with_optimizer,
    "plain.safetensors": save_safetensors,
    "scripted.pt": save_scripted,
    "folded.onnx": save_onnx,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_network(name, network, inputs, tmp_path):
    LAYOUTS[name](network, tmp_path / name)

    loaded = load_checkpoint(tmp_path / name)

    assert loaded.layout == "wav2lip"
    assert_same_output(loaded.network, network, inputs)


def test_notas_layout_is_told_by_its_missing_shortcuts(inputs, tmp_path):
    nota = randomised(Wav2Lip(NOTA_CHANNELS, NOTA_DEPTH))
    save_bare(nota, tmp_path / "nota.pth")

    loaded = load_checkpoint(tmp_path / "nota.pth")

    assert (loaded.layout, loaded.width) == ("nota", "0.25/0.25")
    assert_same_output(loaded.network, nota, inputs)


def test_a_folded_onnx_of_notas_layout_is_named_by_order(inputs, tmp_path):
    nota = randomised(Wav2Lip(NOTA_CHANNELS, NOTA_DEPTH))
    save_onnx(nota, tmp_path / "nota.onnx")

    loaded = load_checkpoint(tmp_path / "nota.onnx")

    assert loaded.layout == "nota"
    assert_same_output(loaded.network, nota, inputs)


def test_the_detectors_layout_is_told_by_its_names(tmp_path):
    with torch.device("meta"):
        names = S3FD().state_dict()
    torch.save({name: torch.zeros(slot.shape) for name, slot in names.items()}, tmp_path / "d.pth")

    loaded = load_checkpoint(tmp_path / "d.pth")

    assert (loaded.layout, loaded.role) == ("s3fd", "detector")


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (lambda: Wav2Lip(PUBLIC_CHANNELS), 36_298_035),
        (lambda: Wav2Lip(channels_for_width(1)), 36_298_035),
        (lambda: Wav2Lip(NOTA_CHANNELS, NOTA_DEPTH), 1_258_143),
        (S3FD, 22_459_110),
    ],
)
def test_the_networks_have_the_public_number_of_parameters(network, count):
    with torch.device("meta"):
        assert parameter_count(network()) == count


def test_face_and_audio_widths_are_inferred_separately(tmp_path):
    save_bare(Wav2Lip(channels_for_width(0.125, 0.25)), tmp_path / "w.pth")

    assert load_checkpoint(tmp_path / "w.pth").width == "0.125/0.25"


def test_half_precision_weights_are_widened(network, tmp_path):
    halves = {name: value.half() for name, value in network.state_dict().items()}
    torch.save(halves, tmp_path / "half.pth")

    loaded = load_checkpoint(tmp_path / "half.pth").network

    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_notes_of_a_safetensors_file_are_kept(network, tmp_path):
    save_safetensors(network, tmp_path / "w.safetensors")

    assert load_checkpoint(tmp_path / "w.safetensors").notes["mel_offset"] == "-5"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    return str(caught.value)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(network, tmp_path):
    tensors = dict(network.state_dict())
    tensors["audio_encoder.1.conv_block.0.weight"] = torch.zeros(8, 8, 5, 5)
    torch.save(tensors, tmp_path / "w.pth")

    message = refusal(tmp_path / "w.pth")

    assert "audio_encoder.1.conv_block.0.weight: expected shape (8, 8, 3, 3)" in message
    assert "found (8, 8, 5, 5)" in message


@pytest.mark.parametrize(
    "missing", ["audio_encoder.0.conv_block.0.weight", "output_block.0.conv_block.1.running_var"]
)
def test_a_missing_tensor_is_named(missing, network, tmp_path):
    tensors = dict(network.state_dict())
    del tensors[missing]
    torch.save(tensors, tmp_path / "w.pth")

    assert f"tensor {missing} is missing" in refusal(tmp_path / "w.pth")


def test_a_tensor_without_a_place_is_named(network, tmp_path):
    torch.save({**network.state_dict(), "extra.weight": torch.zeros(3)}, tmp_path / "w.pth")

    assert "tensor extra.weight of shape (3,) has no place" in refusal(tmp_path / "w.pth")


def test_weights_that_are_no_numbers_are_refused(network, tmp_path):
    tensors = dict(network.state_dict())
    tensors["output_block.1.bias"] = torch.full((3,), float("nan"))
    torch.save(tensors, tmp_path / "w.pth")

    assert "output_block.1.bias: expected numbers" in refusal(tmp_path / "w.pth")


def test_another_network_is_refused_by_its_first_tensor(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "w.pth")

    assert re.search(r"first tensor is weight, expected face_encoder", refusal(tmp_path / "w.pth"))


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_code_in_a_checkpoint_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"weight": Bomb()}}, tmp_path / "w.pth")

    assert "running code stored in it, which is refused" in refusal(tmp_path / "w.pth")
    assert not (tmp_path / "exploded").exists()


def test_code_in_a_torchscript_archive_is_refused_and_never_run(network, tmp_path, monkeypatch):
    import zipfile

    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/constants.pkl", b"")
        archive.writestr("w/data.pkl", pickle.dumps(Bomb()))

    assert "it asks for pathlib" in refusal(tmp_path / "w.pt")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x80\x02garbage", b"PK\x03\x04 torn", b"\x08\0\0\0\0\0\0\0{}      torn"],
)
@pytest.mark.parametrize("suffix", [".pth", ".onnx", ".safetensors"])
def test_a_damaged_file_is_refused(content, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)

    assert str(path) in refusal(path)


def test_a_truncated_checkpoint_is_refused(network, tmp_path):
    save_bare(network, tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "torn.pth").write_bytes(content[: len(content) // 2])

    refusal(tmp_path / "torn.pth")


def test_a_missing_file_is_named(tmp_path):
    assert "no checkpoint at" in refusal(tmp_path / "nowhere.pth")
