"""What is of the wrong kind is refused in a sentence, by every function that takes it."""

import math

import pytest
import torch
from torch import nn

import hebblab as hl
from hebblab import evaluation
from hebblab.data import Images
from hebblab.errors import InvalidValue, UnknownName
from hebblab.evaluation import checks, subjects

ROWS = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(30) % 3
PICTURES = Images(torch.zeros(3, 1, 6, 6, dtype=torch.uint8), torch.zeros(3).long())
PLACES = torch.tensor([0, 1, 0])


@pytest.mark.parametrize("wrong", ["a", 1.5, None, True, 2**63, 2**70, -(2**70)])
def test_a_seed_is_a_whole_number_of_64_bits(dataset, dense, wrong):
    for draws in (
        lambda: evaluation.subset(LABELS, share=0.5, seed=wrong),
        lambda: evaluation.noisy(PICTURES, 0.1, seed=wrong),
        lambda: evaluation.occluded(PICTURES, 0.5, PICTURES, seed=wrong),
        lambda: evaluation.shifted(PICTURES, 1, seed=wrong),
        lambda: evaluation.kmeans(ROWS, 2, seed=wrong),
        lambda: hl.linear_probe(dense, dataset, seed=wrong),
        lambda: hl.evaluate(dense, dataset, seed=wrong),
        lambda: evaluation.finetune(dense, dataset, seed=wrong),
    ):
        with pytest.raises(InvalidValue, match="seed must be a whole number"):
            draws()
    assert checks.seed(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"progress": 3}, "progress is a function"),
        ({"cancel": True}, "cancel is a function"),
        ({"threads": 0}, "threads is a whole number from 1 to 1,024, not 0"),
        ({"threads": 2**40}, "threads is a whole number"),
        ({"threads": 1.5}, "threads must be a whole number"),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_computed(dataset, dense, given, said):
    subjects._opened.clear()
    functions = [hl.evaluate, hl.linear_probe, evaluation.finetune]
    for function in functions[: 2 if "threads" in given else 3]:
        with pytest.raises(InvalidValue, match=said):
            function(dense, dataset, **given)
    with pytest.raises(InvalidValue, match=said):
        hl.evaluate(dense, dataset, split="test", **given)
    assert not subjects._opened


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: evaluation.win_information(PLACES + 5, PLACES, 2, 2), "Winners count from 0 to 1"),
        (lambda: evaluation.win_information(PLACES, PLACES + 5, 2, 2), "Labels count from 0 to 1"),
        (lambda: evaluation.win_information(PLACES, PLACES[:2], 2, 2), "3 rows and 2 labels"),
        (lambda: evaluation.win_information(PLACES[:0], PLACES[:0], 2, 2), "at least one sample"),
        (lambda: evaluation.win_information([0], [0], 2, 2), "Winners must be an int64 tensor"),
        (lambda: evaluation.linear_cka([1, 2], [3, 4]), "is a tensor"),
        (lambda: evaluation.linear_cka(torch.tensor(3.0), torch.tensor(3.0)), "is a tensor"),
        (lambda: evaluation.linear_cka(ROWS * math.nan, ROWS), "not finite"),
        (lambda: evaluation.selectivity(ROWS, LABELS, 2.5), "classes must be a whole number"),
        (lambda: evaluation.kmeans([[1.0]], 1), "rows must be a floating tensor"),
        (lambda: evaluation.kmeans(ROWS.long(), 1), "rows must be a floating tensor"),
        (lambda: evaluation.kmeans(ROWS[:, 0], 1), "rows must be a floating tensor"),
        (lambda: evaluation.kmeans(ROWS * math.inf, 1), "not finite"),
        (lambda: evaluation.kmeans(ROWS, 2, iterations="a"), "iterations must be a whole number"),
        (lambda: evaluation.student_interval("12"), "list of numbers, not '12'"),
        (lambda: evaluation.student_interval(None), "list of numbers"),
        (lambda: evaluation.paired_difference(3, 4), "list of numbers, not 3"),
        (lambda: evaluation.paired_difference(["a"], [1]), "list of numbers"),
        (lambda: evaluation.paired_p_value([1], None), "list of numbers, not None"),
        (lambda: evaluation.student_quantile("a", 3), "between 0 and 1"),
        (lambda: evaluation.student_quantile(0.975, 1.5), "freedom must be a whole number"),
        (lambda: evaluation.holm(["a"]), "p-values must be a list of numbers"),
        (lambda: evaluation.holm(3), "p-values must be a list of numbers"),
        (lambda: evaluation.subset(LABELS, share=0.5, classes="a"), "classes must be a whole"),
        (lambda: evaluation.knn_predict(ROWS, ROWS, LABELS, "3"), "classes must be a whole"),
        (lambda: evaluation.class_means(ROWS, LABELS, None), "classes must be a whole"),
        (lambda: evaluation.ncm_predict(ROWS, [1]), "Means must be a floating tensor"),
        (lambda: evaluation.shifted(3, 1), "Only Images can be shifted, not 3"),
        (lambda: evaluation.faded(None, 0.5), "Only Images can be faded, not None"),
        (lambda: read().accuracy(ROWS, LABELS.tolist()), "int64 tensor"),
        (lambda: read().accuracy(3, LABELS), "features must be a floating tensor"),
        (lambda: read().accuracy(ROWS[:0], LABELS[:0]), "n of at least 1"),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused_in_a_sentence(call, said):
    with pytest.raises(InvalidValue, match=said):
        call()


def read():
    return evaluation.linear_readout(ROWS, LABELS, penalty=0.1)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"sampling": "x"}, UnknownName, "no sampling 'x'"),
        ({"number": 9}, InvalidValue, "number goes from 0 to 4"),
        ({"unit_norm": "no"}, InvalidValue, "unit_norm is True or False"),
    ],
)
def test_fine_tuning_on_all_labels_refuses_what_it_would_on_some(dataset, dense, given, kind, said):
    with pytest.raises(kind, match=said):
        evaluation.finetune(dense, dataset, epochs=1, **given)


def test_a_cache_a_data_set_and_names_are_what_they_should_be(dataset, dense):
    with pytest.raises(InvalidValue, match="FeatureCache, or None, not 3"):
        hl.evaluate(dense, dataset, cache=3)
    with pytest.raises(InvalidValue, match=r"probed on an hl\.Dataset, not 'mnist-5k'"):
        hl.linear_probe(dense, "mnist-5k")
    found = hl.evaluate(dense, dataset, controls=["pixels"])
    for probe in (["linear"], 3):
        with pytest.raises(UnknownName, match="comparable probe"):
            found.compare("learned", "pixels", probe)
    with pytest.raises(UnknownName, match="no representation"):
        found.compare(["learned"], "pixels")


@pytest.mark.parametrize("other", [torch.float64, torch.bfloat16, torch.float16])
def test_features_of_two_precisions_are_compared_in_the_finer(other):
    queries, gallery = ROWS.to(other), ROWS[:20]
    exact = queries.double(), gallery.double()
    labels = LABELS[:20]
    for found in (
        lambda a, b: evaluation.nearest_neighbours(a, b, 5),
        lambda a, b: evaluation.knn_predict(a, b, labels, 3, 5),
        lambda a, b: evaluation.ncm_predict(a, evaluation.class_means(b, labels, 3)),
        lambda a, b: torch.tensor(evaluation.retrieval(a, LABELS, b, labels, 5)),
    ):
        assert torch.allclose(found(queries, gallery), found(*exact))


def test_means_of_many_half_precise_rows_lose_nothing():
    rows = torch.full((6000, 2), 30.0, dtype=torch.float16)
    means = evaluation.class_means(rows, torch.arange(6000) % 2, 2)
    assert means.tolist() == [[30.0, 30.0], [30.0, 30.0]]


def test_an_evaluation_of_one_unit_and_one_feature_is_whole(dataset):
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(81, 1, bias=False))
    probes = ["linear", "linear@3/class", "softmax", "knn", "ncm", "retrieval", "calibration"]
    table = hl.evaluate(narrow, dataset, probes=[*probes, "code"], controls=["pca"]).table
    code = table[table.probe == "code"]
    assert code.value.isna().all()
    assert set(code.note) == {"a code needs at least 20 images and 2 features"}
    assert table[table.probe != "code"].value.between(0, 1).all()
