"""Pictures as parts of a page: SVG in the page itself, the same bytes every time."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from html import escape
from typing import Any

__all__ = ["picture"]

_DPI = 150  # of what is drawn as pixels within a picture


def picture(draw: Callable[[Any], None], size: tuple[float, float], alternative: str) -> str:
    """Return a picture as an HTML image.

    Parameters
    ----------
    draw
        Draws into axes.
    size
        Inches.
    alternative
        What the picture shows, in words.
    """
    import matplotlib as mpl

    from nm_backends.plot import subplots

    with mpl.rc_context({"svg.hashsalt": "nm-backends", "font.size": 10}):
        axes = subplots(size, 1, 1, shown=False)[0, 0]
        draw(axes)
        for marks in axes.collections:  # thousands of them would be as many elements
            marks.set_rasterized(True)
        held = io.BytesIO()
        axes.figure.savefig(held, format="svg", dpi=_DPI, metadata={"Date": None, "Creator": None})
    data = base64.b64encode(held.getvalue()).decode()
    return f'<img alt="{escape(alternative)}" src="data:image/svg+xml;base64,{data}">'
