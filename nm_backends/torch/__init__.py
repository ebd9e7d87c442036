"""Chips as torch modules: train with the chip in the loop. Needs torch (``nm-backends[snntorch]``).

`ChipModule` runs a compiled program forward, bit for bit, and a float model of it backward.
"""

from nm_backends.torch.chip_module import ChipModule
from nm_backends.torch.float_model import FloatModel
from nm_backends.torch.surrogate import atan

__all__ = ["ChipModule", "FloatModel", "atan"]
