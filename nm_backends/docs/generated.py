"""All pages that are made from the code, by their paths within the site."""

from __future__ import annotations

from nm_backends.docs.api_pages import api_pages
from nm_backends.docs.chip_pages import chip_names, chip_page, overview
from nm_backends.docs.cli_page import cli_page
from nm_backends.docs.rule_pages import core_page

__all__ = ["generated_pages"]


def generated_pages() -> dict[str, str]:
    """Return path to Markdown."""
    chips = {f"chips/{name}.md": chip_page(name) for name in chip_names()}
    return {
        "chips/index.md": overview(),
        **chips,
        "rules.md": core_page(),
        "cli.md": cli_page(),
        **api_pages(),
    }
