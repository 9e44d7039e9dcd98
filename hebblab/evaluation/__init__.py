"""What learned features are worth: probes on frozen networks, with baselines and intervals."""

from hebblab.evaluation.cache import FeatureCache
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
    paired_p_value,
    student_interval,
    student_quantile,
    verdict,
)
from hebblab.evaluation.finetuning import finetune
from hebblab.evaluation.intervals import Score, wilson
from hebblab.evaluation.kmeans import kmeans
from hebblab.evaluation.linear import linear_readout
from hebblab.evaluation.neighbours import (
    class_means,
    knn_predict,
    ncm_predict,
    nearest_neighbours,
    retrieval,
)
from hebblab.evaluation.probes import ProbeResult, linear_probe
from hebblab.evaluation.protocols import evaluate
from hebblab.evaluation.results import Comparison, Evaluation
from hebblab.evaluation.robustness import faded, noisy, occluded, shifted
from hebblab.evaluation.subsets import subset
from hebblab.evaluation.tuned import FineTuned

__all__ = [
    "Comparison",
    "Evaluation",
    "FeatureCache",
    "FineTuned",
    "ProbeResult",
    "Reliability",
    "Score",
    "calibration_error",
    "class_means",
    "evaluate",
    "faded",
    "finetune",
    "holm",
    "hoyer",
    "kmeans",
    "knn_predict",
    "linear_cka",
    "linear_probe",
    "linear_readout",
    "mcnemar",
    "ncm_predict",
    "nearest_neighbours",
    "noisy",
    "occluded",
    "paired_difference",
    "paired_p_value",
    "reliability",
    "retrieval",
    "selectivity",
    "shifted",
    "student_interval",
    "student_quantile",
    "subset",
    "treves_rolls",
    "verdict",
    "wilson",
    "win_information",
]
