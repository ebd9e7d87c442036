"""What mkdocs calls while it builds the site: adds the pages that are made from the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from nm_backends.docs.chip_pages import chip_names
from nm_backends.docs.generated import generated_pages

__all__ = ["on_config", "on_files"]

_CHECKOUT = Path(__file__).resolve().parents[2]


def on_config(config: Any) -> Any:
    """List every registered chip in the navigation, and say where included files lie."""
    config.mdx_configs["pymdownx.snippets"]["base_path"] = [str(_CHECKOUT)]
    chips = ["chips/index.md", *(f"chips/{name}.md" for name in chip_names())]
    config.nav = [{"Chips": chips} if entry == "chips" else entry for entry in config.nav]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages."""
    for path, text in generated_pages().items():
        files.append(File.generated(config, path, content=text))
    return files
