"""Hand a trained network over: its weights file, and the network the engine runs."""

from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open

from convert.export import GeneratorMetadata, export_generator
from convert.ir import save_model
from runtime.errors import OptionError
from runtime.models import file_sha256
from training.audio_lips import LipsNet, export_audio_lips
from training.chunk_lips import ChunkLips
from training.network import TrainedNetwork, save
from training.temporal_lips import TemporalLips

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


def load_lips(path: Path) -> LipsNet:
    """Read a weights file of either kind of network that hears lips."""
    with safe_open(path, framework="pt") as stored:
        layout = stored.metadata().get("layout", "")
    kinds: dict[str, type[LipsNet]] = {kind.LAYOUT: kind for kind in (TemporalLips, ChunkLips)}
    if layout not in kinds:
        raise OptionError(f"{path}: expected weights of {' or '.join(kinds)}, found {layout!r}")
    return kinds[layout].load(path)


def export_lips(
    checkpoints: Sequence[Path], target: Path, *, name: str, gain: float, licence: str = LICENCE
) -> None:
    """Write the mean of networks that hear lips as one OpenVINO network.

    Args:
        checkpoints: Weights files of runs.
        target: The ``.xml``; the ``.bin`` comes beside it.
        name: Name to record.
        gain: Factor on all movements.
        licence: Licence to record.
    """
    networks = [load_lips(path) for path in checkpoints]
    save_model(export_audio_lips(networks, name=name, licence=licence, gain=gain), target)
