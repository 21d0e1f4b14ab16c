"""What this installation can do, for clients that want to ask before they try."""

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from runtime.blending import METHODS, PRESETS
from runtime.destination import FORMATS
from runtime.generator import Generator
from runtime.host import probe_host
from runtime.models import ModelStore


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Facts about one running engine.

    Attributes:
        version: Of mouthpiece.
        processor: What the processor offers, in words.
        cores: Processors that may be kept busy.
        model: Generator in use when a request names none.
        lips: Network that hears its lip movements, so that ``warp`` needs no drawn mouths;
            ``None`` where they are read off mouths.
        precision: Arithmetic chosen for it.
        why: Why, as sentences.
        generators: Names of the generators installed.
        blends: Blend methods.
        presets: Presets of blending.
        outputs: File suffixes that can be written.
        speaks: Whether text to speech is installed.
    """

    version: str
    processor: str
    cores: int
    model: str
    lips: str | None
    precision: str
    why: tuple[str, ...]
    generators: tuple[str, ...]
    blends: tuple[str, ...]
    presets: tuple[str, ...]
    outputs: tuple[str, ...]
    speaks: bool


def describe_capabilities(generator: Generator, models: ModelStore) -> Capabilities:
    """Gather the facts; ``generator`` is the one in use."""
    host = probe_host()
    return Capabilities(
        version=version("mouthpiece"),
        processor=host.words,
        cores=host.cores,
        model=generator.name,
        lips=generator.lips.name if generator.lips else None,
        precision=generator.plan.precision,
        why=generator.plan.why,
        generators=tuple(entry.name for entry in models.generators()),
        blends=METHODS,
        presets=tuple(PRESETS),
        outputs=(*FORMATS, ".png"),
        speaks=find_spec("hibari") is not None,
    )
