"""Neurons that no output depends on are left out; nothing that is read changes."""

import numpy as np
import pytest
from click.testing import CliRunner
from crossbar_networks import bernoulli, inputs, link, network, neurons
from hypothesis import given, settings
from hypothesis import strategies as st

import nm_backends as nmb
from nm_backends.cli import cli
from nm_backends.lowering.reference import run_network
from nm_backends.pruning import needed, prune

PLAIN = nmb.CompileOptions(order="ascending", scale="maxabs", settle="never", row_pairs="never")


def sparse(seed, share=0.15, hidden=12, second=10):
    """Return a network of sparse layers, one of them recurrent, and a population nobody hears."""
    random = np.random.default_rng(seed)

    def drawn(rows, columns):
        return random.normal(0.4, 0.5, (rows, columns)) * (random.random((rows, columns)) < share)

    layers = [neurons("a", hidden, decay=0.9), neurons("b", second), neurons("aside", 4)]
    return network(
        [inputs(8), *layers, neurons("out", 3)],
        [
            link("in", "a", random.normal(0.4, 0.5, (8, hidden))),
            link("a", "b", drawn(hidden, second)),
            link("a", "aside", drawn(hidden, 4)),
            link("b", "b", 0.2 * drawn(second, second), delay=1),
            link("b", "out", drawn(second, 3)),
        ],
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 500), st.sampled_from([0.05, 0.15, 0.4]))
def test_what_is_left_does_what_it_did(seed, share):
    net = sparse(seed, share)
    less, spikes = prune(net), bernoulli(10, 2, 8, 0.5, seed)
    ours, theirs = run_network(net, spikes)[0], run_network(less, spikes)[0]
    kept = less.metadata["kept"]
    assert "aside" not in less.populations
    for name, fired in theirs.items():
        index = kept.get(name, np.arange(net.populations[name].size))
        np.testing.assert_array_equal(fired, ours[name][:, :, index])
    again = needed(less)
    assert all(which.all() for which in again.values())
    assert prune(less) is less
    removed = [d for d in less.report if d.code == "NMB184"]
    assert {d.node for d in removed} == set(kept)


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_a_chip_gives_the_same_bits_with_fewer_rows(chip):
    net = sparse(3)
    less, spikes = prune(net), bernoulli(12, 3, 8, 0.4)
    full, small = (nmb.compile(n, chip, options=PLAIN) for n in (net, less))
    np.testing.assert_array_equal(full.run(spikes).spikes, small.run(spikes).spikes)
    used = [{r.name: r.used for r in p.resources} for p in (full, small)]
    assert used[1]["neurons"] < used[0]["neurons"]
    assert used[1]["rows"] < used[0]["rows"]
    assert "NMB184" in small.report.codes


def test_a_network_that_is_too_large_says_that_pruning_helps(tmp_path):
    net = sparse(1, hidden=200, second=80, share=0.01)
    report = nmb.check(net, "tinyodin")
    assert any("nmb.prune(model)" in d.hint for d in report.errors)
    program = nmb.compile(prune(net), "tinyodin")
    program.save(tmp_path / "p.nmb")
    kept = nmb.load(tmp_path / "p.nmb").network.metadata["kept"]
    np.testing.assert_array_equal(kept["a"], prune(net).metadata["kept"]["a"])


def test_from_the_command_line(tmp_path):
    out = str(tmp_path / "p.nmb")
    model = "nm_backends/data/digits.nir"  # nothing to prune there
    done = CliRunner().invoke(cli, ["compile", model, "--chip", "tinyodin", "--prune", "-o", out])
    assert done.exit_code == 0, done.output
    assert "NMB184" not in done.output
