import io

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import TensorboardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from hebblab import metrics, networks, rules
from hebblab.errors import InvalidValue, UnknownName, WrongState
from hebblab.training import (
    ActivationStatisticsHandler,
    HebbianTrainer,
    Local,
    UnitConvergenceHandler,
    WeightsHistogramHandler,
    WeightsImageHandler,
)


def batches(count=4, shape=(1, 8, 8)):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(10, *shape, generator=generator), torch.zeros(10)) for _ in range(count)]


def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 6, bias=False), nn.ReLU(), nn.Linear(6, 3))


def trainer_of(model, rule="krotov-hopfield", **options):
    return HebbianTrainer(
        model, rules.create(rule), Local(model.named_parameters(), lr=0.01), **options
    )


def written(folder, trainer, *handlers, event=Events.EPOCH_COMPLETED, epochs=2, data=None):
    with TensorboardLogger(log_dir=str(folder)) as logger:
        for handler in handlers:
            logger.attach(trainer, handler, event)
        trainer.run(data or batches(), epochs)
    events = EventAccumulator(str(folder), size_guidance={"images": 0, "histograms": 0})
    events.Reload()
    return events


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def test_weight_images_are_the_mosaic_in_warm_and_blue_ink(tmp_path):
    model = dense()
    trainer = trainer_of(model)
    events = written(tmp_path, trainer, WeightsImageHandler())
    first, last = events.Images("weights/1")
    assert (first.step, last.step) == (1, 2)
    pixels = np.asarray(Image.open(io.BytesIO(last.encoded_image_string)).convert("RGB"))
    assert pixels.shape == (2 * 8 + 1, 3 * 8 + 2, 3)
    found = metrics.mosaic(model[1].weight, (1, 8, 8), limit=100, gap=1).pixels.numpy()
    warmth = pixels[..., 0].astype(int) - pixels[..., 2]
    assert (warmth[found > 0.1] > 0).all()
    assert (warmth[found < -0.1] < 0).all()
    assert (pixels[8] == 255).all()


def test_many_units_are_sampled_and_the_sample_stays(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 50, bias=False), nn.ReLU())
    trainer = trainer_of(model, supervised_from=None)
    events = written(tmp_path, trainer, WeightsImageHandler(limit=9, columns=9))
    assert events.Images("weights/1")[0].width == 9 * 9 - 1
    assert events.Images("weights/1")[0].height == 8


@pytest.mark.parametrize(
    ("fan_in", "given", "size"),
    [(64, None, (8, 8)), (48, None, (4, 4)), (10, None, (10, 1)), (10, (1, 5, 2), (2, 5))],
)
def test_the_shape_of_a_unit_is_guessed_or_given(tmp_path, fan_in, given, size):
    model = nn.Sequential(nn.Linear(fan_in, 1, bias=False), nn.ReLU(), nn.Linear(1, 2))
    engine = Engine(lambda engine, batch: None)
    handler = WeightsImageHandler(model, image_shape=given)
    with TensorboardLogger(log_dir=str(tmp_path)) as logger:
        logger.attach(engine, handler, Events.COMPLETED)
        engine.run([0])
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    (image,) = events.Images("weights/0")
    assert (image.width, image.height) == size


def test_channels_of_a_deep_convolution_stand_side_by_side(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 3, 5, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))
    trainer = trainer_of(model)
    handler = WeightsImageHandler(columns=2)
    events = written(tmp_path, trainer, handler, data=batches(shape=(2, 8, 8)))
    image = events.Images("weights/0")[0]
    assert (image.width, image.height) == (2 * 5 + 1, 3 * 5 + 2)


def test_convergence_is_that_of_the_metrics_with_the_rules_norm(tmp_path):
    model = dense()
    trainer = HebbianTrainer(
        model,
        rules.create("krotov-hopfield", p=3.0),
        Local(model.named_parameters(), lr=0.1),
    )
    wanted = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED,
        lambda: wanted.append(metrics.convergence(model[1].weight, 3.0, 0.4).converged),
    )
    events = written(tmp_path, trainer, UnitConvergenceHandler(tolerance=0.4), epochs=12)
    found = scalars(events, "unit_convergence/1/converged")
    assert [step for step, _ in found] == list(range(1, 13))
    assert [value for _, value in found] == pytest.approx(wanted)
    assert len(set(wanted)) > 1
    assert scalars(events, "unit_convergence/1/dead")[0][1] == 0.0


def test_a_rule_without_a_norm_shows_who_still_turns(tmp_path):
    model = dense()
    trainer = trainer_of(model, "hebb")
    kept = []
    trainer.add_event_handler(
        Events.EPOCH_COMPLETED, lambda: kept.append(model[1].weight.detach().clone())
    )
    events = written(tmp_path, trainer, UnitConvergenceHandler(), epochs=3)
    assert "unit_convergence/1/converged" not in events.Tags()["scalars"]
    found = scalars(events, "unit_convergence/1/turned_under_1_degree")
    assert found == [
        (2, pytest.approx(metrics.turned(kept[0], kept[1]))),
        (3, pytest.approx(metrics.turned(kept[1], kept[2]))),
    ]


def test_the_histogram_is_that_of_the_metrics(tmp_path):
    model = dense()
    trainer = trainer_of(model)
    events = written(tmp_path, trainer, WeightsHistogramHandler(bins=8), epochs=1)
    (event,) = events.Histograms("weights_histogram/1")
    wanted = metrics.histogram(model[1].weight, 8)
    assert list(event.histogram_value.bucket) == wanted.counts.tolist()
    assert list(event.histogram_value.bucket_limit) == wanted.edges[1:].tolist()
    assert event.histogram_value.num == 6 * 64


def test_activations_are_measured_on_a_fixed_sample_or_the_batch(tmp_path):
    model = dense()
    sample = batches(1)[0][0]
    sample[3] = 0.0
    trainer = trainer_of(model)
    fixed, running = (
        ActivationStatisticsHandler(inputs=sample, tag="fixed"),
        ActivationStatisticsHandler(tag="batch"),
    )
    events = written(tmp_path, trainer, fixed, running, epochs=1)
    with torch.no_grad():
        seen = sample[[0, 1, 2, 4, 5, 6, 7, 8, 9]]
        wanted = metrics.activation_statistics(model[:3](seen))
        last = metrics.activation_statistics(model[:3](batches()[-1][0]))
    for name in ("mean", "std", "share_active", "win_entropy"):
        assert scalars(events, f"fixed/1/{name}") == [(1, pytest.approx(getattr(wanted, name)))]
        assert scalars(events, f"batch/1/{name}") == [(1, pytest.approx(getattr(last, name)))]
    never = (wanted.wins == 0).double().mean().item()
    assert scalars(events, "fixed/1/never_win") == [(1, pytest.approx(never))]


def test_watching_does_not_change_the_run(tmp_path):
    def train(*handlers):
        model = networks.create("conv-400", (1, 8, 8), 3)
        trainer = trainer_of(model)
        written(tmp_path / str(len(handlers)), trainer, *handlers, epochs=1)
        return model

    alone = train()
    watched = train(
        WeightsImageHandler(),
        UnitConvergenceHandler(),
        WeightsHistogramHandler(),
        ActivationStatisticsHandler(),
    )
    state = alone.state_dict()
    assert all(torch.equal(state[name], t) for name, t in watched.state_dict().items())
    assert all(module.training for module in watched.modules())


def test_the_axis_is_the_count_of_the_event(tmp_path):
    trainer = trainer_of(dense())
    event = Events.ITERATION_COMPLETED(every=3)
    events = written(tmp_path, trainer, UnitConvergenceHandler(), event=event, epochs=2)
    assert [step for step, _ in scalars(events, "unit_convergence/1/converged")] == [3, 6]


def test_layers_may_be_chosen_and_are_checked(tmp_path):
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 6, bias=False), nn.Linear(6, 5, bias=False), nn.Linear(5, 3)
    )
    one, every = UnitConvergenceHandler(layers=["2"]), UnitConvergenceHandler(tag="all")
    tags = written(tmp_path, trainer_of(model), one, every, epochs=1).Tags()["scalars"]
    assert {tag for tag in tags if tag.endswith("converged")} == {
        "unit_convergence/2/converged", "all/1/converged", "all/2/converged",
    }  # fmt: skip
    with pytest.raises(UnknownName, match="no layer '9'"):
        written(tmp_path, trainer_of(dense()), UnitConvergenceHandler(layers=["9"]), epochs=1)


def test_an_engine_without_a_model_needs_one_given(tmp_path):
    engine = Engine(lambda engine, batch: None)
    with TensorboardLogger(log_dir=str(tmp_path)) as logger:
        logger.attach(engine, WeightsHistogramHandler(), Events.COMPLETED)
        with pytest.raises(WrongState, match=r"WeightsHistogramHandler\(model\)"):
            engine.run([0])


def test_another_logger_is_refused():
    engine = Engine(lambda engine, batch: None)
    with pytest.raises(InvalidValue, match="TensorboardLogger"):
        WeightsHistogramHandler(dense())(engine, object(), Events.COMPLETED)
