"""MorphIC: 4 x 512 LIF neurons, binary synapses, stochastic SDSP, a mesh of chips (Frenkel 2019).

No RTL of this chip is public: what published texts leave open is a named choice of `Assumptions`.
"""
