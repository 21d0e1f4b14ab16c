"""Arguments of the steps of ``python -m training``."""

import argparse
from pathlib import Path

MODELS_DIR = Path("models/local")


def _data_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("data", type=Path, help="folder of the data set")
    own.add_argument(
        "--models", type=Path, default=MODELS_DIR, help="folder with the face networks"
    )
    own.add_argument("--seed", type=int, default=0)


def _dataset_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("--portraits", type=Path, required=True, help="folder of pictures of faces")
    own.add_argument("--clips", type=Path, required=True, help="folder of talking clips, 25 fps")
    own.add_argument("--per-portrait", type=int, default=2, help="clips each portrait says")
    own.add_argument("--limit", type=int, default=0, help="clips to make, 0 for all")
    own.add_argument("--split", default="train")
    own.add_argument("--skip", type=Path, help="text file with names of clips never to use")


def _voices_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("--out", type=Path, required=True, help="folder for the spectrograms")
    own.add_argument("--rounds", type=int, default=2, help="voices of each kind for a sentence")
    own.add_argument("--split", default="train", help="train, or anything else for held-out")
    own.add_argument(
        "--speaker",
        type=_named_command,
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another voice; the command says {text} into the file {wav}",
    )


def _named_command(text: str) -> tuple[str, str]:
    name, equals, command = text.partition("=")
    if not (name.isidentifier() and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=COMMAND, found {text!r}")
    return name, command


def _stage_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("run_dir", type=Path, help="folder of the run; an old run goes on")
    _frames_argument(own)
    own.add_argument("--voices", type=Path, help="folder written by the step voices")
    own.add_argument("--lip-net", type=Path, help="lip reader of another run; trained when missing")
    own.add_argument("--lip-steps", type=int, default=1_500, help="steps for the lip reader")
    own.add_argument("--score-every", type=int, default=0, help="steps between scorings, 0: never")


def _train_arguments(own: argparse.ArgumentParser) -> None:
    _stage_arguments(own)
    own.add_argument("--init", type=Path, help="weights to begin with; the face encoder stays")
    own.add_argument("--steps", type=int, default=100_000)
    own.add_argument("--batch", type=int, default=32)
    own.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    own.add_argument(
        "--correct",
        type=int,
        default=0,
        metavar="SOUNDS",
        help="draw from sound vectors corrected to the true lips, by a model fitted to so many",
    )
    own.add_argument("--width-face", type=float, default=0.375)
    own.add_argument("--width-audio", type=float, default=0.5)
    own.add_argument("--limit", type=int, default=12, help="held-out clips to score on")


def _train_audio_arguments(own: argparse.ArgumentParser) -> None:
    _stage_arguments(own)
    own.add_argument("--init", type=Path, required=True, help="weights whose ears are trained")
    own.add_argument("--heldout-voices", type=Path, help="other voices of the held-out sounds")
    own.add_argument(
        "--surrogate-sounds", type=int, default=640, help="sounds that the surrogate is fitted to"
    )
    own.add_argument("--steps", type=int, default=4_000)
    own.add_argument("--batch", type=int, default=96, help="sounds a step")
    own.add_argument("--rate", type=float, default=6e-4, help="highest learning rate")


def _train_lips_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("run_dir", type=Path, help="folder of the run; an old run goes on")
    own.add_argument("--init", type=Path, help="weights to begin with")
    own.add_argument("--voices", type=Path, help="folder written by the step voices")
    own.add_argument("--heldout-voices", type=Path, help="other voices of the held-out sounds")
    own.add_argument("--steps", type=int, default=20_000)
    own.add_argument("--batch", type=int, default=24, help="sentences a step")
    own.add_argument("--rate", type=float, default=1.5e-3, help="highest learning rate")
    own.add_argument("--score-every", type=int, default=0, help="steps between scorings, 0: never")


def _gain_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("weights", type=Path, help="weights file to read")
    own.add_argument("out", type=Path, help="weights file to write")
    _frames_argument(own)
    own.add_argument("--voices", type=Path, help="folder written by the step voices")
    own.add_argument("--slope", type=float, default=1.0, help="growth of the opening to reach")
    own.add_argument("--limit", type=int, default=24, help="training clips to measure on")


def _join_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("drawing", type=Path, help="weights file that gives all but the hearing")
    own.add_argument("out", type=Path, help="weights file to write")
    own.add_argument(
        "--hearing", type=Path, nargs="+", required=True, help="weights files to hear with"
    )


def _expert_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    _frames_argument(own)
    own.add_argument("--out", type=Path, required=True, help="weights file to write")
    own.add_argument("--steps", type=int, default=5_000)
    own.add_argument("--batch", type=int, default=32)


def _occlusion_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("--out", type=Path, required=True, help=".npz file to write")
    own.add_argument("--steps", type=int, default=4_400)


def _evaluate_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("generators", type=Path, nargs="+", help=".xml networks or weights files")
    own.add_argument("--truth", action="store_true", help="measure the true pictures as well")
    own.add_argument("--voice", type=Path, help="spectrograms of another voice, from step voices")
    own.add_argument("--portraits", type=Path, help="folder of any portraits to measure on as well")
    own.add_argument(
        "--speech", type=Path, nargs="+", default=[], help="other speakers' recordings"
    )
    own.add_argument("--expert", type=Path, help="sync expert to ask as well")
    own.add_argument("--limit", type=int, default=0, help="clips to measure on, 0 for all")
    own.add_argument("--out", type=Path, help="folder for figures.json and picture sheets")
    own.add_argument("--threads", type=int, default=2)


def _export_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("checkpoint", type=Path, help="best.safetensors or average.safetensors")
    own.add_argument("out", type=Path, help="weights file to write")
    own.add_argument("--network", type=Path, help="OpenVINO network to write as well (.xml)")
    own.add_argument("--name", default="mouthpiece")
    own.add_argument("--lips", default="", help="name of the network that hears its lips")


def _export_lips_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("checkpoint", type=Path, help="weights file of train-lips")
    own.add_argument("--network", type=Path, required=True, help="OpenVINO network to write (.xml)")
    own.add_argument("--gain", type=float, default=1.0, help="factor on all movements")
    own.add_argument("--name", default="mouthpiece-lips")


def _frames_argument(own: argparse.ArgumentParser) -> None:
    own.add_argument(
        "--frames", type=Path, default=Path("runs/frames"), help="folder of the decoded clips"
    )


#: Adds the arguments of every step.
ARGUMENTS = {
    "dataset": _dataset_arguments,
    "voices": _voices_arguments,
    "train": _train_arguments,
    "train-audio": _train_audio_arguments,
    "train-lips": _train_lips_arguments,
    "join": _join_arguments,
    "gain": _gain_arguments,
    "expert": _expert_arguments,
    "occlusion": _occlusion_arguments,
    "evaluate": _evaluate_arguments,
    "export": _export_arguments,
    "export-lips": _export_lips_arguments,
}
