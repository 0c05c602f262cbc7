"""What can go wrong with a model, each in one sentence that says what to do."""

from chain.errors import MeritError


class ModelError(MeritError):
    """A manifest, weights file or registration that cannot be used."""


class CalibrationError(MeritError):
    """A calibration that cannot give a profile which tells honest runs from cheats."""
