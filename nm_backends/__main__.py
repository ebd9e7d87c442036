"""``python -m nm_backends`` is ``nmb``."""

from __future__ import annotations

from nm_backends.cli import main

if __name__ == "__main__":
    main()
