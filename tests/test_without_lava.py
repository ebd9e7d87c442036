"""Without Lava: nothing imports it, and who asks for it is told what to install."""

import json


def test_who_asks_for_the_process_is_told_what_to_install(python):
    script = (
        "import sys; sys.modules['lava'] = None\n"
        "from nm_backends.errors import UserError\n"
        "try:\n    import nm_backends.lava\n"
        "except UserError as error:\n    print(error, '|', error.hint)\n"
    )
    told = python("-c", script)
    assert told.returncode == 0, told.stderr
    said, hint = told.stdout.split(" | ")
    assert said == "Lava (lava-nc) is not installed"
    assert "pip install" in hint
    assert "lava-nc==0.10.0" in hint or "nm-backends[lava]" in hint


def test_nothing_else_imports_it(python):
    script = (
        "import json, sys, nm_backends as nmb, numpy as np\n"
        "nmb.check('{}', chip='odin')\n"
        "print(json.dumps([m for m in sys.modules if m.partition('.')[0] == 'lava']))"
    )
    import conftest

    done = python("-c", script.format(conftest.ROOT / "nm_backends" / "data" / "digits.nir"))
    assert json.loads(done.stdout) == [], done.stderr
