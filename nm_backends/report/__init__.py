"""One page about a program or a comparison: self-contained, offline, the verdict first."""

from nm_backends.report.comparison import comparison_page
from nm_backends.report.evidence import Evidence, gather
from nm_backends.report.page import page, write_page

__all__ = ["Evidence", "comparison_page", "gather", "page", "write_page"]
