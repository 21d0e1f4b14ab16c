"""Make generators: data sets, training, evaluation, export.

Nothing in ``runtime``, ``avatar_cache``, ``api`` or ``convert`` imports this package; it needs the
extra ``train``.
"""

import runtime as _runtime  # noqa: F401  # first: it keeps OpenVINO's telemetry from starting
