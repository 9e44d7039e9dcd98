"""Many runs beside each other: sweeps over recipes, and the experiments of papers."""

from hebblab.experiments import papers
from hebblab.experiments.cells import identity, run_cell
from hebblab.experiments.sweeps import sweep

__all__ = ["identity", "papers", "run_cell", "sweep"]
