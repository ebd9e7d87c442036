"""Random networks, register files and stimuli for ReckOn, extremes included."""

import numpy as np
from hypothesis import strategies as st

from nm_backends.image import Image
from nm_reckon.sample import Sample
from nm_reckon.spec import REGISTERS

RECORD = ("spikes", "outputs", "lfsr", "cycles")
SEEDS = tuple(register.name for register in REGISTERS if "SEED" in register.name)
# Register values that open a quirk more often than a uniform draw does.
OFTEN = {
    "SPI_KAPPA": (0x80, 0x79, 0, 0xFF),
    "SPI_REGUL_MODE": (0, 1, 2, 3, 3, 6, 7),
    "SPI_REGUL_W": (1, 2, 3),
    "SPI_REGUL_F0": (0, 0, 2),
    "SPI_REGUL_K_INP_P": (10, 11, 31),
    "SPI_REGUL_K_REC_P": (10, 11, 31),
    "SPI_REGUL_K_INP_R": (0, 0, 2),
    "SPI_REGUL_K_REC_R": (0, 0, 2),
    "SPI_REGUL_K_MUL": (0, 1, 4),
    "SPI_DO_EPROP": (7, 7, 7, 4, 0),
    "SPI_LEARN_SIG_SCALE": (0, 5, 15),
    "SPI_LR_R_WINP": (0, 0, 31),
    "SPI_LR_R_WREC": (0, 0, 31),
    "SPI_LR_R_WOUT": (0, 0, 27),
    "SPI_LR_P_WINP": (8, 13, 14, 20, 31),
    "SPI_LR_P_WREC": (8, 13, 14, 20, 31),
    "SPI_LR_P_WOUT": (8, 14, 31),
    "SPI_H_0": (0, 1, 31),
    "SPI_H_4": (1, 15, 16),
    "SPI_FP_LOC_TINP": (0, 7),
    "SPI_FP_LOC_TREC": (0, 7),
    "SPI_NOISE_STR": (0, 15),
}
SIZES = {
    "SPI_NUM_INP_NEUR": st.one_of(st.integers(0, 8), st.integers(0, 40)),
    "SPI_NUM_REC_NEUR": st.one_of(st.integers(0, 8), st.sampled_from([15, 16, 17, 20, 31, 33])),
    "SPI_NUM_OUT_NEUR": st.one_of(st.integers(0, 3), st.integers(0, 15)),
}


@st.composite
def register_files(draw):
    """A value for each register."""
    values = {}
    alone = draw(st.integers(0, 11)) == 0  # one input, one neuron, one output: nothing is stepped
    for register in REGISTERS:
        top = (1 << register.width) - 1
        if register.name == "SPI_LOCAL_TICK":  # the chip would not start
            values[register.name] = 0
        elif register.name in SIZES:
            values[register.name] = 0 if alone else draw(SIZES[register.name])
        elif register.width > 62:
            bits = draw(st.sampled_from(["ones", "zeros", "mixed"]))
            mixed = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 2, register.width)
            fixed = np.full(register.width, bits == "ones")
            values[register.name] = (mixed if bits == "mixed" else fixed).astype(np.uint8)
        else:
            often = OFTEN.get(register.name, (0, top))
            usual = draw(st.integers(0, 3)) > 0
            values[register.name] = draw(st.sampled_from(often) if usual else st.integers(0, top))
    return values


def neuron_words(random, kind):
    """128 words: any bytes, or small thresholds (some not positive) and factors near one."""
    if kind == "bytes":
        return random.integers(0, 256, (128, 16), dtype=np.uint8)
    words = []
    for _ in range(128):
        alpha = 0 if random.random() < 0.2 else 0xF80 + random.integers(0, 128)
        fields = [(116, 12, alpha), (100, 16, random.integers(-2, 300))]
        if kind == "state":
            for low in (0, 50):
                fields += [(low, 16, random.integers(-400, 400)), (low + 16, 12, 8)]
                fields += [(low + 28, 12, random.integers(0, 200)), (low + 40, 10, 3)]
        word = sum((int(value) & ((1 << bits) - 1)) << low for low, bits, value in fields)
        words.append(np.frombuffer(word.to_bytes(16, "little"), np.uint8))
    return np.array(words)


def weight_bytes(random, words, kind):
    """Weights of 8 bits: all values, the ends, or small ones."""
    low, high = {"all": (-128, 128), "small": (-6, 20), "ends": (0, 3)}[kind]
    drawn = random.integers(low, high, (words, 16))
    if kind == "ends":
        drawn = np.array([-128, 0, 127])[drawn]
    return drawn.astype(np.int8).view(np.uint8)


@st.composite
def images(draw):
    """A whole chip."""
    registers = draw(register_files())
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = st.sampled_from(["all", "small", "ends"])
    memories = {
        "neuron": neuron_words(random, draw(st.sampled_from(["plain", "state", "bytes"]))),
        "input_weight": weight_bytes(random, 4096, draw(kinds)),
        "recurrent_weight": weight_bytes(random, 4096, draw(kinds)),
        "output_weight": weight_bytes(random, 512, draw(kinds)),
    }
    return Image(memories, registers)


@st.composite
def samples(draw, regression):
    """What a host does in one sample; in regression it sends no label on its own."""
    ticks = draw(st.sampled_from([8, 5, 3, 2]))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count = ticks * draw(st.sampled_from([12, 4, 1, 0]))
    reach = draw(st.sampled_from([4, 20, 45, 256]))
    label_tick = draw(st.one_of(st.sampled_from([-1, 0]), st.integers(1, ticks - 1)))
    pins = [draw(st.sampled_from(["high", "mixed", "low"])) for _ in range(2)]
    levels = {"high": np.ones(ticks), "low": np.zeros(ticks)}
    valid, infer = (levels.get(pin, random.integers(0, 2, ticks)).astype(np.uint8) for pin in pins)
    return Sample(
        ticks=ticks,
        ev_tick=np.sort(random.integers(0, ticks, count)).astype(np.int32),
        ev_addr=random.integers(0, reach, count).astype(np.uint8),
        target_valid=valid,
        infer_acc=infer,
        label=draw(st.integers(0, 15)),
        label_tick=-1 if regression else label_tick,
        label_on_request=random.integers(0, 16, ticks).astype(np.uint8),
        reg_target=random.integers(-32768, 32768, (ticks, 16)).astype(np.int16),
    )


@st.composite
def runs(draw):
    """An image, dirty bits, and a few samples that follow each other."""
    image = draw(images())
    regression = bool(image.registers["SPI_REGRESSION"])
    dirty = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 2, 256)
    if draw(st.booleans()):
        dirty[:] = 1
    listed = draw(st.lists(samples(regression), min_size=1, max_size=2))
    modes = draw(
        st.lists(st.sampled_from([*range(8), 7, 7]), min_size=len(listed), max_size=len(listed))
    )
    keep = draw(st.booleans())
    return image, dirty.astype(np.uint8), listed, None if keep else modes
