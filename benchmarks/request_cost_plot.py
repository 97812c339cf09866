"""The plot of ``request_cost``: what a contender adds to a request, over the number of trusted origins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import matplotlib as mpl

from benchmarks.request_cost_senders import Cell, Contender, Scenario, Server

if TYPE_CHECKING:
    from benchmarks.request_cost_report import Found

_COLOURS: Final = {Contender.FLOOR: "#8a8f98", Contender.GUARD: "#1a6b4a", Contender.PEER: "#b3541e"}
_SHOWN: Final = (Scenario.NO_ORIGIN, Scenario.ALLOWED, Scenario.REFUSED)


def draw(found: Found, path: Path) -> None:
    """Write the plot of the WSGI handler's figures to ``path``."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - only after the backend was chosen

    figure, panels = plt.subplots(1, len(_SHOWN), figsize=(12, 4), sharey=True)
    for panel, scenario in zip(panels, _SHOWN, strict=True):
        for contender, colour in _COLOURS.items():
            cell = Cell(Server.WSGI, contender, scenario)
            points = [(origins, costs[cell]) for origins, costs in sorted(found.items()) if costs.get(cell, 0) > 0]
            panel.plot(*zip(*points, strict=True), marker="o", color=colour, label=contender.value)
        panel.set(title=scenario.value, xlabel="trusted origins", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("µs added to a request")
    panels[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
