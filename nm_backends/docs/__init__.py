"""The documentation site: pages written by hand (``pages/``) and pages made from the code.

``mkdocs build --strict -f nm_backends/docs/mkdocs.yml`` (extra ``docs``) builds it; the modules
here make pages as text and need neither mkdocs nor a network.
"""
