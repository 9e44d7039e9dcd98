"""What learned features are worth: probes on frozen networks, with baselines and intervals."""

from hebblab.evaluation.calibration import Reliability, calibration_error, reliability
from hebblab.evaluation.codes import (
    hoyer,
    linear_cka,
    selectivity,
    treves_rolls,
    win_information,
)
from hebblab.evaluation.comparison import (
    holm,
    mcnemar,
    paired_difference,
    student_interval,
    student_quantile,
    verdict,
)
from hebblab.evaluation.intervals import Score, wilson
from hebblab.evaluation.neighbours import (
    class_means,
    knn_predict,
    ncm_predict,
    nearest_neighbours,
    retrieval,
)
from hebblab.evaluation.probes import ProbeResult, linear_probe

__all__ = [
    "ProbeResult",
    "Reliability",
    "Score",
    "calibration_error",
    "class_means",
    "holm",
    "hoyer",
    "knn_predict",
    "linear_cka",
    "linear_probe",
    "mcnemar",
    "ncm_predict",
    "nearest_neighbours",
    "paired_difference",
    "reliability",
    "retrieval",
    "selectivity",
    "student_interval",
    "student_quantile",
    "treves_rolls",
    "verdict",
    "wilson",
    "win_information",
]
