"""The steps of training, in the order in which they are taken."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from runtime.types import MelSpectrogram

if TYPE_CHECKING:
    from training.cases import Case
    from training.corpus import Corpus
    from training.evaluation import CaseFigures, Evaluator, MouthSource
    from training.frame_store import FrameStore
    from training.lip_net import LipNet
    from training.lip_reading import LipReader
    from training.network import TrainedNetwork
    from training.sampling import Sampler


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
    from training.voices import command_speech

    data = Corpus(chosen.data)
    entries = data.split("train") if chosen.split == "train" else data.heldout
    sounds = sorted({entry.sound for entry in entries})
    speakers = {name: command_speech(command) for name, command in chosen.speaker}
    add_voices(data, sounds, chosen.out, speakers=speakers, rounds=chosen.rounds, seed=chosen.seed)


def train(chosen: argparse.Namespace) -> None:
    """Train on pictures, or go on training."""
    from training.corpus import Corpus
    from training.correction import fit_correction
    from training.evaluation import Evaluator, merit
    from training.runs import network_for
    from training.sheets import Sheet
    from training.sources import CheckpointMouths
    from training.trainer import Trainer, TrainOptions

    data = Corpus(chosen.data)
    network = network_for(chosen.init, (chosen.width_face, chosen.width_audio), seed=chosen.seed)
    sampler, _, lip_net = _training_parts(data, network, chosen)
    correction = (
        fit_correction(network, sampler, sounds=chosen.correct, seed=chosen.seed)
        if chosen.correct
        else None
    )
    options = TrainOptions(
        steps=chosen.steps,
        batch=chosen.batch,
        sounds=1 if correction else chosen.batch * 3 // 2,
        rate=chosen.rate,
        train_face=not chosen.init,
        seed=chosen.seed,
        score_every=chosen.score_every,
    )
    trainer = Trainer(network, sampler, lip_net, chosen.run_dir, options, correction=correction)
    if not chosen.score_every:
        trainer.run()
        return
    evaluator = Evaluator(_heldout_cases(data, chosen), _reader(chosen))

    def score(averaged: TrainedNetwork) -> float:
        sheet = Sheet()
        figures = evaluator.measure(CheckpointMouths(averaged), show=sheet.add)
        sheet.write(chosen.run_dir / f"step-{trainer.progress.step:06}.jpg")
        return merit(figures)

    trainer.run(score)


def train_audio(chosen: argparse.Namespace) -> None:
    """Train the audio encoder alone, with many more sounds."""
    from training.audio_trainer import AudioOptions, AudioTrainer, hearing_score, heldout_sounds
    from training.corpus import Corpus
    from training.network import TrainedNetwork
    from training.runs import surrogate_for
    from training.voice_tables import read_voices

    data = Corpus(chosen.data)
    network = TrainedNetwork.load(chosen.init)
    sampler, store, lip_net = _training_parts(data, network, chosen)
    surrogate = surrogate_for(
        *(network, lip_net, sampler, store),
        folder=chosen.run_dir,
        sounds=chosen.surrogate_sounds,
        seed=chosen.seed,
    )
    options = AudioOptions(
        steps=chosen.steps,
        sounds=chosen.batch,
        rate=chosen.rate,
        seed=chosen.seed,
        score_every=chosen.score_every,
    )
    trainer = AudioTrainer(network, sampler, surrogate, chosen.run_dir, options)
    others = read_voices(chosen.heldout_voices) if chosen.heldout_voices else {}
    sounds = heldout_sounds(data, others)
    trainer.run(lambda averaged: hearing_score(averaged, surrogate, sounds))


def join(chosen: argparse.Namespace) -> None:
    """Put the drawing of one weights file and the mean hearing of others together."""
    from training.network import TrainedNetwork, save, with_hearing

    hearing = [TrainedNetwork.load(path) for path in chosen.hearing]
    joined = with_hearing(TrainedNetwork.load(chosen.drawing), hearing)
    save(joined.body.state_dict(), joined.facts(), chosen.out)


def gain(chosen: argparse.Namespace) -> None:
    """Fold the gain that opens mouths as far as the truth into the decoder."""
    from training.cases import clip_cases
    from training.corpus import Corpus
    from training.gain import choose_gain, drawn_slope, mean_vector, with_gain
    from training.network import TrainedNetwork, save
    from training.runs import sampler_for
    from training.sources import CheckpointMouths

    data = Corpus(chosen.data)
    network = TrainedNetwork.load(chosen.weights)
    sampler = sampler_for(data, _store(data, chosen), chosen.voices, network.mel_offset)
    mean = mean_vector(network, sampler, seed=chosen.seed)
    # Training clips: held-out ones measure the result and must not have chosen it.
    cases = clip_cases(data, data.split("train"), limit=chosen.limit)
    reader = _reader(chosen)

    def slope_at(value: float) -> float:
        return drawn_slope(CheckpointMouths(with_gain(network, mean, value)), cases, reader)

    value = choose_gain(slope_at, wanted=chosen.slope)
    wider = with_gain(network, mean, value)
    save(wider.body.state_dict(), {**wider.facts(), "gain": f"{value:.3f}"}, chosen.out)
    _report(f"gain {value:.3f}")


def expert(chosen: argparse.Namespace) -> None:
    """Train the sync expert."""
    from training.corpus import Corpus
    from training.expert import save_expert, train_expert, windows

    data = Corpus(chosen.data)
    store = _store(data, chosen)
    mels = {clip.entry.sound: data.mel(clip.entry.sound) for clip in store.clips}
    batches = windows(store, mels, chosen.batch, np.random.default_rng(chosen.seed))
    save_expert(train_expert(batches, chosen.steps, seed=chosen.seed), chosen.out)


def occlusion(chosen: argparse.Namespace) -> None:
    """Train the network that finds what is in front of a face."""
    from training import occlusion_net as nets
    from training.corpus import Corpus
    from training.turning import MeshWithDepth

    rng = np.random.default_rng(chosen.seed)
    faces = nets.clean_faces(Corpus(chosen.data))
    faces = nets.with_turned(faces, MeshWithDepth(chosen.models), rng)
    net = nets.train_occlusion_net(faces, chosen.steps, seed=chosen.seed)
    nets.export_occlusion_net(net, chosen.out)


def evaluate(chosen: argparse.Namespace) -> None:
    """Measure generators on the held-out clips, on portraits and on other speakers."""
    from training.corpus import Corpus
    from training.evaluation import Evaluator, TrueMouths
    from training.expert import SyncJudge, load_expert
    from training.report import figures_table, group_ratios, groups_table
    from training.sources import mouths_of

    judge = SyncJudge(load_expert(chosen.expert)) if chosen.expert else None
    sources = [mouths_of(path, chosen.models, threads=chosen.threads) for path in chosen.generators]
    report = {}
    for title, cases in _case_sets(Corpus(chosen.data), chosen).items():
        evaluator = Evaluator(cases, _reader(chosen), judge=judge)
        known = all(case.clip for case in cases)
        shown = [TrueMouths(), *sources] if chosen.truth and known else sources
        measured = {source.name: _measure(evaluator, source, chosen, title) for source in shown}
        for line in (f"{title} ({len(cases)})", *figures_table(measured)):
            _report(line)
        for line in groups_table(measured):
            _report(line)
        report[title] = {
            name: {"groups": group_ratios(rows), "cases": [asdict(row) for row in rows]}
            for name, rows in measured.items()
        }
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "figures.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


def export(chosen: argparse.Namespace) -> None:
    """Write the weights file and, when asked, the OpenVINO network."""
    from training.export import export_network, export_weights

    export_weights(chosen.checkpoint, chosen.out)
    if chosen.network:
        export_network(chosen.out, chosen.network, name=chosen.name, lips=chosen.lips)


def _report(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _store(data: Corpus, chosen: argparse.Namespace) -> FrameStore:
    from training.frame_store import FrameStore

    return FrameStore.open(data, data.split("train"), chosen.frames)


def _training_parts(
    data: Corpus, network: TrainedNetwork, chosen: argparse.Namespace
) -> tuple[Sampler, FrameStore, LipNet]:
    from training.runs import lip_net_for, sampler_for

    store = _store(data, chosen)
    sampler = sampler_for(data, store, chosen.voices, network.mel_offset)
    path = chosen.lip_net or chosen.run_dir / "lips.safetensors"
    return sampler, store, lip_net_for(sampler, path, steps=chosen.lip_steps, seed=chosen.seed)


def _reader(chosen: argparse.Namespace) -> LipReader:
    from training.lip_reading import MeshLipReader

    return MeshLipReader(chosen.models)


def _heldout_cases(data: Corpus, chosen: argparse.Namespace) -> list[Case]:
    from training.cases import clip_cases

    mels: dict[str, MelSpectrogram] | None = None
    if getattr(chosen, "voice", None):
        with np.load(chosen.voice, allow_pickle=False) as stored:
            mels = {sound.split("@")[0]: stored[sound].astype(np.float32) for sound in stored.files}
    return clip_cases(data, data.heldout, limit=chosen.limit or None, mels=mels)


def _case_sets(data: Corpus, chosen: argparse.Namespace) -> dict[str, list[Case]]:
    from training.cases import FACES_PER_SOUND, portrait_cases, sentences_of, speech_cases
    from training.mesh_tracking import MeshTracker

    clips = _heldout_cases(data, chosen)
    sets = {"held-out clips": clips}
    if chosen.portraits or chosen.speech:
        tracker, sentences = MeshTracker(chosen.models), sentences_of(clips)
    if chosen.portraits:
        sets["portraits"] = portrait_cases(chosen.portraits, tracker, sentences)
    if chosen.speech:
        faces = clips[:: max(1, len(clips) // FACES_PER_SOUND)][:FACES_PER_SOUND]
        sets["other speakers"] = speech_cases(chosen.speech, tracker, faces, sentences[0])
    return sets


def _measure(
    evaluator: Evaluator, source: MouthSource, chosen: argparse.Namespace, title: str
) -> list[CaseFigures]:
    from training.sheets import Sheet

    sheet = Sheet()
    figures = evaluator.measure(source, show=sheet.add)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        sheet.write(chosen.out / f"{title} {source.name}.jpg".replace(" ", "-"))
    return figures
