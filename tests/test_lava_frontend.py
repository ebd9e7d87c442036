"""Lava networks read into NIR: the float reference fires as Lava's own models do."""

import numpy as np
import pytest
from lava_running import (
    LIF,
    Conv,
    DelayDense,
    DelaySparse,
    Dense,
    LearningDense,
    LIFRefractory,
    LIFReset,
    Monitor,
    Sparse,
    STDPLoihi,
    TernaryLIF,
    seen,
    sink,
    source,
    steps,
    stopping,
)
from scipy.sparse import csr_matrix

import nm_backends as nmb
from nm_backends.frontends.lava import read
from nm_backends.rules import CompileError

pytestmark = [pytest.mark.lava, pytest.mark.timeout(150)]
STEPS = 100


def spikes(channels, seed=0, rate=0.3):
    return (np.random.default_rng(seed).random((STEPS, *np.atleast_1d(channels))) < rate).astype(
        int
    )


def both(port, given, named, arithmetic, number=STEPS):
    """Run Lava and the reference; return the spikes of each, and the report, by neuron name."""
    source(given, port)
    records = {name: sink(lif.s_out, number) for name, lif in named.items()}
    lif = next(iter(named.values()))
    graph, conventions, found = read(lif, arithmetic)
    result = nmb.reference(graph, given, discretisation=conventions)
    with stopping(lif):
        steps(lif, number, "loihi2-fixed" if arithmetic == "fixed_pt" else "loihi1-float")
        got = {name: seen(record).reshape(number, -1) for name, record in records.items()}
    return got, {name: result.layers[name] for name in named}, found


def same(got, expected):
    for name, array in got.items():
        assert array.any(), f"{name} is silent"
        assert not array.all()
        np.testing.assert_array_equal(expected[name], array)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("decays", [(0.31, 0.11), (1.0, 0.25), (1.0, 0.0), (0.123456789, 0.0)])
def test_two_layers_with_feedback_in_floating_point(decays, seed):
    rng = np.random.default_rng(seed)
    du, dv = decays
    into = Dense(weights=rng.normal(0.15, 0.3, (12, 8)))
    first = LIF(shape=(12,), du=du, dv=dv, vth=1.0, name="first", v=rng.random(12))
    loop = Dense(weights=rng.normal(0, 0.15, (12, 12)), name="loop")
    on = Sparse(weights=rng.normal(0.2, 0.4, (5, 12)) * (rng.random((5, 12)) < 0.5))
    bias = 0 if dv == 0 and du < 1 else rng.normal(0, 0.05, 5)
    second = LIF(shape=(5,), du=du, dv=dv, vth=1.2, bias_mant=bias, name="second")
    into.a_out.connect(first.a_in)
    first.s_out.connect(loop.s_in)
    loop.a_out.connect(first.a_in)
    first.s_out.connect(on.s_in)
    on.a_out.connect(second.a_in)
    named = {"first": first, "second": second}
    got, expected, found = both(into.s_in, spikes(8, seed), named, "floating_pt")
    same(got, expected)
    assert {d.severity for d in found} == {"info"}


@pytest.mark.parametrize("seed", range(3))
def test_integers_are_exact_in_fixed_point(seed):
    """No current that lasts and no leak: nothing is rounded. Bits, exponents and signs count."""
    rng = np.random.default_rng(seed)
    into = Dense(weights=rng.integers(-100, 256, (12, 8)), num_weight_bits=5, weight_exp=1)
    first = LIF(shape=(12,), du=4095, dv=0, vth=700, bias_mant=rng.integers(0, 900, 12),
                bias_exp=rng.integers(0, 4, 12), name="first")  # fmt: skip
    on = Sparse(weights=-rng.integers(0, 300, (5, 12)), weight_exp=-2, num_weight_bits=6)
    second = LIF(shape=(5,), du=4095, dv=0, vth=90, bias_mant=900, bias_exp=4, name="second")
    into.a_out.connect(first.a_in)
    first.s_out.connect(on.s_in)
    on.a_out.connect(second.a_in)
    named = {"first": first, "second": second}
    got, expected, found = both(into.s_in, spikes(8, seed), named, "fixed_pt")
    same(got, expected)
    assert {d.severity for d in found} == {"info"}


@pytest.mark.parametrize(("du", "dv"), [(1000, 300), (4095, 200), (1000, 0), (300, 4095)])
def test_what_fixed_point_rounds_stays_within_what_is_said(du, dv):
    """Membranes that never fire, against the reference, and the bound of the finding."""
    rng = np.random.default_rng(du)
    into = Dense(weights=rng.integers(-128, 127, (12, 8)), num_weight_bits=8, weight_exp=-1)
    lif = LIF(shape=(12,), du=du, dv=dv, vth=100_000, name="lif", bias_mant=37)
    if dv == 0:  # a bias would have nowhere to go
        lif = LIF(shape=(12,), du=du, dv=dv, vth=100_000, name="lif")
    into.a_out.connect(lif.a_in)
    given = spikes(8)
    source(given, into.s_in)
    monitor = Monitor()
    monitor.probe(lif.v, STEPS)
    graph, conventions, found = read(lif)
    with stopping(lif):
        steps(lif, STEPS, "loihi1-fixed")
        membranes = next(iter(monitor.get_data().values()))["v"] / 64
    expected = nmb.reference(graph, given, conventions, record=("membrane",)).membranes["lif"]
    told = next(d.message for d in found if d.code == "NMB150").split(" by ")[1].split()
    bound = float(told[0]) * (np.arange(1, STEPS + 1)[:, None] if told[1] == "more" else 1.0)
    off = np.abs(expected - membranes)
    assert off.max() > 0
    assert (off <= bound).all()
    assert np.abs(membranes).max() > 10 * off.max()


def test_the_parameters_say_which_models_are_meant():
    def network(du, dv, weights, **options):
        dense, lif = Dense(weights=weights, **options), LIF(shape=(2,), du=du, dv=dv, name="lif")
        dense.a_out.connect(lif.a_in)
        return read(lif)

    ones = np.ones((2, 3))
    fixed, _, _ = network(4095, 0, ones)
    assert fixed.nodes["lif"].v_threshold[0] == 10
    assert np.isinf(fixed.nodes["lif"].tau).all()
    shifted, _, _ = network(0, 0, ones, weight_exp=3)
    assert shifted.nodes["dense1"].weight[0, 0] == 8
    real, _, found = network(0.5, 0, ones)
    assert real.nodes["lif"].tau_syn[0] == 2e-3
    assert "NMB152" not in {d.code for d in found}
    _, _, found = network(1, 0, ones)
    assert "NMB152" in {d.code for d in found}


@pytest.mark.parametrize("kind", [DelayDense, DelaySparse])
@pytest.mark.parametrize("arithmetic", ["floating_pt", "fixed_pt"])
def test_delays_per_synapse(kind, arithmetic):
    rng = np.random.default_rng(4)
    delays, weights = rng.integers(0, 5, (6, 8)), rng.integers(-60, 120, (6, 8))
    into = kind(weights=csr_matrix(weights), delays=csr_matrix(delays), max_delay=4, weight_exp=1)
    if kind is DelayDense:
        into = kind(weights=weights, delays=delays, weight_exp=1)
    du, dv = (1.0, 0.2) if arithmetic == "floating_pt" else (4095, 0)
    lif = LIF(shape=(6,), du=du, dv=dv, vth=200, name="lif")
    into.a_out.connect(lif.a_in)
    got, expected, _ = both(into.s_in, spikes(8), {"lif": lif}, arithmetic)
    same(got, expected)


@pytest.mark.parametrize("options", [{}, {"stride": (2, 1), "padding": 1}, {"groups": 2}])
@pytest.mark.parametrize("arithmetic", ["floating_pt", "fixed_pt"])
def test_convolutions_and_turned_ports(options, arithmetic):
    rng = np.random.default_rng(5)
    groups = options.get("groups", 1)
    kernel = rng.integers(-3, 6, (4, 3, 2, 2 // groups))
    conv = Conv(weight=kernel, input_shape=(6, 5, 2), **options)
    full = arithmetic == "fixed_pt"
    du, dv = (4095, 0) if full else (1.0, 0.125)
    first = LIF(shape=conv.output_shape, du=du, dv=dv, vth=9, name="first")
    size = int(np.prod(conv.output_shape))
    on = Dense(weights=rng.integers(-20, 40, (5, size)) // 2 * 2)
    second = LIF(shape=(5,), du=du, dv=dv, vth=100, name="second")
    conv.a_out.connect(first.a_in)
    first.s_out.transpose([2, 0, 1]).flatten().connect(on.s_in)
    on.a_out.connect(second.a_in)
    named = {"first": first, "second": second}
    got, expected, _ = both(conv.s_in, spikes((6, 5, 2)), named, arithmetic)
    same(got, expected)


def test_models_that_are_not_connected_have_inputs_and_outputs_all_the_same():
    into, lif = Dense(weights=np.ones((3, 4)) * 0.5, name="fc"), LIF(shape=(3,), du=1.0, name="out")
    into.a_out.connect(lif.a_in)
    network = nmb.lower(lif)
    assert [p.name for p in network.inputs] == ["input"]
    assert network.outputs == {"output": "out"}
    assert network.discretisation.framework == "lava"
    assert nmb.to_nir(into).nodes["fc"].weight.shape == (3, 4)
    slower = nmb.lower(lif, nmb.Discretisation(dt=1e-4))  # decays are per step, whatever a step is
    assert slower.discretisation.dt == 1e-4
    np.testing.assert_array_equal(slower.populations["out"].decay, network.populations["out"].decay)
    bare = LIF(shape=(2, 3), du=1.0, dv=0.5, vth=0.9, name="lif")
    assert nmb.lower(bare).populations["input"].shape == (2, 3)
    program = nmb.compile(lif, "tinyodin")
    assert program.run(np.ones((5, 4), np.uint8)).spikes.shape == (5, 3)


def test_what_cannot_be_read_is_named():
    def behind(process, weights=None):
        dense = Dense(weights=np.ones((2, 2)) * 0.5 if weights is None else weights)
        dense.a_out.connect(process.a_in)
        last, lif = Dense(weights=np.eye(2)), LIF(shape=(2,), du=0.5, name="end")
        process.s_out.connect(last.s_in)
        last.a_out.connect(lif.a_in)
        return lif

    for process in (LIFRefractory(shape=(2,), name="odd"), TernaryLIF(shape=(2,), name="odd")):
        with pytest.raises(CompileError) as refused:
            nmb.lower(behind(process))
        (found,) = refused.value.report.errors
        assert (found.code, found.node) == ("NMB050", "odd")
        assert type(process).__name__ in found.message
    for options in ({"u": 1.0, "du": 0.5}, {"bias_mant": 0.5, "du": 0.5}):
        with pytest.raises(CompileError) as refused:
            nmb.lower(behind(LIF(shape=(2,), name="odd", **options)))
        assert [d.code for d in refused.value.report.errors] == ["NMB051"]
    _, _, found = read(behind(LIFReset(shape=(2,), reset_interval=7, du=0.5, name="timed")))
    assert "set to 0 every 7 steps" in {d.message for d in found if d.code == "NMB151"}
    report = nmb.check(Dense(weights=np.eye(2)), "odin")
    assert [d.message for d in report.errors] == ["there is no LIF process in this network"]


def test_wiring_that_nir_cannot_say_is_named():
    def network(bits):
        meets, lif = Dense(weights=np.eye(2), num_message_bits=bits), LIF(shape=(2,), du=0.5)
        for name in ("a", "b"):
            first, into = (
                LIF(shape=(2,), du=0.5, name=name),
                Dense(weights=np.eye(2), name=f"{name}_1"),
            )
            into.a_out.connect(first.a_in)
            first.s_out.connect(meets.s_in)
        meets.a_out.connect(lif.a_in)
        return lif

    _, _, found = read(network(0))
    (error,) = [d for d in found if d.severity == "error"]
    assert (error.code, error.node) == ("NMB052", "dense1")
    assert "2 sources meet at s_in" in error.message
    graph, _, _ = read(network(8))
    assert {("a", "dense1"), ("b", "dense1")} <= set(graph.edges)
    twice, lif = Dense(weights=np.eye(2)), LIF(shape=(2,), du=0.5)
    twice.a_out.connect(lif.a_in)
    twice.a_out.reshape((2,)).connect(lif.a_in)
    assert "more than once" in next(d.message for d in read(lif)[2] if d.code == "NMB052")


def test_names_that_parts_would_take_are_left_alone():
    into = DelayDense(weights=np.ones((2, 2)), delays=np.array([[0, 1], [1, 0]]), name="fc")
    middle, on = LIF(shape=(2,), du=0.5, name="fc_delay"), Dense(weights=np.eye(2), name="fc_1")
    last = LIF(shape=(2,), du=0.5, name="input")
    into.a_out.connect(middle.a_in)
    middle.s_out.connect(on.s_in)
    on.a_out.connect(last.a_in)
    nodes = read(last)[0].nodes
    kinds = {name: type(node).__name__ for name, node in nodes.items()}
    assert [kinds[n] for n in ("fc", "fc_delay", "fc_1", "input")] == [
        "Linear", "CubaLIF", "Linear", "CubaLIF",
    ]  # fmt: skip
    assert kinds["input1"] == "Input"
    assert sorted(kinds.values()).count("Delay") == 3


def test_learning_connections_are_read_with_the_weights_that_they_began_with():
    rule = STDPLoihi(learning_rate=1, A_plus=1, A_minus=-1, tau_plus=10, tau_minus=10, t_epoch=4)
    dense = LearningDense(weights=np.eye(3) * 2, learning_rule=rule, name="plastic")
    lif = LIF(shape=(3,), du=0.5, name="lif")
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(dense.s_in_bap)
    graph, _, found = read(lif)
    np.testing.assert_array_equal(graph.nodes["plastic"].weight, np.eye(3) * 2)
    assert "NMB153" in {d.code for d in found}
    assert list(graph.nodes) == ["plastic", "plastic_delay", "lif", "input", "output"]


def test_overflows_are_foreseen():
    dense = Dense(weights=np.full((1, 8), 254), weight_exp=4)
    lif = LIF(shape=(1,), du=100, dv=0, vth=10, name="lif")
    dense.a_out.connect(lif.a_in)
    all_of = list(read(lif)[2])
    found = {d.code: d for d in all_of}
    assert found["NMB154"].node == "lif"
    told = " ".join(d.message for d in all_of if d.code == "NMB155")  # of weights and neurons
    assert "exponent 4" in told
    assert "du 0.0246582" in told
    assert found["NMB154"].found == f"{254 * 16 * 8 / (101 / 4096):,.0f}"
