"""Integers found by gradient descent through the chip's own dynamics, event by event."""
