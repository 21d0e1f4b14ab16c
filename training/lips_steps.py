"""The steps of training that make networks which hear lips."""

from __future__ import annotations

import argparse


def train_lips(chosen: argparse.Namespace) -> None:
    """Train the network that hears lip movements, for blending without drawn mouths."""
    from training.audio_lips_trainer import (
        AudioLipsOptions,
        AudioLipsTrainer,
        hearing_score,
        read_said,
    )
    from training.corpus import Corpus
    from training.runs import lips_for
    from training.voice_tables import read_voices

    data = Corpus(chosen.data)
    others = read_voices(chosen.voices) if chosen.voices else {}
    said = read_said(data, others, splits=["train"])
    held = read_voices(chosen.heldout_voices) if chosen.heldout_voices else {}
    splits = sorted({entry.split for entry in data.heldout})
    heldout = read_said(data, held, splits=splits)
    network = lips_for(said, init=chosen.init, seed=chosen.seed)
    options = AudioLipsOptions(
        steps=chosen.steps,
        sentences=chosen.batch,
        rate=chosen.rate,
        seed=chosen.seed,
        score_every=chosen.score_every,
    )
    trainer = AudioLipsTrainer(network, said, chosen.run_dir, options)
    trainer.run((lambda averaged: hearing_score(averaged, heldout)) if heldout else None)


def export_lips(chosen: argparse.Namespace) -> None:
    """Write the OpenVINO network that hears lips."""
    from training.export import export_lips as write

    write(chosen.checkpoint, chosen.network, name=chosen.name, gain=chosen.gain)
