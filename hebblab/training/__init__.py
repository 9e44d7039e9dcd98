"""Training: the Local optimizer and ignite engines for Hebbian and supervised layers."""

from hebblab.training.adjacent import OF_THE_NETWORK, Adjacent, leaves
from hebblab.training.evaluator import HebbianEvaluator
from hebblab.training.features import FeaturePath, feature_path
from hebblab.training.hebbian import HebbianTrainer
from hebblab.training.learner import Learner
from hebblab.training.local import Local
from hebblab.training.modes import evaluating, undisturbed
from hebblab.training.options import (
    OPTIONS,
    LayerOptions,
    refuse_contradictions,
    refuse_idle,
    without_effect,
)
from hebblab.training.progress import attach_progress
from hebblab.training.schedules import (
    attach_linear_decay,
    decay_factor,
    greedy_phase,
    shrunk,
)
from hebblab.training.supervised import SupervisedEvaluator, SupervisedTrainer
from hebblab.training.visualizers import (
    ActivationStatisticsHandler,
    UnitConvergenceHandler,
    WeightsHistogramHandler,
    WeightsImageHandler,
)

__all__ = [
    "OF_THE_NETWORK",
    "OPTIONS",
    "ActivationStatisticsHandler",
    "Adjacent",
    "FeaturePath",
    "HebbianEvaluator",
    "HebbianTrainer",
    "LayerOptions",
    "Learner",
    "Local",
    "SupervisedEvaluator",
    "SupervisedTrainer",
    "UnitConvergenceHandler",
    "WeightsHistogramHandler",
    "WeightsImageHandler",
    "attach_linear_decay",
    "attach_progress",
    "decay_factor",
    "evaluating",
    "feature_path",
    "greedy_phase",
    "leaves",
    "refuse_contradictions",
    "refuse_idle",
    "shrunk",
    "undisturbed",
    "without_effect",
]
