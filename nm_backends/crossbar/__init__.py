"""Event-driven crossbar chips: rows that inputs and neurons share, 4-bit synapses, one FIFO.

What ODIN and tinyODIN have in common, once: the way from a `Network` to rows, neurons and words,
and from spikes to input events and back. A chip is described to it by `chip.CrossbarChip`.

``wiring``   the network as one real matrix, sources by neurons
``demand``   how many rows it needs, without building that matrix
``rules``    what does not fit, and what it costs (``reported``: what only the mapper can find)
``integers`` the matrix, thresholds and leaks as the chip holds them
``search``   what the range of the weights cannot tell: chosen by runs on the chip's own engine
``layout``   who sits where, and what the host sends in a time step
``events``   spikes to input words, output events to spikes
``mapping``  all of it in order
``realised`` the way back: the network that an image holds
``requantise`` other weights for a program
"""
