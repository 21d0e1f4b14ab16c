"""The networks of one process: chosen for this host, loaded when first needed, then shared."""

import threading
from functools import cached_property
from pathlib import Path

from api.checkpoints import generator_for_checkpoint
from api.options import Precision
from api.settings import Settings
from runtime.blending import SHOWN_ROW
from runtime.faces import AttentionMesh, BlazeFaceMesh, FaceMesh
from runtime.generator import Generator
from runtime.host import HostPlan, Precision as HostPrecision
from runtime.models import ModelFile, ModelStore
from runtime.probing import choose_plan


class Networks:
    """Loads each network once, whichever thread asks first."""

    def __init__(self, settings: Settings, models: ModelStore, *, probes: bool = False) -> None:
        """Load nothing yet.

        Args:
            settings: Which generator, which arithmetic, how many threads.
            models: Networks on this machine.
            probes: Measure for two seconds how a generator runs best here, unless that is known.
        """
        self._settings = settings
        self._models = models
        self._probes = probes
        self._lock = threading.RLock()
        self._generators: dict[tuple[str, str, bool, int], Generator] = {}
        self._detector: BlazeFaceMesh | None = None
        self._mesh: FaceMesh | None = None

    def close(self) -> None:
        """Let go of the networks; they are loaded again when needed."""
        with self._lock:
            self._generators.clear()
            self._detector = self._mesh = None

    def generator(
        self,
        name: str | None,
        precision: Precision,
        *,
        is_deterministic: bool = False,
        first_row: int = SHOWN_ROW,
    ) -> Generator:
        """Return a generator.

        Args:
            name: ``None`` takes the one of the settings, else the default one.
            precision: ``auto`` leaves it to the settings and to this host.
            is_deterministic: Pin the arithmetic so that equal input gives equal bytes.
            first_row: Topmost row of its mouths that will be shown.

        Raises:
            ModelError: It is not installed or does not fit this engine.
        """
        name = name or self._default
        wanted = self._settings.precision if precision == "auto" else precision
        with self._lock:
            key = (name, wanted, is_deterministic, first_row)
            if key not in self._generators:
                file, plan = self._choose(name, wanted, is_deterministic)
                lips = self._models.entry(name).lips
                self._generators[key] = Generator(
                    file,
                    plan,
                    lips=self._models.find(lips) if lips else None,
                    first_row=first_row,
                    cache_dir=self._settings.cache_dir / "compiled",
                )
            return self._generators[key]

    def hears_lips(self, name: str | None) -> bool:
        """Tell whether a generator comes with a network that hears its lips.

        Raises:
            ModelError: There is no such generator.
        """
        return bool(self._models.entry(name or self._default).lips)

    def for_checkpoint(self, checkpoint: Path) -> str:
        """Return the name of the generator for a checkpoint; see ``generator_for_checkpoint``."""
        return generator_for_checkpoint(checkpoint, self._models, self._settings.models_dir)

    @property
    def detector(self) -> BlazeFaceMesh:
        """Finds faces."""
        with self._lock:
            if self._detector is None:
                self._detector = BlazeFaceMesh(
                    self._models.find("blazeface").path,
                    self._models.find("facemesh").path,
                    lips=self._exact_lips(),
                )
            return self._detector

    @property
    def mesh(self) -> FaceMesh:
        """Reads lips on generated mouths."""
        with self._lock:
            if self._mesh is None:
                self._mesh = FaceMesh(self._models.find("facemesh").path)
            return self._mesh

    @cached_property
    def _default(self) -> str:
        settings = self._settings
        if settings.model is None and settings.checkpoint_path is not None:
            return self.for_checkpoint(settings.checkpoint_path)
        return settings.model or self._models.default()

    def _exact_lips(self) -> AttentionMesh | None:
        """Load the network that reads lips best, if it is installed."""
        parts = ("attmesh-trunk", "attmesh-lips")
        if not all(self._models.precisions(part) for part in parts):
            return None
        return AttentionMesh(*(self._models.find(part).path for part in parts))

    def _choose(
        self, name: str, wanted: Precision, is_deterministic: bool
    ) -> tuple[ModelFile, HostPlan]:
        files: dict[HostPrecision, ModelFile] = {"f32": self._models.find(name, "f32")}
        if "int8" in self._models.precisions(name):
            files["int8"] = self._models.find(name, "int8")
        plan = choose_plan(
            files,
            wanted=wanted,
            is_deterministic=is_deterministic,
            threads=self._settings.threads or None,
            folder=self._settings.cache_dir / "probes",
            probes=self._probes,
        )
        return files["int8" if plan.precision == "int8" else "f32"], plan
