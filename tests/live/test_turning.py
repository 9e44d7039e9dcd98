"""Turning options under way: in force at the next batch edge, everywhere, and repeatable."""

import numpy as np
import pytest
import torch
from ignite.engine import Events

from hebblab import InvalidValue, Recipe, Session, UnknownName, networks
from tests.live.seen import on, pixels, probed

HARD = {"rule": "hard-wta", "similarity": "dot"}


class TestAccepting:
    def test_what_a_switch_brings_can_be_set_in_the_same_act(self, make):
        session = make(rule="hard-wta", network="around")
        assert "threshold_rate" not in session.knobs() and "zca_epsilon" not in session.knobs()
        edit = session.edit(thresholds=True, threshold_rate=1.0)
        assert edit.changes == {"thresholds": (False, True), "threshold_rate": (0.5, 1.0)}
        assert (session.values()["thresholds"], session.values()["threshold_rate"]) == (True, 1.0)
        session.edit(zca_epsilon=0.1, zca="images")
        assert (session.values()["zca"], session.values()["zca_epsilon"]) == ("images", 0.1)

    def test_it_may_be_set_while_the_switch_is_still_in_the_line(self, make, live):
        session = make(rule=HARD, network="around", endless=True)
        gate = live.Gate(at=3)
        session.trainer.add_event_handler(Events.ITERATION_STARTED, lambda: gate(session.steps))
        session.start()
        assert gate.reached.wait(live.LIMIT)
        first, second = session.edit(thresholds=True), session.edit(threshold_rate=2.0)
        assert second.changes == {"threshold_rate": (0.5, 2.0)}
        gate.open.set()
        assert first.wait(live.LIMIT) and second.wait(live.LIMIT)
        session.pause()
        assert session.values()["threshold_rate"] == 2.0

    def test_what_a_run_began_with_is_known_whatever_was_turned(self, make):
        session = make(rule={"rule": "softhebb", "temperature": 0.15}, batch_size=5)
        began = session.values()
        session.edit(temperature=0.3, learning_rate=0.02, batch_size=4)
        assert session.starting_values() == began != session.values()
        session.restart()
        assert session.values() == began
        # What an edit brought into sight began as it is declared.
        session = make(rule="hard-wta")
        session.edit(thresholds=True, threshold_rate=1.0)
        found = session.starting_values()
        assert (found["thresholds"], found["threshold_rate"]) == (False, 0.5)

    def test_what_must_leave_together_can(self, make):
        session = make(rule={"rule": "instar", "thresholds": True})
        with pytest.raises(InvalidValue, match="no winners"):
            session.edit(competition="softmax")
        session.edit(competition="softmax", thresholds=False)
        assert "thresholds" not in session.knobs()
        session.edit(competition="graded", thresholds=True)
        session.step(2)
        assert session.frame().thresholds is not None

    def test_what_clashes_with_the_rule_is_told_in_its_words(self, make):
        session = make(network="around")
        for options, words in (
            ({"row_norm": True}, "holds its own norm"),
            ({"thresholds": True}, "no winners"),
            ({"teacher": True}, "no competition"),
        ):
            with pytest.raises(InvalidValue, match=words):
                session.edit(options)
        plain = make(rule="hard-wta")
        with pytest.raises(InvalidValue, match="holds no norm"):
            plain.edit(norm_adaptive_lr=0.5)
        with pytest.raises(InvalidValue, match="InputNorm before it"):
            plain.edit(input_norm="unit")
        with pytest.raises(InvalidValue, match="zca = 'patches' needs"):
            plain.edit(zca="patches")
        with pytest.raises(InvalidValue, match="no patches to choose from"):
            plain.edit(patches_per_batch=5)
        assert plain.edits == session.edits == ()

    def test_what_is_not_offered_is_unknown(self, make):
        session = make(rule="hard-wta")
        for name, value in (("threshold_rate", 1.0), ("zca_epsilon", 0.1), ("radius_end", 1.0)):
            with pytest.raises(UnknownName, match=f"knob of layer 'hidden' called '{name}'|{name}"):
                session.edit({name: value})
        assert session.edits == ()

    def test_a_mask_is_not_turned_under_way(self, make):
        session = make(rule="hebb")
        with pytest.raises(InvalidValue, match=r"fresh start. Make hl.Session\(.*pruning=0.5"):
            session.edit(pruning=0.5)
        assert session.knobs()["pruning"].live is False and session.edits == ()

    def test_a_teacher_may_be_switched_on_and_a_reduction_measured_under_it(self, make):
        session = make(rule=HARD)
        session.step(2)
        session.edit(teacher=True)
        session.step(3)
        assert session.error is None
        edit = session.edit(reduction="mean")
        assert "rescaled" in edit.note
        few = make(rule=HARD, network="dense-2")
        with pytest.raises(InvalidValue, match=r"3 classes units of its own.* has only 2"):
            few.edit(teacher=True)

    @pytest.mark.parametrize(
        ("rule", "changes", "told"),
        [
            (HARD, {"similarity": "cosine"}, True),
            (HARD, {"similarity": "dot"}, False),
            (HARD, {"thresholds": True}, True),
            ({**HARD, "thresholds": True}, {"thresholds": False}, False),
            (HARD, {"input_norm": "unit"}, True),
            (HARD, {"zca": "images"}, True),
            ({**HARD, "row_norm": False}, {"row_norm": True}, True),
            ({**HARD, "row_norm": True}, {"row_norm": False}, False),
            (HARD, {"k": 2, "n": 2.0}, False),
            ({"rule": "oja"}, {"competition": "hard"}, True),
            ({"rule": "hpca"}, {"activation": "tanh"}, True),
            ({"rule": "hebbian-anti-hebbian"}, {"nonnegative": True}, True),
        ],
    )
    def test_an_edit_that_moves_what_units_settle_at_says_so(self, make, rule, changes, told):
        session = make(rule=rule, network="around")
        session.step(2)
        edit = session.edit(changes)
        assert edit.wait(5)
        words = "what units settle at has moved, so they settle anew"
        assert (edit.note == words) is told, edit.note

    def test_a_norm_per_patch_refits_the_whitening_of_patches(self, make):
        rule = {"rule": "hebb", "zca": "patches", "input_norm": "unit"}
        session = make(rule=rule, network="patchy")
        session.step(2)
        conv = session._loop.run.model.conv
        before = conv.matrix.clone()
        session.edit(patch_norm=True)
        assert (conv.patch_norm, conv.fitted_norm) == ("unit", "unit")
        assert not torch.equal(conv.matrix, before)
        session.step(2)
        with pytest.raises(InvalidValue, match="input_norm is none"):
            session.edit(input_norm="none")
        assert "patch_norm" in session.knobs()
        session.edit(input_norm="none", patch_norm=False)
        assert "patch_norm" not in session.knobs() and session.error is None
        with pytest.raises(UnknownName, match="Input norm is none"):
            session.edit(patch_norm=False)


class TestForms:
    @pytest.mark.parametrize(
        ("changes", "by_hand"),
        [
            ({"n": 3.0}, lambda x, w: np.maximum(x @ w.T, 0) ** 3),
            (
                {"triangle": True, "n": 2.0},
                lambda x, w: np.maximum(x @ w.T - (x @ w.T).mean(1, keepdims=True), 0) ** 2,
            ),
            (
                {"input_norm": "unit"},
                lambda x, w: np.maximum(x / np.linalg.norm(x, axis=1, keepdims=True) @ w.T, 0),
            ),
            (
                {"input_norm": "standardise"},
                lambda x, w: np.maximum(
                    (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True, ddof=1) @ w.T, 0
                ),
            ),
        ],
    )
    def test_the_network_that_is_handed_out_has_them(self, make, changes, by_hand):
        session = make(rule="hebb", network="around")
        session.step(3)
        session.edit(changes)
        x = pixels(session, "validation").flatten(1).double().numpy()
        expected = by_hand(x, session.weights().double().numpy())
        np.testing.assert_allclose(on(session).numpy(), expected, rtol=1e-4, atol=1e-5)
        # The run's own reader may be at an earlier frame, on a thread of its own.
        reading = session._loop.recorder.reader.anew().read(session.frame())
        assert reading.activations.mean == pytest.approx(expected.mean(), rel=1e-4)
        assert torch.equal(probed(session), on(session))
        session.restart()
        model = session.model()
        assert (model.activation.n, model.activation.triangle) == (1.0, False)
        assert model.prepare.mode == "none"

    def test_the_next_step_learns_from_them(self, make):
        session = make(
            rule={"rule": "hebb", "row_norm": False, "learning_rate": 0.5}, network="around"
        )
        session.edit(input_norm="unit")
        before = session.weights()
        session.step()
        # Nothing a Hebbian unit adds is longer than its answer times an input of length one.
        moved = (session.weights() - before).norm(dim=1)
        assert float((moved / (0.5 * before.norm(dim=1))).max()) <= 1
        assert float(moved.max()) > 0

    def test_what_was_built_comes_back(self):
        network = "softhebb-cnn-quarter"
        rules = {"conv1": {"rule": "softhebb"}, "conv2": {"rule": "softhebb"}}
        recipe = Recipe(data="mnist-5k", network=network, rules=rules, steps=1, batch_size=2)
        with Session(recipe) as session:
            assert [session.values(one)["n"] for one in ("conv1", "conv2")] == [0.7, 1.4]
            assert session.values("conv2")["triangle"] is True
            session.edit(n=3.0, triangle=False, layer="conv2")
            assert session.model().activation2.n == 3.0
            session.restart()
            built = session.values("conv2")["n"], session.model().activation2.n
            assert built == (1.4, 1.4)
            assert session.model().activation2.triangle is True


class TestThresholds:
    def test_they_start_at_zero_where_they_are_switched_on_and_are_gone_after(self, make):
        session = make(rule=HARD, network="around")
        session.step(2)
        assert session.frame().thresholds is None
        session.edit(thresholds=True)
        assert session.frame().thresholds.tolist() == [0.0] * 8
        assert session.model().activation.thresholds.tolist() == [0.0] * 8
        session.step()
        theta = session.frame().thresholds
        assert float(theta.abs().max()) > 0
        assert torch.equal(session.model().activation.thresholds, theta), "as they are now"
        session.edit(thresholds=False)
        assert session.frame().thresholds is None
        assert session.model().activation.thresholds is None
        session.step()
        session.edit(thresholds=True)
        assert session.frame().thresholds.tolist() == [0.0] * 8

    def test_nothing_that_looks_moves_them(self, make):
        session = make(rule={**HARD, "thresholds": True}, network="around")
        session.step(5)
        before = session.frame().thresholds
        session.probe().result(20)
        reader = session._loop.recorder.reader
        reader.read(session.frame())
        session.trainer.change("hidden", pixels(session).flatten(1))
        session.edit(n=2.0)
        session.edit(reduction="mean")
        session.weights(), session.model(), session.values()
        assert torch.equal(session.frame().thresholds, before)
        session.step()
        assert not torch.equal(session.frame().thresholds, before)

    def test_the_frame_has_a_copy(self, make):
        session = make(rule={**HARD, "thresholds": True})
        session.step(5)
        frame = session.frame()
        before = frame.thresholds.clone()
        session.step(5)
        assert torch.equal(frame.thresholds, before)
        assert torch.equal(frame.rule.buffers["thresholds"], before)

    def test_the_triangle_subtracts_them_where_they_mean_responses(self, make, tmp_path):
        session = make(
            rule={**HARD, "thresholds": True, "threshold_rate": 20.0, "triangle": True},
            network="around",
        )
        session.step(6)
        theta = session.frame().thresholds.double().numpy()
        assert abs(theta).max() > 1

        def expected(theta):
            x = pixels(session, "validation").flatten(1).double().numpy()
            v = x @ session.weights().double().numpy().T - theta
            return np.maximum(v - v.mean(1, keepdims=True), 0)

        np.testing.assert_allclose(on(session).numpy(), expected(theta), rtol=1e-4, atol=1e-4)
        assert "activation.thresholds" in session.model().state_dict()
        network = networks.load(session.save(tmp_path / "saved"))
        with torch.no_grad():
            loaded = network.eval()[:-1](pixels(session, "validation"))
        assert torch.equal(loaded, on(session))
        session.edit(similarity="cosine")
        assert session.model().activation.thresholds is None, "a cosine is no response"
        np.testing.assert_allclose(on(session).numpy(), expected(0), rtol=1e-4, atol=1e-4)
        session.edit(similarity="dot")
        assert session.model().activation.thresholds is not None

    def test_wins_that_are_shown_are_those_that_count(self, make):
        session = make(rule={**HARD, "thresholds": True}, network="around")
        session.step(3)
        theta = torch.tensor([9.0, 0.5, 9.0, 1.0, 9.0, 9.0, 0.0, 9.0]) * 3
        session._loop.run.trainer.learners["hidden"].thresholds.copy_(theta)
        frame = session.frame()
        reading = session._loop.recorder.reader.anew().read(frame)
        x = pixels(session, "validation").flatten(1)
        left = (x @ session.weights().T - theta).numpy()
        wins = np.bincount(left.argmax(1)[left.max(1) > 0], minlength=8)
        assert reading.activations.wins.tolist() == wins.tolist()
        assert reading.answers.sum(1).tolist() == wins.tolist()
        session._loop.run.trainer.learners["hidden"].thresholds.fill_(1e6)
        nobody = session._loop.recorder.reader.anew().read(session.frame())
        assert int(nobody.activations.wins.sum()) == 0 == int(nobody.answers.sum())


class TestPruning:
    def test_a_run_keeps_its_mask_and_another_seed_has_another(self, make):
        def gone(session):
            return session.weights() == 0

        session = make(rule={"rule": "hebb", "pruning": 0.6, "init": "uniform(0.5, 1)"})
        mask = gone(session)
        assert 0.5 < float(mask.double().mean()) < 0.7
        session.step(10)
        session.edit(learning_rate=0.5)
        session.edit(row_norm=False)
        session.step(3)
        assert torch.equal(gone(session), mask)
        session.restart()
        assert torch.equal(gone(session), mask)
        session.restart(seed=8)
        assert not torch.equal(gone(session), mask)
        same = make(rule={"rule": "instar", "pruning": 0.6, "init": "uniform(0.5, 1)"})
        assert torch.equal(gone(same), mask), "the mask is a matter of the seed alone"


EDITS = [
    {"thresholds": True, "threshold_rate": 1.0},
    {"input_norm": "unit"},
    {"zca": "images", "zca_epsilon": 0.1},
    {"teacher": True},
    {"triangle": True, "n": 2.0},
    {"zca_epsilon": 0.01},
    {"row_norm": True},
    {"thresholds": False},
    {"teacher": False, "zca": "none", "similarity": "cosine"},
    {"reduction": "mean"},
]


class TestRepeating:
    def test_the_same_recipe_and_edits_of_options_give_the_same_bits(self, make, live, dataset):
        session = make(rule={**HARD, "pruning": 0.3}, network="around", endless=True)
        session.start()
        for number, changes in enumerate(EDITS):
            assert live.notice(session, session.steps + 2 + number % 3).wait(live.LIMIT)
            assert session.edit(changes).wait(live.LIMIT)
        assert live.notice(session, session.steps + 3).wait(live.LIMIT)
        session.pause()
        assert session.error is None and len(session.edits) == len(EDITS)
        digest = live.digest(session)
        with live.replay(session, dataset) as again:
            assert live.digest(again) == digest
        edits, session_steps = session.edits, session.steps
        session.restart()
        for edit in edits:
            if edit.applied_at > session.steps:
                session.step(edit.applied_at - session.steps)
            session.edit({name: new for name, (_, new) in edit.changes.items()})
        session.step(session_steps - session.steps)
        assert live.digest(session) == digest

    def test_some_patches_are_the_same_ones_again(self, make, live, dataset):
        session = make(rule={"rule": "hebb", "patches_per_batch": 20}, network="patchy", steps=20)
        session.step(5)
        session.edit(patches_per_batch=7)
        session.edit(reduction="sum")
        session.step(5)
        with live.replay(session, dataset) as again:
            assert live.digest(again) == live.digest(session)
        other = make(rule={"rule": "hebb"}, network="patchy", steps=20)
        other.step(1)
        session.restart()
        session.step(1)
        assert not torch.equal(other.weights(), session.weights())
