"""Networks on more than one chip: cut, compiled part by part, run as one program.

The host carries every spike. Each chip holds neurons of one level of the network (`partition`) and
sends their spikes to the host, which sends them on as input events: within the same time step along
projections without delay, one step later along those that close a loop, as the model has it. No
neuron of a crossbar drives another one on its chip. So the result does not depend on where the cuts
are: it is that of one large crossbar on which layers are executed one after the other. A backend
with ``levels`` says itself what shares a chip; projections inside a chip then stay on it.
"""
