"""Many runs beside each other: sweeps over recipes."""

from hebblab.experiments.cells import identity, run_cell
from hebblab.experiments.sweeps import sweep

__all__ = ["identity", "run_cell", "sweep"]
