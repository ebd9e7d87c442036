"""Crossbar cores with a scheduler FIFO and AER links: controller, arbitration, timing, batches.

ODIN and tinyODIN share this architecture; what their neurons and synapses do is in their plugins.
Two engines drive one state: `fast` knows transactions, `timed` knows clock cycles.
"""
