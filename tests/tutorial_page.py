"""Run the programs of a tutorial, block by block in one process: ``python tutorial_page.py PAGE``.

Prints a JSON list of what each block has printed; with ``--write`` the page shows it from then on.
Blocks of ``python`` share their names, as in one session; of a block of ``sh`` every line is a
command ``nmb``.
"""

import io
import json
import re
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.DOTALL | re.M)


def blocks(page):
    """Return language, text and the output shown (empty: none) of each block that is to be run."""
    return BLOCK.findall(page)


def run_python(text, names):
    exec(compile(text, "<tutorial>", "exec"), names)


def run_shell(text):
    from nm_backends.cli import cli

    for line in filter(None, text.split("\n")):
        program, *words = shlex.split(line, comments=True)
        assert program == "nmb", line
        cli.main(words, prog_name="nmb", standalone_mode=False)


def run(page):
    """Return what each block prints."""
    names, printed = {"__name__": "__main__"}, []
    for language, text, _ in blocks(page):
        out = io.StringIO()
        with redirect_stdout(out):
            run_python(text, names) if language == "python" else run_shell(text)
        printed.append(out.getvalue())
    return printed


def shown(page, printed):
    """Return the page with other outputs."""
    found = iter(printed)

    def with_output(block):
        lines = [line.rstrip() for line in next(found).strip("\n").splitlines()]
        out = "\n\n```text\n{}\n```".format("\n".join(lines)) if any(lines) else ""
        return f"```{block.group(1)}\n{block.group(2)}```{out}"

    return BLOCK.sub(with_output, page)


def main(path, *options):
    page = Path(path).resolve()
    printed = run(page.read_text())
    if "--write" in options:
        page.write_text(shown(page.read_text(), printed))
    print(json.dumps(printed))


if __name__ == "__main__":
    main(*sys.argv[1:])
