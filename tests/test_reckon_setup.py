"""Rules about ReckOn's images: each seen to be true on the engine where it shows in a run."""

import numpy as np
import pytest
from crossbar_networks import bernoulli, layers

from nm_backends.compiler import compile_model
from nm_backends.errors import UserError
from nm_backends.eventcore.words import extract, insert
from nm_reckon.drive import Drive
from nm_reckon.image import input_weights, recurrent_weights
from nm_reckon.rules import BY_NAME
from nm_reckon.sample import Sample
from nm_reckon.setup import check_setup
from nm_reckon.simulator import run_batch
from nm_reckon.spec import NEURON_FIELDS

FIELDS = {field.name: field for field in NEURON_FIELDS}
SPIKES = bernoulli(10, 1, 6, 0.5)


@pytest.fixture
def image():
    return compile_model(layers(6, 9, 4, seed=1, mean=0.4), "reckon").image.copy()


def codes(image):
    return [d.code for d in check_setup(image).diagnostics]


def code(name):
    return [BY_NAME[name].code]


def spikes_of(image, ticks=12):
    none = np.zeros(0, np.int32)
    events = np.arange(ticks, dtype=np.int32)
    sample = Sample(ticks, events, (events % 6).astype(np.uint8))
    quiet = Sample(ticks, none, none.astype(np.uint8))
    return [log.spikes for log in run_batch(image, [sample, quiet], ("spikes",))]


def test_what_is_compiled_is_sound(image):
    assert not check_setup(image).diagnostics


def test_odd_count(image):
    image.registers["SPI_NUM_REC_NEUR"] = 12  # 13 neurons
    assert codes(image)[:1] == code("odd_count")
    input_weights(image)[:, 12] = 127
    assert not spikes_of(image)[0][:, 12].any()  # charged, and never stepped


def test_fires_at_rest(image):
    image.registers["SPI_NUM_INP_NEUR"] = 31
    words = image.memories["neuron"]
    insert(words[10:11], FIELDS["thr"], np.array([0]))  # neurons 20, 21: stepped, not in use
    assert codes(image) == code("fires_at_rest")
    assert spikes_of(image)[1][1:, 20:22].all()
    image.registers["SPI_NUM_INP_NEUR"] = 5
    assert codes(image) == []
    assert not spikes_of(image)[1].any()


def test_beyond_the_last(image):
    image.registers |= {"SPI_NUM_REC_NEUR": 8, "SPI_NUM_INP_NEUR": 9}  # 9 neurons, 10 stepped
    assert codes(image) in ([], code("beyond_the_last"))
    input_weights(image)[:, 9] = 127
    assert codes(image) == code("beyond_the_last")
    threshold = np.minimum(extract(image.memories["neuron"], FIELDS["thr"]), 120)
    insert(image.memories["neuron"], FIELDS["thr"], threshold)
    assert spikes_of(image)[0][:, 9].any()


def test_self_connections(image):
    recurrent_weights(image)[3, 3] = 5
    assert codes(image) == []
    image.registers["SPI_DO_EPROP"] = 2
    assert codes(image) == code("self_connections")


def test_always_mode(image):
    image.registers |= {"SPI_DO_EPROP": 7, "SPI_REGUL_MODE": 6, "SPI_REGUL_W": 3}
    assert codes(image) == code("always_mode")
    image.registers["SPI_REGUL_MODE"] = 3
    assert codes(image) == []


def test_factor_above_one(image):
    image.registers["SPI_KAPPA"] = 0x81
    assert codes(image) == code("factor_above_one")
    image.registers["SPI_KAPPA"] = 0x80
    insert(image.memories["neuron"][2:3], FIELDS["alpha"], np.array([1]))
    image.registers["SPI_ALPHA_CONF"][2] = 1
    assert codes(image) == code("factor_above_one")
    image.registers["SPI_ALPHA_CONF"][2] = 0
    assert codes(image) == []


def test_local_ticks(image):
    image.registers["SPI_LOCAL_TICK"] = 1
    assert codes(image) == code("local_ticks")


def test_large_updates(image):
    image.registers |= {"SPI_DO_EPROP": 3, "SPI_H_4": 1, "SPI_LEARN_SIG_SCALE": 5}
    image.registers |= {"SPI_FP_LOC_TINP": 3, "SPI_FP_LOC_TREC": 4}
    assert codes(image) == []
    image.registers |= {"SPI_H_4": 16, "SPI_FP_LOC_TINP": 0, "SPI_LEARN_SIG_SCALE": 15}
    assert codes(image) == code("large_updates")  # of input weights; -16 is a slope, too
    image.registers["SPI_FP_LOC_TREC"] = 0
    assert codes(image) == 2 * code("large_updates")


def test_locked_generator(image):
    image.registers["SPI_SEED_STRND_NEUR"] = 0x7FFF
    assert codes(image) == []
    image.registers["SPI_EN_STOCH_ROUND"] = 1
    assert codes(image) == code("locked_generator")


def test_not_an_image(image):
    del image.registers["SPI_KAPPA"]
    with pytest.raises(UserError, match=r"image of reckon: register SPI_KAPPA: missing"):
        check_setup(image)


def test_driven_as_compiled():
    program = compile_model(layers(6, 9, 4, seed=1, mean=0.4), "reckon")
    (sample,) = Drive(program.layout).samples(SPIKES)
    assert sample.ticks == 10 + 3  # 10 steps, the second layer, its counts, and the last step
    assert sample.infer_acc.tolist() == [0] * 12 + [1]
