"""SPOON in plain Python, slowly: written from the assumptions, not from the plugin's kernels."""

import numpy as np


def bounded(value, bits):
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, value))


def events_of(values, order=None):
    """Return (address, value) as they arrive: larger values first, then lower addresses."""
    there = [(address, int(v)) for address, v in enumerate(values) if v > 0]
    return (
        sorted(there, key=lambda e: (-e[1], e[0])) if order is None else [there[i] for i in order]
    )


def maps_of_events(events, shape, kernels, bias, stride, top, left, rows, columns, bits):
    """Accumulators [kernel][row][column] after the events, each saturating as it comes."""
    _, height, width = shape
    sums = [[[int(b)] * columns for _ in range(rows)] for b in bias]
    stops = 0
    for address, value in events:
        c, rest = divmod(address, height * width)
        y, x = divmod(rest, width)
        for k, kernel in enumerate(kernels):
            for v in range(rows):
                for u in range(columns):
                    i, j = y + top - stride * v, x + left - stride * u
                    if 0 <= i < kernel.shape[1] and 0 <= j < kernel.shape[2]:
                        wanted = sums[k][v][u] + value * int(kernel[c, i, j])
                        sums[k][v][u] = bounded(wanted, bits)
                        stops += sums[k][v][u] != wanted
    return np.array(sums), stops


def maps_of_frame(values, shape, kernels, bias, stride, top, left, rows, columns):
    """The same sums as a dense convolution of exact integers."""
    height, width = shape[1:]
    image = values.reshape(shape)
    found = np.zeros((len(kernels), rows, columns), object)
    for k, v, u in np.ndindex(*found.shape):
        total = int(bias[k])
        for c, i, j in np.ndindex(*kernels[k].shape):
            y, x = stride * v + i - top, stride * u + j - left
            if 0 <= y < height and 0 <= x < width:
                total += int(image[c, y, x]) * int(kernels[k][c, i, j])
        found[k, v, u] = total
    return found


def features_of(sums, shift, mode):
    maps = np.vectorize(lambda a: max(0, min(255, int(a) >> shift)))(sums)
    if mode == 0:
        return maps.reshape(-1)
    kernels, rows, columns = maps.shape[0], maps.shape[1] // 2, maps.shape[2] // 2
    pooled = []
    for k, v, u in np.ndindex(kernels, rows, columns):
        four = [int(maps[k, 2 * v + a, 2 * u + b]) for a in (0, 1) for b in (0, 1)]
        pooled.append(max(four) if mode == 1 else sum(four) >> 2)
    return np.array(pooled)


def dense_of(inputs, weights, bias, bits):
    sums = [int(b) for b in bias]
    for value, row in zip(inputs, weights, strict=True):
        sums = [bounded(s + int(value) * int(w), bits) for s, w in zip(sums, row, strict=True)]
    return sums


class Random:
    """The 16-bit register, shift by shift; bit 15 is the newest."""

    def __init__(self, state):
        self.state = state

    def draw(self):
        for _ in range(16):
            s = self.state
            bit = (s >> 5 ^ s >> 3 ^ s >> 2 ^ s) & 1
            self.state = s >> 1 | bit << 15
        return self.state


class Chip:
    """A set-up that computes and learns one sample at a time; arrays as in `nm_spoon.setup`."""

    def __init__(self, setup, conv_bits=20, dense_bits=24, weight_bits=8):
        self.r = dict(setup.registers)
        taps = (self.r["INPUT_CHANNELS"], self.r["KERNEL_HEIGHT"], self.r["KERNEL_WIDTH"])
        self.kernels = [column.reshape(taps) for column in setup.conv_weight.T]
        self.conv_bias, self.feedback = setup.conv_bias, setup.feedback
        self.hidden_weight, self.hidden_bias = setup.hidden_weight.copy(), setup.hidden_bias
        self.output_weight, self.output_bias = setup.output_weight.copy(), setup.output_bias
        self.bits, self.most = (conv_bits, dense_bits), (1 << (weight_bits - 1)) - 1
        self.random = Random(self.r["LFSR"])
        self.shape = setup.shape

    def features(self, values):
        r = self.r
        if not r["CONV_KERNELS"]:
            return values
        sums, _ = maps_of_events(
            events_of(values), self.shape, self.kernels, self.conv_bias, r["CONV_STRIDE"],
            r["CONV_TOP"], r["CONV_LEFT"], r["MAP_HEIGHT"], r["MAP_WIDTH"], self.bits[0],
        )  # fmt: skip
        return features_of(sums, r["CONV_SHIFT"], r["POOL_MODE"])

    def hidden(self, features):
        low, high = (-128, 127) if self.r["HIDDEN_SIGNED"] else (0, 255)
        sums = dense_of(features, self.hidden_weight, self.hidden_bias, self.bits[1])
        shifted = [s >> self.r["HIDDEN_SHIFT"] for s in sums]
        return [max(low, min(high, s)) for s in shifted], [low <= s <= high for s in shifted]

    def output(self, hidden):
        sums = dense_of(hidden, self.output_weight, self.output_bias, self.bits[1])
        shifted = [(s >> self.r["OUTPUT_SHIFT"]) + self.r["OUTPUT_MID"] for s in sums]
        return [max(0, min(255, s)) for s in shifted]

    def run(self, values):
        return self.output(self.hidden(self.features(values))[0])

    def learn(self, values, label):
        features = self.features(values)
        hidden, within = self.hidden(features)
        if self.r["LEARN"] & 1:
            signals = [-int(b) * w for b, w in zip(self.feedback[label], within, strict=True)]
            self.update(self.hidden_weight, features, signals, self.r["RATE_HIDDEN"])
        outputs = self.output(hidden)
        if self.r["LEARN"] & 2:
            errors = [((255 if k == label else 0) - y) >> 1 for k, y in enumerate(outputs)]
            self.update(self.output_weight, hidden, errors, self.r["RATE_OUTPUT"])

    def update(self, weights, inputs, signals, rate):
        for i, value in enumerate(inputs):
            if not value:
                continue
            for j, signal in enumerate(signals):
                draw = self.random.draw() * 2.0 ** (rate - 16)
                product = int(value) * int(signal)
                step = (abs(product) + int(draw // 1)) >> rate
                moved = int(weights[i, j]) + (step if product > 0 else -step)
                weights[i, j] = max(-self.most - 1, min(self.most, moved))
