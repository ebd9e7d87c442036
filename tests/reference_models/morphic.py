"""MorphIC, one neuron and one random bit at a time: what the assumptions say, as plainly as may be.

Events carry the whole history of what caused them as a key; queues are lists sorted by it.
"""


def signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


class Neuron:
    def __init__(self, word, route, core):
        def take(byte, size=1):
            return int.from_bytes(bytes(word[byte : byte + size]), "little")

        self.membrane, self.threshold = signed(take(0, 2), 16), take(2, 2)
        self.leak, self.theta_membrane = take(4, 2), signed(take(6, 2), 16)
        self.calcium, self.leak_count = take(8), take(9)
        self.theta1, self.theta2, self.theta3 = take(10), take(11), take(12)
        self.calcium_leak, self.counts, self.disabled = take(13), take(14), take(15)
        route = int.from_bytes(bytes(route), "little")
        others = [other for other in range(4) if other != core]
        self.cores = [others[bit] for bit in range(3) if route >> (24 + bit) & 1]
        self.l1_row, self.l2_row = 512 + (route >> 16 & 255), 768 + (route & 255)
        self.dx, self.dy = signed(route >> 12 & 15, 4), signed(route >> 8 & 15, 4)

    def wants(self):
        """1 to potentiate, 0 to depress, None for neither."""
        if not self.counts or self.calcium < self.theta1:
            return None
        if self.membrane >= self.theta_membrane:
            return 1 if self.calcium < self.theta3 else None
        return 0 if self.calcium < self.theta2 else None

    def update(self, membrane, reference):
        spike = membrane >= self.threshold
        self.membrane = 0 if spike else membrane
        if self.counts:
            tick = False
            if reference and self.calcium_leak:
                tick = self.leak_count == self.calcium_leak - 1
                self.leak_count = 0 if tick else (self.leak_count + 1) % 32
            if spike and not tick:
                self.calcium = min(self.calcium + 1, 7)
            if tick and not spike:
                self.calcium = max(self.calcium - 1, 0)
        return spike and not self.disabled


class Core:
    def __init__(self, image, number, assumptions):
        self.assumptions = assumptions
        words = image.memories["neuron"][512 * number : 512 * number + 512]
        routes = image.memories["route"][512 * number : 512 * number + 512]
        self.neurons = [Neuron(w, r, number) for w, r in zip(words, routes, strict=True)]
        rows = image.memories["synapse_row"][1024 * number : 1024 * number + 1024]
        self.bits = [[int(row[k // 8]) >> k % 8 & 1 for k in range(512)] for row in rows]
        register = {
            name: image.registers[f"{name}_{number}"]
            for name in ("WEIGHT_MODE", "ROW_SIGN", "ROW_ENABLE", "PLASTIC", "P_UP", "P_DOWN")
        }
        self.register, self.lfsr = register, int(image.registers[f"LFSR_SEED_{number}"])
        self.low, self.high = -(2 ** (assumptions.membrane_bits - 1)), 0
        self.high = -self.low - 1
        self.queue, self.following, self.serving = [], [], 0
        self.served = self.references = self.dropped = self.fifo_max = 0

    def draw(self):
        value = 0
        for _ in range(self.assumptions.probability_bits):
            bits, tap = self.assumptions.lfsr_bits, self.assumptions.lfsr_tap
            new = (self.lfsr >> bits - 1 ^ self.lfsr >> tap - 1) & 1
            self.lfsr = (self.lfsr << 1 | new) & (1 << bits) - 1
            value = value << 1 | new
        return value

    def row(self, row):
        level = 0 if row < 512 else 1 if row < 768 else 2
        plastic, spikes = self.register["PLASTIC"] >> level & 1, []
        for k, neuron in enumerate(self.neurons):
            bit, wish = self.bits[row][k], neuron.wants()
            if self.register["WEIGHT_MODE"]:
                weight = -bit if self.register["ROW_SIGN"][row] else bit
            else:
                weight = 1 if bit else -1
            if plastic:
                draw = self.draw()
                if wish == 1 and draw < self.register["P_UP"]:
                    self.bits[row][k] = 1
                if wish == 0 and draw < self.register["P_DOWN"]:
                    self.bits[row][k] = 0
            if neuron.update(min(max(neuron.membrane + weight, self.low), self.high), False):
                spikes.append(k)
        self.served += 1
        return spikes

    def reference(self):
        spikes = []
        for k, neuron in enumerate(self.neurons):
            v = neuron.membrane
            v = max(v - neuron.leak, 0) if v > 0 else min(v + neuron.leak, 0)
            if neuron.update(v, True):
                spikes.append(k)
        self.references += 1
        return spikes


class MorphicReference:
    def __init__(self, images, columns, assumptions):
        self.columns, self.assumptions = columns, assumptions
        self.cores = [Core(image, n, assumptions) for image in images for n in range(4)]
        self.flying, self.round, self.clock = [], 0, 0
        self.out, self.group_cycles = [], []
        self.link_rounds = {}

    def send(self, groups):
        """``groups``: lists of (event number, chip, core, row) that are sent together."""
        for group in groups:
            start = self.clock
            for number, chip, core, row in group:
                for c, target in enumerate(self.cores):
                    if chip in (-1, c // 4) and core in (-1, c % 4):
                        self.offer(target, number, row)
            while self.flying or any(core.queue for core in self.cores):
                self.one_round()
            self.group_cycles.append(self.clock - start)

    def offer(self, core, number, row):
        if row == -1:
            core.queue = [((number,), number, -1)]
        elif core.register["ROW_ENABLE"][row]:
            core.queue = [((number,), number, row)]
            core.fifo_max = max(core.fifo_max, 1)

    def one_round(self):
        spikes, busiest = [], max(len(core.queue) for core in self.cores)
        for c, core in enumerate(self.cores):
            core.serving = len([event for event in core.queue if event[2] != -1])
            for slot, (key, root, row) in enumerate(core.queue):
                for k in core.reference() if row == -1 else core.row(row):
                    cycle = self.clock + 1024 * slot + 2 * k + 1
                    spikes.append((key, c, k, slot, root, cycle))
        spikes.sort()
        arriving = [(p[1:], 0) for p in self.flying if p[0] == self.round]
        self.flying = [p for p in self.flying if p[0] > self.round]
        for key, c, k, slot, root, cycle in spikes:
            self.out.append((c // 4, c % 4, k, root, cycle))
            neuron, mark = self.cores[c].neurons[k], (self.round, key, c, k)
            near = [(c, k)] + [(c - c % 4 + t, neuron.l1_row) for t in neuron.cores]
            arriving += [((mark, target, row, slot, root), 1) for target, row in near]
            far = self.hops(c // 4, neuron)
            if far:
                when = self.round + len(far) * self.assumptions.hop_latency
                for target in range(4 * far[-1], 4 * far[-1] + 4):
                    packet = (mark, target, neuron.l2_row, slot, root)
                    if when == self.round:
                        arriving.append((packet, 1))
                    else:
                        self.flying.append((when, *packet))
        arriving.sort(key=lambda item: (item[1], item[0][0]))
        for (mark, target, row, slot, root), younger in arriving:
            self.push(self.cores[target], ((younger, mark), root, row), slot)
        for core in self.cores:
            core.queue, core.following = sorted(core.following), []
        self.clock += 1024 * max(busiest, 1)
        self.round += 1

    def push(self, core, event, slot):
        if not core.register["ROW_ENABLE"][event[2]]:
            return
        held = len(core.following) + max(core.serving - slot, 0)
        if held >= self.assumptions.fifo_depth:
            core.dropped += 1
        else:
            core.following.append(event)
            core.fifo_max = max(core.fifo_max, held + 1)

    def hops(self, chip, neuron):
        """Chips on the way, the target last; counts the packet on each link."""
        x = [(0, 1) if neuron.dx > 0 else (1, -1)] * abs(neuron.dx)
        y = [(2, self.columns) if neuron.dy > 0 else (3, -self.columns)] * abs(neuron.dy)
        way, latency = [], self.assumptions.hop_latency
        for hop, (side, step) in enumerate(
            x + y if self.assumptions.route_order == "xy" else y + x
        ):
            place = (chip, side, self.round + hop * latency)
            self.link_rounds[place] = self.link_rounds.get(place, 0) + 1
            chip += step
            way.append(chip)
        return way
