"""Hand a trained network over: its weights file, and the network the engine runs."""

from pathlib import Path

from convert.export import GeneratorMetadata, export_generator
from convert.ir import save_model
from runtime.models import file_sha256
from training.audio_lips import AudioLipsNet, export_audio_lips
from training.network import TrainedNetwork, save

LICENCE = "Apache-2.0"


def export_weights(checkpoint: Path, target: Path, facts: dict[str, str] | None = None) -> None:
    """Write the weights file that ``mouthpiece convert`` takes.

    Args:
        checkpoint: A weights file of a run (``best.safetensors`` or ``average.safetensors``).
        target: The file to write.
        facts: More to record in it, such as the iterations.
    """
    network = TrainedNetwork.load(checkpoint)
    save(network.body.state_dict(), {**network.facts(), **(facts or {})}, target)


def export_network(weights: Path, target: Path, *, name: str, licence: str = LICENCE) -> None:
    """Write the OpenVINO network in full precision.

    Args:
        weights: A weights file.
        target: The ``.xml``; the ``.bin`` comes beside it.
        name: Name to record.
        licence: Licence to record.
    """
    network = TrainedNetwork.load(weights)
    metadata = GeneratorMetadata(
        name=name,
        layout="wav2lip",
        checkpoint_sha256=file_sha256(weights),
        licence=licence,
        width="-".join(str(width) for width in network.widths),
        mel_offset=network.mel_offset,
    )
    save_model(export_generator(network.body, metadata), target)


def export_lips(
    weights: Path, target: Path, *, name: str, gain: float, licence: str = LICENCE
) -> None:
    """Write the OpenVINO network that hears lips.

    Args:
        weights: A weights file of a run.
        target: The ``.xml``; the ``.bin`` comes beside it.
        name: Name to record.
        gain: Factor on all movements: a network that is not sure moves less than lips do.
        licence: Licence to record.
    """
    network = AudioLipsNet.load(weights)
    save_model(export_audio_lips(network, name=name, licence=licence, gain=gain), target)
