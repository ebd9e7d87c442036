"""The command line starts fast because it imports what it needs, when it needs it."""

import resource

import pytest

FRAMEWORKS = {"lava", "norse", "snntorch", "spikingjelly", "tonic", "torch"}
HEAVY = FRAMEWORKS | {"h5py", "matplotlib", "nir", "numba", "numpy", "scipy"}


def imported(process):
    """Top-level names of the modules that a process with ``-X importtime`` imported."""
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 10, process.stderr
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize(
    "command",
    [
        ("--help",),
        ("--version",),
        ("check", "--help"),
        ("chips",),
        ("chips", "--json"),
        ("plugins",),
        ("explain",),
        ("explain", "NMB001"),
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(python, command):
    process = python("-X", "importtime", "-m", "nm_backends", *command)
    assert process.returncode == 0, process.stderr
    assert imported(process) & HEAVY == set()


def test_help_needs_no_rich_either(python):
    assert "rich" not in imported(python("-X", "importtime", "-m", "nm_backends", "--help"))


def test_import_is_light(python):
    process = python("-X", "importtime", "-c", "import nm_backends")
    assert imported(process) & (HEAVY | {"click", "rich", "pluggy"}) == set()


@pytest.mark.parametrize("chip", ["odin", "reckon", "tinyodin"])
def test_check_imports_no_simulator(python, model_file, chip):
    process = python("-X", "importtime", "-m", "nm_backends", "check", model_file, "--chip", chip)
    assert process.returncode == 0, process.stdout
    assert imported(process) & (FRAMEWORKS | {"numba", "matplotlib"}) == set()


@pytest.mark.frameworks
def test_a_frontend_imports_no_framework_but_that_of_the_model(python):
    code = (
        "import torch, nm_backends as nmb\n"
        "import norse.torch as norse\n"
        "model = norse.SequentialState(torch.nn.Linear(3, 2), norse.LIFBoxCell())\n"
        "nmb.lower(model, sample=torch.ones(4, 1, 3))\n"
    )
    process = python("-X", "importtime", "-c", code)
    assert process.returncode == 0, process.stderr
    assert imported(process) & {"snntorch", "spikingjelly", "lava"} == set()


def cpu_seconds(runs, function):
    """Smallest processor time of several runs: what the machine's other work cannot explain."""
    times = []
    for _ in range(runs):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        function()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_is_quick(python):
    """0.12 s where it was written; the bound leaves room for slow machines."""
    assert cpu_seconds(4, lambda: python("-m", "nm_backends", "--help")) < 0.5


def test_check_is_quick(python, model_file):
    """0.4 s where it was written; the bound leaves room for slow machines."""
    command = ("-m", "nm_backends", "check", model_file, "--chip", "tinyodin")
    assert cpu_seconds(4, lambda: python(*command)) < 1.5


def test_public_functions_are_not_hidden_by_modules(python):
    """``nm_backends.compiler`` is a function, whoever has imported the module of that name."""
    code = (
        "import nm_backends as nmb\n"
        "from nm_backends.compiler import check\n"
        "assert nmb.check is check and callable(nmb.compile), nmb.compile\n"
        "from nm_backends import compile\n"
        "assert compile is nmb.compile\n"
        "assert all(callable(getattr(nmb, n)) for n in nmb.__all__ if n != '__version__')\n"
        "from importlib.util import find_spec\n"
        "assert not [n for n in nmb.__all__ if n[0] != '_' and find_spec(f'nm_backends.{n}')]\n"
    )
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
