"""One page about a program: self-contained, offline, the verdict first."""

from nm_backends.report.evidence import Evidence, gather
from nm_backends.report.page import page, write_page

__all__ = ["Evidence", "gather", "page", "write_page"]
