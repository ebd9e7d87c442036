"""One crossbar without end in place of a mesh: every row at once everywhere, one FIFO, no latency.

Written from the image alone: bits, row registers and route words. Slow and plain.
"""

from collections import deque

import numpy as np

from nm_morphic.routes import decode
from nm_morphic.spec import CORES, NEURONS, ROWS

REFERENCE, TOGETHER = 1 << 26, 1 << 27


class OneCore:
    def __init__(self, image, columns):
        self.columns, self.neurons = columns, len(image.memories["neuron"])
        self.cores = self.neurons // NEURONS
        words = image.memories["neuron"].view("<i2")
        self.start, self.threshold, self.leak = words[:, :3].astype(int).T
        self.enabled = image.memories["neuron"][:, 15] == 0
        self.rows = self.effects(image)
        routes = image.memories["route"].view("<u4")[:, 0]
        self.heard = [self.row_of_neuron(n, int(routes[n])) for n in range(self.neurons)]

    def effects(self, image):
        """What each row of each core adds to all neurons; None where it is not connected."""
        bits = np.unpackbits(image.memories["synapse_row"], axis=1, bitorder="little").astype(int)
        found = {}
        for core in range(self.cores):
            enabled, sign = (image.registers[f"{r}_{core}"] for r in ("ROW_ENABLE", "ROW_SIGN"))
            for row in np.flatnonzero(enabled):
                values = bits[core * ROWS + row]
                if image.registers[f"WEIGHT_MODE_{core}"]:
                    values = -values if sign[row] else values
                else:
                    values = 2 * values - 1
                found[core, row] = values
        return found

    def wide(self, places):
        """One row over all neurons, made of rows of cores."""
        row = np.zeros((self.cores, NEURONS), int)
        for place in places:
            if place in self.rows:
                row[place[0]] += self.rows[place]
        return row.ravel() if any(place in self.rows for place in places) else None

    def row_of_neuron(self, n, word):
        core, chip = n // NEURONS, n // NEURONS // CORES
        route = decode(word, core % CORES)
        places = [(core, n % NEURONS)]
        places += [(CORES * chip + c, 512 + route.l1_row) for c in route.cores]
        if route.dx or route.dy:
            target = chip + route.dy * self.columns + route.dx
            places += [(CORES * target + c, 768 + route.l2_row) for c in range(CORES)]
        return self.wide(places)

    def run(self, words):
        """Outputs of one sample: (neuron, index of the word that began the cascade)."""
        membrane, out, queue = self.start.copy(), [], deque()
        self.membrane = membrane

        def fire(root):
            for n in np.flatnonzero(membrane >= self.threshold):
                membrane[n] = 0
                if self.enabled[n]:
                    out.append((n, root))
                    if self.heard[n] is not None:
                        queue.append((self.heard[n], root))

        i = 0
        while i < len(words):
            group = [int(words[i])]
            while i + len(group) < len(words) and int(words[i + len(group)]) & TOGETHER:
                group.append(int(words[i + len(group)]))
            if group[0] == REFERENCE:
                membrane -= np.clip(membrane, -self.leak, self.leak)
                fire(i)
            else:
                places = [((w & ~TOGETHER) >> 10, w & 1023) for w in group]
                queue.append((self.wide(places), i))
            i += len(group)
            while queue:
                row, root = queue.popleft()
                membrane[:] = np.clip(membrane + row, -1024, 1023)
                fire(root)
        return out
