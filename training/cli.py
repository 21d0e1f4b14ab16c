"""The command line of training: ``python -m training STEP``, in the order of the steps."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runtime.types import MelSpectrogram

if TYPE_CHECKING:
    from training.corpus import Corpus
    from training.evaluation import Evaluator, MouthSource
    from training.frame_store import FrameStore
    from training.network import TrainedNetwork

MODELS_DIR = Path("models/local")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one step."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    chosen = _parser().parse_args(arguments)
    chosen.run(chosen)


def dataset(chosen: argparse.Namespace) -> None:
    """Put every portrait on the motion of some clips."""
    from training.dataset import BuildOptions, DatasetBuilder
    from training.mesh_tracking import MeshTracker

    skip = chosen.skip.read_text(encoding="utf-8").split() if chosen.skip else []
    options = BuildOptions(
        per_portrait=chosen.per_portrait,
        limit=chosen.limit,
        split=chosen.split,
        seed=chosen.seed,
        skip=frozenset(skip),
    )
    builder = DatasetBuilder(chosen.data, MeshTracker(chosen.models))
    _report(f"{builder.build(chosen.portraits, chosen.clips, options)} clips made")


def voices(chosen: argparse.Namespace) -> None:
    """Let other voices say the sentences at the same time."""
    from training.corpus import Corpus
    from training.voice_tables import add_voices

    data = Corpus(chosen.data)
    entries = data.split("train") if chosen.split == "train" else data.heldout
    sounds = sorted({entry.sound for entry in entries})
    add_voices(data, sounds, chosen.out, rounds=chosen.rounds, seed=chosen.seed)


def train(chosen: argparse.Namespace) -> None:
    """Train, or go on training."""
    from training.corpus import Corpus
    from training.network import TrainedNetwork
    from training.runs import lip_net_for, sampler_for
    from training.trainer import Trainer, TrainOptions

    data = Corpus(chosen.data)
    network = (
        TrainedNetwork.load(chosen.init)
        if chosen.init
        else TrainedNetwork(chosen.width_face, chosen.width_audio)
    )
    store = _store(data, chosen.run_dir)
    sampler = sampler_for(data, store, chosen.voices, network.mel_offset)
    options = TrainOptions(
        steps=chosen.steps,
        batch=chosen.batch,
        sounds=chosen.batch * 3 // 2,
        rate=chosen.rate,
        train_face=not chosen.init,
        seed=chosen.seed,
        score_every=chosen.score_every,
    )
    lip_net = lip_net_for(sampler, chosen.run_dir, steps=chosen.lip_steps, seed=chosen.seed)
    trainer = Trainer(network, sampler, lip_net, chosen.run_dir, options)
    evaluator = _evaluator(data, chosen) if chosen.score_every else None

    def score(averaged: TrainedNetwork) -> float:
        from training.evaluation import merit
        from training.sheets import Sheet
        from training.sources import CheckpointMouths

        sheet = Sheet()
        figures = evaluator.measure(CheckpointMouths(averaged), show=sheet.add) if evaluator else []
        sheet.write(chosen.run_dir / f"step-{trainer.progress.step:06}.jpg")
        return merit(figures)

    trainer.run(score if evaluator else None)


def expert(chosen: argparse.Namespace) -> None:
    """Train the sync expert."""
    from training.corpus import Corpus
    from training.expert import save_expert, train_expert, windows

    data = Corpus(chosen.data)
    store = _store(data, chosen.run_dir)
    mels = {clip.entry.sound: data.mel(clip.entry.sound) for clip in store.clips}
    batches = windows(store, mels, chosen.batch, np.random.default_rng(chosen.seed))
    save_expert(train_expert(batches, chosen.steps, seed=chosen.seed), chosen.out)


def evaluate(chosen: argparse.Namespace) -> None:
    """Measure generators on the held-out clips."""
    from training.corpus import Corpus
    from training.evaluation import TrueMouths, summarise
    from training.sheets import Sheet

    data = Corpus(chosen.data)
    evaluator = _evaluator(data, chosen)
    sources: list[MouthSource] = [_source(path, chosen.threads) for path in chosen.generators]
    if chosen.truth:
        sources.insert(0, TrueMouths())
    report = {}
    for source in sources:
        sheet = Sheet()
        figures = evaluator.measure(source, show=sheet.add)
        summary = summarise(figures)
        report[source.name] = {"summary": summary, "clips": [asdict(row) for row in figures]}
        _report(f"{source.name}, {len(figures)} clips")
        for name, value in summary.items():
            _report(f"  {name:20} {value:8.4f}")
        if chosen.out:
            chosen.out.mkdir(parents=True, exist_ok=True)
            sheet.write(chosen.out / f"{source.name.replace(' ', '-')}.jpg")
    if chosen.out:
        (chosen.out / "figures.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


def export(chosen: argparse.Namespace) -> None:
    """Write the weights file and, when asked, the OpenVINO network."""
    from training.export import export_network, export_weights

    export_weights(chosen.checkpoint, chosen.out)
    if chosen.network:
        export_network(chosen.out, chosen.network, name=chosen.name)


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _store(data: Corpus, folder: Path) -> FrameStore:
    from training.frame_store import FrameStore

    return FrameStore.open(data, data.split("train"), folder / "frames")


def _evaluator(data: Corpus, chosen: argparse.Namespace) -> Evaluator:
    from training.evaluation import Evaluator
    from training.lip_reading import MeshLipReader

    mels: dict[str, MelSpectrogram] | None = None
    if getattr(chosen, "voice", None):
        with np.load(chosen.voice, allow_pickle=False) as stored:
            mels = {sound.split("@")[0]: stored[sound].astype(np.float32) for sound in stored.files}
    return Evaluator(data, MeshLipReader(chosen.models), limit=chosen.limit or None, mels=mels)


def _source(path: Path, threads: int) -> MouthSource:
    from training.network import TrainedNetwork
    from training.sources import CheckpointMouths, GeneratorMouths

    if path.suffix == ".safetensors":
        return CheckpointMouths(TrainedNetwork.load(path), path.stem)
    precision = "int8" if path.stem.endswith("-int8") else "f32"
    return GeneratorMouths(
        path, precision="int8" if precision == "int8" else "f32", threads=threads
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    steps = parser.add_subparsers(required=True, metavar="STEP")
    for step in (dataset, voices, train, expert, evaluate, export):
        own = steps.add_parser(step.__name__, help=step.__doc__, description=step.__doc__)
        own.set_defaults(run=step)
        _ARGUMENTS[step.__name__](own)
    return parser


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


def _train_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("run_dir", type=Path, help="folder of the run; an old run goes on")
    own.add_argument("--init", type=Path, help="weights to begin with; the face encoder stays")
    own.add_argument("--voices", type=Path, help="folder written by the step voices")
    own.add_argument("--steps", type=int, default=100_000)
    own.add_argument("--lip-steps", type=int, default=1_500, help="steps for the lip reader")
    own.add_argument("--batch", type=int, default=32)
    own.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    own.add_argument("--width-face", type=float, default=0.375)
    own.add_argument("--width-audio", type=float, default=0.5)
    own.add_argument("--score-every", type=int, default=0, help="steps between scorings, 0: never")
    own.add_argument("--limit", type=int, default=12, help="held-out clips to score on")


def _expert_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("run_dir", type=Path, help="folder for the decoded frames")
    own.add_argument("--out", type=Path, required=True, help="weights file to write")
    own.add_argument("--steps", type=int, default=5_000)
    own.add_argument("--batch", type=int, default=32)


def _evaluate_arguments(own: argparse.ArgumentParser) -> None:
    _data_arguments(own)
    own.add_argument("generators", type=Path, nargs="+", help=".xml networks or weights files")
    own.add_argument("--truth", action="store_true", help="measure the true pictures as well")
    own.add_argument("--voice", type=Path, help="spectrograms of another voice, from step voices")
    own.add_argument("--limit", type=int, default=0, help="clips to measure on, 0 for all")
    own.add_argument("--out", type=Path, help="folder for figures.json and picture sheets")
    own.add_argument("--threads", type=int, default=2)


def _export_arguments(own: argparse.ArgumentParser) -> None:
    own.add_argument("checkpoint", type=Path, help="best.safetensors or average.safetensors")
    own.add_argument("out", type=Path, help="weights file to write")
    own.add_argument("--network", type=Path, help="OpenVINO network to write as well (.xml)")
    own.add_argument("--name", default="mouthpiece")


_ARGUMENTS = {
    "dataset": _dataset_arguments,
    "voices": _voices_arguments,
    "train": _train_arguments,
    "expert": _expert_arguments,
    "evaluate": _evaluate_arguments,
    "export": _export_arguments,
}
