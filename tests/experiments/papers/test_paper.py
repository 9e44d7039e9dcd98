"""Every paper by name, with all that a reader may ask."""

import pytest

import hebblab as hl
from hebblab.experiments.papers import timing
from hebblab.experiments.papers.paper import NotRun
from hebblab.experiments.papers.results import Results


def test_the_mini_of_two_papers_has_both_names():
    paper = hl.papers.get("softhebb-2023-mini")
    assert paper.name == "softhebb-2023-quarter-mini"
    assert "softhebb-2023" in hl.papers.available()


@pytest.mark.parametrize("name", hl.papers.available())
def test_every_paper_names_its_cells_sources_and_deviations(name):
    paper = hl.papers.get(name)
    assert paper.name == name
    assert paper.minutes > 0
    assert paper.citation
    assert paper.deviations
    assert len(paper.seeds) >= 3, "no interval is worth its name under three runs"
    for one in paper.published:
        # A row that no machine here has stands in the table alone.
        assert one.condition in paper.conditions or one.condition == timing.FRAMEWORK_GPU
        assert one.layer in paper.layers
        assert one.source.startswith(("the paper, ", "the authors' "))
    for claim in paper.claims:
        with pytest.raises(NotRun):
            claim.judge(Results({}, {}))
