"""The page around the sections."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

from nm_backends import html
from nm_backends.errors import UserError
from nm_backends.files import atomic_write
from nm_backends.html import escape
from nm_backends.report.evidence import Evidence, gather
from nm_backends.report.sections import SECTIONS, tiles
from nm_backends.report.style import STYLE

__all__ = ["document", "drawing", "page", "short_name", "write_page"]


def page(found: Evidence) -> str:
    """Return a page as HTML that needs nothing else: no network, no other file, no script.

    Raises
    ------
    UserError
        matplotlib is not installed.
    """
    with drawing():
        made = [(key, title, section(found)) for key, title, section in SECTIONS]
    return document(_title(found), _header(found), made)


@contextmanager
def drawing() -> Iterator[None]:
    """Say what to install where there is no matplotlib."""
    try:
        yield
    except ImportError as error:
        from nm_backends.plot import INSTALL

        raise UserError(f"no page without pictures: {error}", INSTALL) from None


def document(title: str, header: str, sections: Sequence[tuple[str, str, str]]) -> str:
    """Return a whole page.

    Parameters
    ----------
    header
        HTML of what comes first.
    sections
        Key, title and HTML of each; those without HTML are left out.
    """
    made = [(key, title, body) for key, title, body in sections if body]
    links = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title, _ in made)
    body = "".join(
        f'<section id="{key}"><h2>{escape(title)}</h2><div class="wide">{inner}</div></section>'
        for key, title, inner in made
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<header>{header}</header><nav><ul>{links}</ul></nav><main>{body}</main>"
        "</body></html>\n"
    )


def _title(found: Evidence) -> str:
    return f"{short_name(found.program.network.source)} on {found.program.chip}"


def short_name(source: str) -> str:
    """Return the name of a model, without the folder it lies in."""
    return PurePath(source).name


def _header(found: Evidence) -> str:
    number = len(found.parts)
    chips = found.program.chip if number == 1 else f"{found.program.chip}, {number} parts"
    good = found.report.ok and not found.stopped
    whole = html.verdict(found.report)
    short = whole.rpartition(": ")[2].capitalize().replace(" (", f" {escape(chips)} (", 1)
    source = escape(short_name(found.program.network.source))
    return (
        f"<p class='soft'>{source} on {escape(chips)}</p>"
        f"<h1 class='{'good' if good else 'bad'}'>{short}</h1>{tiles(found)}"
    )


def write_page(path: str | os.PathLike[str], program: Any, *given: Any, **options: Any) -> None:
    """Write the page of a program, see `nm_backends.report.gather` for the arguments."""
    text = page(gather(program, *given, **options))
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8")
