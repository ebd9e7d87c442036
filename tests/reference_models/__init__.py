"""Slow models in plain Python, one clock cycle and one neuron at a time, to test the engines by.

They are written from the chips' documentation and state machines, and share no code with the
package. `clocked` is the controller with its links, `odin` and `tinyodin` add the neurons.
"""
