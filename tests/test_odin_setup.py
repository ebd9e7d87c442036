"""Rules about set-ups: each is tripped, and the cycle-accurate engine shows that it is right.

A set-up that a rule finds really hangs the chip, locks the neuron up or reaches the undefined
range; a near neighbour that it does not find does not.
"""

import json
import pickle

import numpy as np
import pytest

from nm_backends.artifact import load
from nm_backends.errors import UserError
from nm_backends.eventcore.errors import LivelockError
from nm_backends.image import Image
from nm_backends.registry import get_backend
from nm_odin.errors import UndefinedError
from nm_odin.rules import BY_NAME
from nm_odin.setup import check_setup
from nm_odin.setup_rules import SETUP
from nm_odin.simulator import OdinSimulator, run_batch
from nm_odin.spec import REGISTERS
from nm_odin.words import read_word, write_word

HARMLESS = [0xFF11] * 34  # define the words of the main queue
QUIET = write_word(lif_izh_sel=1, thr=255, neur_disable=1)
TOUCH, KICK = 0x17, 0xE1  # virtual events: weight 0, weight 7


def setup(words, weights=(), **registers):
    """Return an image of quiet neurons but for ``words``; weights are (pre, post, weight)."""
    memory = np.tile(QUIET, (256, 1))
    for k, word in words.items():
        memory[k] = word
    synapses = np.full((256, 256), 8, np.uint8)
    for pre, post, weight in weights:
        synapses[pre, post] = weight | 8
    values = {register.name: 0 for register in REGISTERS}
    values["SPI_SYN_SIGN"] = np.zeros(256, np.uint8)
    return Image({"neuron": memory, "synapse": synapses}, values | registers)


def lif(**fields):
    return write_word(lif_izh_sel=1, **fields)


def izh(**fields):
    return write_word(**{"thr": 1, "inacc": 7} | fields)


def found(start):
    return {name for name, rule in BY_NAME.items() if rule.code in check_setup(start).codes}


def endless(start, *events, **options):
    """Whether the cycle-accurate engine is still busy after a few thousand scheduled events."""
    sent = np.array([*HARMLESS, *events], np.uint32)
    try:
        OdinSimulator(start, **options).send_timed(sent, max_pops=2000)
    except LivelockError:
        return True
    return False


LOOP = [(1, 2, 5), (2, 9, 3), (9, 1, 7), (1, 40, 1)]
three = {1: lif(thr=7), 2: lif(thr=5), 9: lif(thr=3), 40: lif(thr=90)}
INHIBITED = np.arange(256) == 9
ENDLESS = [
    ("fires_at_every_touch", setup({3: lif()}), 3 << 8 | TOUCH),
    ("fires_at_every_touch", setup({3: lif(core=9, ca_en=1)}), 0x7F),
    ("fires_after_reset", setup({3: np.zeros(16, np.uint8)}), 3 << 8 | TOUCH),
    ("fires_after_reset", setup({3: izh(rfr=2, thr=2, dap_en=1)}, [(0, 3, 7)]), 0x0007, 0x0007),
    ("fires_after_reset", setup({3: izh(rfr=3, thr=1, thrmod=-4, core=-3)}), 3 << 8 | TOUCH),
    ("excites_itself", setup({3: lif(thr=7)}, [(3, 3, 7)]), 3 << 8 | KICK),
    ("excites_itself", setup(three, LOOP), 2 << 8 | KICK),
]  # fmt: skip
QUIET_NEIGHBOURS = [
    (setup({3: lif()}, SPI_OPEN_LOOP=1), 3 << 8 | TOUCH),
    (setup({3: lif(neur_disable=1)}), 3 << 8 | TOUCH),
    (setup({3: lif(thr=1)}), 3 << 8 | TOUCH, 3 << 8 | KICK),
    (setup({3: np.zeros(16, np.uint8)}, [(3, 3, 7)]), 3 << 8 | TOUCH),
    (setup({3: izh(thr=0, rfr=1)}), 3 << 8 | TOUCH),
    (setup({3: izh(rfr=2, thr=3, dap_en=1)}), *[3 << 8 | KICK] * 9),
    (setup({3: izh(thr=0, rfr=0, reson_en=1)}), 3 << 8 | TOUCH),
    (setup({3: lif(thr=7)}, [(3, 3, 6)]), 3 << 8 | KICK),
    (setup(three, LOOP, SPI_SYN_SIGN=INHIBITED.astype(np.uint8)), 2 << 8 | KICK),
    (setup(three, LOOP[:2]), 2 << 8 | KICK),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "start", "events"), [(r, s, e) for r, s, *e in ENDLESS])
def test_what_never_becomes_idle(rule, start, events):
    assert found(start) == {rule}
    assert not check_setup(start).ok
    assert endless(start, *events)


@pytest.mark.parametrize(("start", "events"), [(s, e) for s, *e in QUIET_NEIGHBOURS])
def test_what_becomes_idle(start, events):
    assert found(start) == set()
    assert not endless(start, *events)


def bursting(count=1, timeref=900, **fields):
    words = {k: izh(**{"rfr": 2, "spk_ref": 1, "isi_ref": 1} | fields) for k in range(count)}
    return setup(words, SPI_BURST_TIMEREF=timeref)


def spikes_of(start, **options):
    """Kick neuron 0 at intervals with time references between; return its spikes and lock."""
    simulator = OdinSimulator(start, **options)
    sent = [*HARMLESS, *([KICK, KICK, *[0x7F] * 9] * 3)]
    log = simulator.send_timed(np.array(sent, np.uint32))
    locked = read_word(simulator.image().memories["neuron"][0])["burst_lock"]
    return int((log.out_addr == 0).sum()), locked


@pytest.mark.parametrize("off", [{"SPI_OPEN_LOOP": 1}, {"SPI_BURST_TIMEREF": 0}])
def test_locked_for_good_without_burst_engine(off):
    start = bursting()
    start.registers.update(off)
    assert found(start) == {"locked_without_bursts"}
    assert spikes_of(start) == (1, 1)


@pytest.mark.parametrize(
    "fields", [{"rfr": 0}, {"spk_ref": 0}, {"dap_en": 1, "dapdel": 1, "thr": 3}]
)
def test_not_locked(fields):
    start = bursting(timeref=0, **fields)
    assert found(start) == set()
    assert spikes_of(start)[0] > 1


@pytest.mark.parametrize(("timeref", "hangs"), [(5, True), (300, True), (511, True), (512, False)])
def test_slots_shorter_than_a_row(timeref, hangs):
    start = bursting(timeref=timeref, isi_ref=3)
    assert ("burst_slot_too_short" in found(start)) == hangs
    for count in np.linspace(0, timeref, 6).astype(int).tolist():
        assert endless(start, KICK, burst_count=count) == hangs


def test_the_last_spike_of_a_burst_can_get_lost():
    phases = range(0, 900, 60)
    start, apart = bursting(isi_ref=0), bursting(isi_ref=1)
    assert found(start) - found(apart) == {"burst_cut_short"}
    assert (1, 1) in {spikes_of(start, burst_count=count) for count in phases}
    assert {lock for _, lock in (spikes_of(apart, burst_count=c) for c in phases)} == {0}


def volley(start):
    """Make all neurons that can burst do so in one row."""
    start.memories["synapse"][200, :8] = 15
    simulator = OdinSimulator(start)
    return simulator.send_timed(np.array([*HARMLESS, 200 << 8 | 7], np.uint32))


def test_more_than_four_neurons_in_step():
    assert "burst_queue_overflow" not in found(bursting(4, 2000))
    volley(bursting(4, 2000))
    assert "burst_queue_overflow" in found(bursting(5, 2000))
    with pytest.raises(UndefinedError) as caught:
        volley(bursting(5, 2000))
    assert caught.value.overflow


def test_other_intervals_share_no_slot():
    start = bursting(5, 2000)
    start.memories["neuron"][4] = izh(rfr=2, spk_ref=1, isi_ref=2)
    assert "burst_queue_overflow" not in found(start)
    volley(start)


def test_room_of_the_queues_runs_out():
    start = bursting(timeref=512, rfr=0)
    assert found(start) == {"burst_room_runs_out"}
    simulator, kicks = OdinSimulator(start), np.array([KICK, KICK], np.uint32)
    simulator.send_timed(np.array(HARMLESS, np.uint32))
    with pytest.raises(UndefinedError, match="fifth entry"):
        _repeat(simulator, kicks, 57 * 4 + 1)


def _repeat(simulator, sent, times):
    for _ in range(times):
        simulator.send_timed(sent)


def test_every_rule_is_explained_and_in_order():
    codes = [BY_NAME[finding.__name__].code for _, finding in SETUP]
    assert codes == [f"ODIN{number:03d}" for number in range(28, 28 + len(SETUP))]
    assert len(set(codes) & {rule.code for rule in get_backend("odin").rules}) == len(SETUP)


def test_text():
    assert str(check_setup(setup({3: lif(), 77: lif()}))) == (
        "ODIN028 error at neuron[3..77]: neurons 3, 77 (LIF) with threshold 0: a spike at every "
        "touch, also of its own row; never idle\n"
        "    found thr 0, limit thr 1..255 in a closed loop (controller.v, scheduler.v and "
        "neuron_core.v of the RTL)\n"
        "    help: raise thr, set neur_disable, or set SPI_OPEN_LOOP to 1\n"
        "set-up on odin: does not fit (1 error, 0 warnings)"
    )


def test_what_is_no_image():
    start = setup({})
    del start.memories["synapse"]
    with pytest.raises(UserError, match=r"^image of odin: "):
        check_setup(start)


def test_livelocks_name_the_rule():
    start, sent = setup({3: lif()}), np.array([0x7F], np.uint32)
    calls = (
        lambda: OdinSimulator(start).send(sent, max_pops=9),
        lambda: OdinSimulator(start).send_timed(sent, max_pops=9),
        lambda: run_batch(start, sent, np.array([0, 1]), max_pops=9),
    )
    for call in calls:
        with pytest.raises(LivelockError) as caught:
            call()
        assert caught.value.hint.startswith("ODIN028: neuron 3 (LIF)")
        assert pickle.loads(pickle.dumps(caught.value)).hint == caught.value.hint


@pytest.fixture
def program(nmb, model_file):
    result = nmb("compile", model_file, "--chip", "odin", "-o", "small.nmb")
    assert result.exit_code == 0, result.output
    return "small.nmb"


def test_check_of_a_program(nmb, program, tmp_path):
    result = nmb("check", program)
    assert result.exit_code == 0, result.output
    changed = load(tmp_path / program)
    changed.image.memories["neuron"][5] = 0
    changed.image.registers["SPI_OPEN_LOOP"] = 0
    changed.save(tmp_path / "changed.nmb")
    result = nmb("check", "changed.nmb", "--chip", "odin", "--json")
    assert result.exit_code == 1
    assert "ODIN029" in {d["code"] for d in json.loads(result.stdout)["diagnostics"]}
    assert changed.check().codes == changed.report.codes | {"ODIN029"}


def test_check_needs_the_right_chip(nmb, program, model_file):
    assert "Missing option '--chip'" in nmb("check", model_file).output
    assert "small.nmb is a program of odin" in nmb("check", program, "--chip", "tinyodin").output
    assert nmb("check", program, "--chip", "tinyodin").exit_code == 2
