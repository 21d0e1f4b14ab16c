"""Tables of an evaluation: one column a generator, one row a figure or a kind of face."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.evaluation import FIGURES, CaseFigures, summarise

_LEAST_WIDTH = 12


def figures_table(measured: Mapping[str, Sequence[CaseFigures]]) -> list[str]:
    """Put the summaries of generators side by side; figures that nobody has are left out."""
    summaries = {name: summarise(figures) for name, figures in measured.items()}
    rows = {
        figure: [f"{summary[figure]:.4f}" for summary in summaries.values()]
        for figure in FIGURES
        if not all(np.isnan(summary[figure]) for summary in summaries.values())
    }
    return _table(list(summaries), rows)


def groups_table(measured: Mapping[str, Sequence[CaseFigures]]) -> list[str]:
    """Give every group's correlation, and its ratio to that of all; nothing for a single group."""
    groups = group_ratios(next(iter(measured.values())))
    if len(groups) < 2:
        return []
    ratios = [group_ratios(figures) for figures in measured.values()]
    rows = {
        f"{group} ({count})": [f"{own[group][1]:.3f} x{own[group][2]:.2f}" for own in ratios]
        for group, (count, _, _) in groups.items()
    }
    return _table(list(measured), rows)


def group_ratios(figures: Sequence[CaseFigures]) -> dict[str, tuple[int, float, float]]:
    """Give every group's number of cases, median correlation, and its ratio to that of all."""
    everything = float(np.median([row.correlation for row in figures]))
    found = {}
    for group in sorted({group for row in figures for group in row.groups}):
        own = [row.correlation for row in figures if group in row.groups]
        median = float(np.median(own))
        found[group] = (len(own), median, median / everything if everything else float("nan"))
    return found


def _table(columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    first = max(map(len, ["", *rows]))
    widths = [max(_LEAST_WIDTH, len(column)) for column in columns]
    lines = [("", *columns), *((name, *cells) for name, cells in rows.items())]
    return [
        f"  {line[0]:{first}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(line[1:], widths, strict=True))
        for line in lines
    ]
