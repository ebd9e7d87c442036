"""ReckOn, one neuron, one synapse and one random bit at a time.

Written for reading, from what was observed of the public RTL (ChFrenkel/ReckOn, commit 5e5c0be).
It shares no code with the simulator of the plugin, only the dataclasses that both take and give.
"""

import numpy as np

from nm_backends.image import Image
from nm_reckon.sample import Sample, SampleLog

SEEDS = (
    ("SPI_SEED_INP", (0,)), ("SPI_SEED_REC", (1,)), ("SPI_SEED_OUT", (2,)),
    ("SPI_SEED_STRND_NEUR", (3, 4)), ("SPI_SEED_STRND_ONEUR", (5,)),
    ("SPI_SEED_STRND_TINP", (6, 7)), ("SPI_SEED_STRND_TREC", (8, 9)),
    ("SPI_SEED_STRND_TOUT", (10, 11)), ("SPI_SEED_NOISE_NEUR", (12,)),
)  # fmt: skip
FIELDS = ((0, 16), (16, 12), (28, 12), (40, 10))  # membrane and traces; +50 for the odd neuron


def signed(value, bits):
    """Wrap to a signed number of ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def clamp(value, low, high):
    return max(low, min(high, value))


class Generator:
    """The bit sequence y[n] = y[n - near] xor y[n - far], ``advance`` bits per draw.

    ``places`` says which element of the sequence each bit of the state register holds; y[0] is the
    first bit of the next draw.
    """

    def __init__(self, near, far, advance, places=None):
        self.near, self.far, self.advance = near, far, advance
        self.places = places or [j if j < near else j - far for j in range(far)]
        self.before = far - near  # how many elements of ``window`` come before y[0]
        self.window = [0] * far

    def load(self, state):
        for bit, place in enumerate(self.places):
            self.window[self.before + place] = state >> bit & 1

    def state(self):
        return sum(self.window[self.before + place] << bit for bit, place in enumerate(self.places))

    def draw(self):
        bits = self.window
        for _ in range(self.advance):
            bits.append(bits[-self.near] ^ bits[-self.far])
        self.window = bits[self.advance :]
        return bits[self.before : self.before + self.advance]


def number(bits):
    """The integer whose least significant bit is ``bits[0]``."""
    value = 0
    for bit in reversed(bits):
        value = value << 1 | bit
    return value


def all_generators():
    """The 13 generators, in the order of `nm_reckon.sample.GENERATORS`."""
    interleaved = [0, *(place for i in range(7) for place in (i - 14, i - 7))]
    weights = [Generator(3, 25, 512), Generator(3, 25, 512), Generator(1, 22, 448)]
    short = [Generator(1, 15, 7, interleaved) for _ in range(3)]
    full = [Generator(1, 15, 15) for _ in range(6)]
    return [*weights, *full[:2], short[0], *full[2:], *short[1:], Generator(3, 17, 32)]


class ReckonReference:
    """Same construction and use as ``nm_reckon.simulator.ReckonSimulator``."""

    def __init__(self, image, dirty=None, lfsr=None):
        self.registers = dict(image.registers)
        self.below, self.above = [0] * 272, [0] * 272  # stops at a limit: neurons, then outputs
        self.generators = all_generators()
        for name, _ in SEEDS:
            self.set_register(name, self.registers[name])
        if lfsr is not None:
            for generator, state in zip(self.generators, lfsr, strict=True):
                generator.load(int(state))
        self._dirty = [1] * 256 if dirty is None else [int(bit) for bit in dirty]
        self._load_neurons(image.memories["neuron"])
        self.w_inp, self.w_rec = (
            image.memories[name].reshape(256, 256).view(np.int8).tolist()
            for name in ("input_weight", "recurrent_weight")
        )
        self.w_out = image.memories["output_weight"][:256].view(np.int8).tolist()
        self._unused = image.memories["output_weight"][256:].copy()
        self.o = [0] * 16

    def set_register(self, name, value):
        self.registers[name] = value
        for seed, targets in SEEDS:
            if name == seed:
                for part, target in enumerate(targets):
                    self.generators[target].load(int(value) >> (15 * part))

    @property
    def dirty(self):
        return np.array(self._dirty, np.uint8)

    @property
    def lfsr(self):
        return np.array([g.state() for g in self.generators], np.uint32)

    def image(self):
        registers = dict(self.registers)
        for name, targets in SEEDS:
            states = [self.generators[target].state() for target in targets]
            registers[name] = sum(state << (15 * part) for part, state in enumerate(states))
        output = np.concatenate([np.array(self.w_out, np.int8).view(np.uint8), self._unused])
        memories = {
            "neuron": self._store_neurons(),
            "input_weight": np.array(self.w_inp, np.int8).view(np.uint8).reshape(4096, 16),
            "recurrent_weight": np.array(self.w_rec, np.int8).view(np.uint8).reshape(4096, 16),
            "output_weight": output,
        }
        return Image(memories, registers)

    def _load_neurons(self, memory):
        words = [int.from_bytes(bytes(word), "little") for word in memory]
        cut = [
            [word >> (low + 50 * odd) & ((1 << bits) - 1) for word in words for odd in (0, 1)]
            for low, bits in FIELDS
        ]
        self.u = [signed(value, 16) for value in cut[0]]
        self.t_inp, self.t_rec, self.t_out = cut[1:]
        self.thr = [signed(word >> 100, 16) for word in words]
        self.alpha = [word >> 116 for word in words]

    def _store_neurons(self):
        memory = np.zeros((128, 16), np.uint8)
        for pair in range(128):
            word = (self.thr[pair] & 0xFFFF) << 100 | self.alpha[pair] << 116
            for odd in (0, 1):
                values = (column[2 * pair + odd] for column in self._columns())
                for (low, bits), value in zip(FIELDS, values, strict=True):
                    word |= (value & ((1 << bits) - 1)) << (low + 50 * odd)
            memory[pair] = list(word.to_bytes(16, "little"))
        return memory

    def _columns(self):
        return self.u, self.t_inp, self.t_rec, self.t_out

    # a sample ---------------------------------------------------

    def sample(self, sample: Sample, record=(), capture=()):
        self._begin(sample)
        kept = {name: [] for name in ("lfsr", "cycles", "spikes", "step", "ready", "count")}
        memory = {"step": [], "ready": []}
        for tick in range(sample.ticks):
            cycles = self._tick(sample, tick)
            kept["cycles"].append(cycles)
            kept["spikes"].append(list(self.fired))
            kept["step"].append(self.o_step)
            kept["ready"].append(list(self.o))
            kept["count"].append(list(self.count))
            if "lfsr" in record:
                kept["lfsr"].append(self.lfsr)
            if tick in capture:
                after = self._store_neurons()
                memory["step"].append(after if tick == 0 else self.captured())
                memory["ready"].append(after)
        return self._log(kept, memory, record)

    def _begin(self, sample):
        pin = np.zeros(sample.ticks, int)
        self.valid = pin if sample.target_valid is None else sample.target_valid
        self.infer = pin if sample.infer_acc is None else sample.infer_acc
        self.events_of = [set() for _ in range(sample.ticks)]  # rule 1: a set, duplicates merge
        for tick, address in zip(sample.ev_tick, sample.ev_addr, strict=True):
            self.events_of[int(tick)].add(int(address))
        for name, register in (("NI", "INP"), ("NR", "REC"), ("NO", "OUT")):
            setattr(self, name, int(self.registers[f"SPI_NUM_{register}_NEUR"]))
        self.NN = max(self.NI, self.NR)
        self.NS = max(self.NN, self.NO)
        self.z = [0] * 256
        self.fired = [0] * 256
        self.count = [0] * 16
        self.o_step = [0] * 16
        self.out = []
        self.label, self.got_label = 0, False
        self.events = sum(map(len, self.events_of))
        self.spikes = self.sops = self.updates = 0

    def _log(self, kept, memory, record):
        ticks = len(kept["cycles"])

        def stack(name, kind, width, when):
            rows = kept[name] if when in record else []
            return np.array(rows, kind).reshape(ticks if rows else 0, width)

        out = [byte for byte, _ in self.out]
        log = SampleLog(
            out_data=np.array(out, np.uint8),
            out_tick=np.array([tick for _, tick in self.out], np.int32),
            busy=np.sum(kept["cycles"], axis=0, dtype=np.int64),
            events=self.events,
            spikes_fired=self.spikes,
            sops=self.sops,
            updates=self.updates,
            spikes=stack("spikes", np.uint8, 256, "spikes"),
            oneur_step=stack("step", np.int16, 16, "outputs"),
            oneur_ready=stack("ready", np.int16, 16, "outputs"),
            winner_count=stack("count", np.uint16, 16, "outputs"),
            lfsr=stack("lfsr", np.uint32, 13, "lfsr"),
            cycles=stack("cycles", np.int32, 4, "cycles"),
        )
        if memory["ready"]:
            log.mem_step, log.mem_ready = np.array(memory["step"]), np.array(memory["ready"])
        return log

    def _reg(self, name):
        return int(self.registers["SPI_" + name])

    def _tick(self, sample, tick):
        """One rise of TIME_TICK; returns the cycles in STEP, SDONE, EPROP and PROP."""
        if sample.label_tick == tick:
            self._receive_label(sample.label, tick > 0)
        if tick == 0:  # rule 2
            return [0, 0, 0, self._prop(self.events_of[0])]
        tv, last = bool(self.valid[tick]), tick == sample.ticks - 1
        self._step()
        stepped = [list(column) for column in self._columns()]
        self.captured = lambda: self._memory_of(stepped)
        self._vote(self.infer[tick])
        if last:  # rule 4: neither learning nor propagation
            self._send(tick)
            self._end()
            return [self.NS + 1, 1, 0, 0]
        learns = self._reg("DO_EPROP") != 0 and (tv or self._reg("REGUL_MODE") >> 1 == 3)
        eprop = self._learn(sample, tick, tv) if learns else 0
        if self._reg("SEND_PER_TIMESTEP"):
            self._send(tick)
        return [self.NS + 1, 1, eprop, self._prop(self.events_of[tick])]

    def _memory_of(self, columns):
        now, (self.u, self.t_inp, self.t_rec, self.t_out) = self._columns(), columns
        memory = self._store_neurons()
        self.u, self.t_inp, self.t_rec, self.t_out = now
        return memory

    def _end(self):
        self._dirty = [0] * 256
        self.o = [0] * 16

    # STEP, rules 8 to 15 ----------------------------------------

    def _step(self):
        ns, sr = self.NS, self._reg("EN_STOCH_ROUND")
        self.z = [0] * 256
        last = (ns >> 1) * 2
        self.old_word = [[column[last + n] for column in self._columns()] for n in (0, 1)]
        for clock in range(ns + 1):
            if clock < 16:
                self._leak_output(clock, sr)
            if clock & 1:  # rule 9: with an even NS the last neuron has no odd clock
                self._step_pair(clock >> 1, sr)
        self.o_step = list(self.o)
        self.fired = list(self.z)
        self.spikes += sum(self.z)

    def _leak_output(self, k, sr):
        """Rule 14; the generator runs (rule 15) for outputs above NO, too."""
        kappa = self._reg("KAPPA")
        rounding = sr and kappa != 0x80
        r = number(self.generators[5].draw()) if rounding else None
        if k <= self.NO:
            self.o[k] = signed(self._leaky(self.o[k] * kappa, 7, 16, r), 16)

    @staticmethod
    def _leaky(product, fraction, bits, r):
        """Cut off the fraction and round up where it is at least r (rules 11, 13, 14)."""
        kept = product >> fraction & ((1 << bits) - 1)
        part = product & ((1 << fraction) - 1)
        return kept + (r is not None and part >= r and kept != 0)

    def _step_pair(self, pair, sr):
        alpha = (0x8000 if self.registers["SPI_ALPHA_CONF"][pair] else 0x7000) + self.alpha[pair]
        kappa = self._reg("KAPPA")
        draws = [None] * 12
        for n in range(3, 12):  # rule 15
            if n != 5 and sr and (n > 4 or alpha != 0x8000):
                draws[n] = number(self.generators[n].draw())
        for odd in (0, 1):
            i = 2 * pair + odd
            r_inp, r_rec = (draws[n + odd] if alpha != 0x8000 else None for n in (6, 8))
            r_out = draws[10 + odd] if kappa != 0x80 else None
            if not self._dirty[i]:  # rule 6
                self.u[i] = self.t_inp[i] = self.t_rec[i] = self.t_out[i] = 0
            self._step_membrane(i, self.thr[pair], alpha, draws[3 + odd])
            self.t_inp[i] = self._leaky(self.t_inp[i] * alpha, 15, 12, r_inp) & 0xFFF
            self.t_rec[i] = self._leaky(self.t_rec[i] * alpha, 15, 12, r_rec) & 0xFFF
            self.t_out[i] = self._leaky(self.t_out[i] * kappa, 7, 10, r_out) & 0x3FF
        self._dirty[2 * pair] = self._dirty[2 * pair + 1] = 1

    def _step_membrane(self, i, thr, alpha, r):
        leaked = signed(self._leaky(self.u[i] * alpha, 15, 16, r), 16)  # rule 11
        if self.u[i] >= thr:  # rule 12: the membrane before the leak
            self.z[i] = 1
            leaked = 0 if self._reg("RST_MODE") else signed(leaked - thr, 16)
        self.u[i] = leaked

    # SDONE, targets and SEND: rules 16 to 21 and 32 -------------

    def _vote(self, infer):
        if infer:
            outputs = self.o[: self.NO + 1]
            winner = 0 if self._reg("REGRESSION") else outputs.index(max(outputs))
            self.count[winner] = (self.count[winner] + 1) & 0xFFFF

    def _receive_label(self, label, in_sample):
        if not self._reg("REGRESSION"):  # rule 18: a label before tick 0 is forgotten
            self.label = label & 15
            self.got_label = self.got_label or in_sample

    def _send(self, tick):
        if self._reg("SEND_LABEL_ONLY"):
            counts = self.count[: self.NO + 1]
            # with regression the count of output 0 alone moves
            self.out.append((counts.index(max(counts)), tick))
        else:
            for k in range(self.NO + 1):
                self.out += [(self.o[k] & 0xFF, tick), (self.o[k] >> 8 & 0xFF, tick)]

    def _targets(self, sample, tick):
        """Rules 18 to 20: ask for what is missing; returns a target per output."""
        if self._reg("REGRESSION"):
            asked = sample.reg_target
            return [0] * 16 if asked is None else [int(value) for value in asked[tick]]
        if not (self._reg("SINGLE_LABEL") and self.got_label):
            asked = sample.label_on_request
            self._receive_label(sample.label if asked is None else int(asked[tick]), True)
        return [2048 if k == self.label else 0 for k in range(16)]

    def _errors(self, targets, tv):
        """Rule 21."""
        errors = []
        for k in range(self.NO + 1):
            y = self.o[k]
            if not self._reg("NO_OUT_ACT"):
                y = 2048 if y > 2047 else 0 if y < -2048 else (y + 2048) >> 1
            errors.append(clamp(targets[k] - y, -32768, 32767) if tv else 0)
        return errors

    # EPROP, rules 22 to 30 --------------------------------------

    def _learn(self, sample, tick, tv):
        errors = self._errors(self._targets(sample, tick), tv)
        if self._reg("DO_EPROP") == 4:
            for j in range(self.NR + 1):
                self._post(j, errors, tv)
            return 2 * (self.NR + 1)
        groups = (self.NR >> 4) + 1
        for group in range(groups):
            posts = [self._post(16 * group + i, errors, tv) for i in range(16)]
            for pre in range(self.NN + 1):
                self._row("INP", pre, group, posts, tv)
                self._row("REC", pre, group, posts, tv)
        return groups * (32 + 2 * (self.NN + 1))

    def _word(self, i, tv):
        """Membrane and traces of neuron i as EPROP reads them: rules 7 and 23."""
        if not self._dirty[i & 1]:
            return [0, 0, 0, 0]
        if not tv:
            return self.old_word[i & 1]
        if i > self.NN:
            i = (self.NN & ~1) + (i & 1)
        return [column[i] for column in self._columns()]

    def _post(self, j, errors, tv):
        """Phase A, rule 24: h, regularisation trace and learning signal of a neuron."""
        u, _, t_rec, t_out = self._word(j, tv)
        segment = next((n for n in range(4) if u < signed(self._reg(f"THR_H_{n}"), 16)), 4)
        h = signed(self._reg(f"H_{segment}"), 5)
        treg = 0
        if self._reg("REGUL_MODE"):
            treg = max(0, (t_rec >> self._reg("FP_LOC_TREC")) - self._reg("REGUL_F0"))
        signal = 0
        if self._reg("DO_EPROP") & 3 and j <= self.NR:
            total = sum(error * w for error, w in zip(errors, self.w_out[j], strict=False))
            scaled = (total << self._reg("LEARN_SIG_SCALE")) >> 12
            signal = clamp(scaled, -32768, 32767)
        trace = t_out >> self._reg("FP_LOC_TOUT")
        if tv and j <= self.NR and self._reg("DO_EPROP") & 4 and trace:
            bits = self.generators[2].draw()
            for k, error in enumerate(errors):
                step = self._chance(error * trace, 28, "OUT", bits[28 * k : 28 * k + 28])
                self._change(self.w_out[j], k, step)
        return h, treg, signal

    def _row(self, which, pre, group, posts, tv):
        """Phase B, rules 25 to 30, for 16 weights of one input or neuron."""
        bit = which == "REC"
        mode, chosen = self._reg("REGUL_MODE"), self._reg("REGUL_W") >> bit & 1
        if not self._reg("DO_EPROP") >> bit & 1 or pre > (self.NR if bit else self.NI):
            return
        if not (tv or (mode >> 1 == 3 and chosen)):
            return
        shift = self._reg("FP_LOC_TREC" if bit else "FP_LOC_TINP")
        trace = self._word(pre, tv)[1 + bit] >> shift
        if trace == 0 and (mode == 0 or all(treg == 0 for _, treg, _ in posts)):
            return
        bits = self.generators[int(bit)].draw()
        row = (self.w_rec if bit else self.w_inp)[pre]
        for n, (h, treg, signal) in enumerate(posts):
            learning = tv and h != 0
            if not learning and not (mode and chosen):  # rule 27
                continue
            term = self._term(signal * trace * h if learning else 0, treg, which, chosen)
            step = self._chance(term, 32, which, bits[32 * n : 32 * n + 32])
            post = 16 * group + n
            if step and bit and post == pre:  # rule 30
                self.updates += row[post] != 0
                row[post] = 0
            else:
                self._change(row, post, step)

    def _term(self, e, treg, which, chosen):
        """Rule 26: the update term with both kinds of regularisation."""
        mode, factor, less = self._reg("REGUL_MODE"), 16, 0
        if mode & 1 and self._reg("REGUL_W"):
            damping = treg >> self._reg("REGUL_K_MUL")
            factor = 0 if damping > 15 else 16 - damping
        k = 16 * e if e < 0 else factor * e
        if mode & 2 and chosen:
            left = (treg << self._reg(f"REGUL_K_{which}_P")) & 0xFFFFFFFF
            less = left >> self._reg(f"REGUL_K_{which}_R")
        p = signed((k >> 4) - less, 32)
        return -(1 << 31) if p >= 0 and k >> 31 & 1 else p

    def _chance(self, p, width, which, bits):
        """Rule 29: -1, 0 or +1."""
        if p == 0:
            return 0
        if p == -(1 << (width - 1)):
            return -1
        size = min(abs(p) << self._reg(f"LR_P_W{which}"), (1 << width) - 1)
        if size >> self._reg(f"LR_R_W{which}") < number(bits):
            return 0
        return 1 if p > 0 else -1

    def _change(self, row, index, step):
        new = clamp(row[index] + step, -128, 127)
        self.updates += new != row[index]
        row[index] = new

    # PROP, rules 33 to 38 ---------------------------------------

    def _prop(self, events):
        pairs, cycles = (self.NR >> 1) + 1, self.NN + 1
        traced = [self._reg("DO_EPROP") >> n & 1 or self._reg("FORCE_TRACES") for n in range(3)]
        for i in range(self.NN + 1):
            event, z = i in events, self.z[i]
            if not event and not z:
                continue
            cycles += 2 * pairs
            self.sops += 2 * pairs
            for pair in range(pairs):
                self._visit(pair, i, event, z, traced)
            if z:
                for k in range(self.NO + 1):  # rule 35
                    moved = self.o[k] + (self.w_out[i][k] << self._reg("FP_LOC_WOUT"))
                    self._note(256 + k, moved)
                    self.o[k] = clamp(moved, -32768, 32767)
            if event and i > self.NR and traced[0]:  # rule 37
                self._supplement(i)
                cycles += 2
        self.z = [0] * 256
        return cycles

    def _visit(self, pair, i, event, z, traced):
        """Rules 34 and 36: source i reaches the two neurons of a pair, one write for both."""
        noise = self.generators[12].draw() if self._reg("NOISE_EN") else None
        for odd in (0, 1):
            j = 2 * pair + odd
            self._clear_stale(j)
            n = 0
            if noise:
                n = signed(number(noise[16 * odd : 16 * odd + 16]), 16) >> self._reg("NOISE_STR")
            w = (self.w_inp[i][j] << self._reg("FP_LOC_WINP")) if event else 0
            w += (self.w_rec[i][j] << self._reg("FP_LOC_WREC")) if z else 0
            self._note(j, self.u[j] + w)
            self.u[j] = self._integrate(self.u[j], w, n)
            if j == i:
                self._add_traces(i, [event and traced[0], z and traced[1], z and traced[2]])
        self._dirty[2 * pair] = self._dirty[2 * pair + 1] = 1

    def _note(self, place, total):
        self.below[place] += total < -32768
        self.above[place] += total > 32767

    @staticmethod
    def _integrate(u, w, n):
        """Saturation looks at membrane and weight, not at the noise."""
        total = signed(u + w + n, 16)
        if u >= 0 and w >= 0 and total < 0:
            return 32767
        if u < 0 and w < 0 and total >= 0:
            return -32768
        return total

    def _clear_stale(self, j):
        if not self._dirty[j]:
            self.u[j] = self.t_inp[j] = self.t_rec[j] = self.t_out[j] = 0

    def _add_traces(self, i, when):
        inp, rec, out = when
        if inp:
            self.t_inp[i] = min(4095, self.t_inp[i] + (8 << self._reg("FP_LOC_TINP")))
        if rec:
            self.t_rec[i] = min(4095, self.t_rec[i] + (8 << self._reg("FP_LOC_TREC")))
        if out:
            self.t_out[i] = min(1023, self.t_out[i] + (2 << self._reg("FP_LOC_TOUT")))

    def _supplement(self, i):
        """Rule 37: the trace of an input that has no neuron; the stale membrane stays."""
        pair = i >> 1
        for j in (2 * pair, 2 * pair + 1):
            if not self._dirty[j]:
                self.t_inp[j] = self.t_rec[j] = self.t_out[j] = 0
        self._dirty[2 * pair] = self._dirty[2 * pair + 1] = 1
        self._add_traces(i, [True, False, False])
