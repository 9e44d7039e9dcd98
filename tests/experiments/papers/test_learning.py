"""Networks of experiments, known only while they train."""

from hebblab.experiments.papers import filters
from hebblab.experiments.papers.learning import network
from hebblab.nn import networks


def test_a_network_of_an_experiment_is_known_only_while_it_trains(digits):
    with network("paper-x", filters.convolution(3)) as name:
        assert name in networks.available()
    assert "paper-x" not in networks.available()
