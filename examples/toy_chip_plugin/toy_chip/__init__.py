"""A made-up chip of 32 integrate-and-fire neurons: the smallest complete plugin."""

from nm_backends.entries import ChipEntry
from nm_backends.hookspecs import hookimpl


@hookimpl
def nm_register_chips(register):
    """Register the chip; nothing heavy is imported before somebody uses it."""
    register(
        ChipEntry(
            name="toy",
            summary="32 integrate-and-fire neurons, 64 inputs, signed 8-bit weights (made up)",
            backend="toy_chip.backend:ToyBackend",
            rules="toy_chip.rules:RULES",
            neurons=32,
            rows=96,
            synapses=96 * 32,
            unsupported={
                "verify": "there is no silicon that a trace could be recorded from",
                "events_are_exported": "spikes are written to a register, there are no events",
            },
        )
    )
