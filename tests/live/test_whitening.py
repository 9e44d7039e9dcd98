"""Whitening, switched and set under way: fitted on training images, and written over by nothing."""

import numpy as np
import torch

from hebblab import networks
from hebblab.data import Dataset, Images
from hebblab.nn import whitening
from tests.live.seen import on, pixels


class TestWhitening:
    def test_it_is_fitted_again_by_an_edit_and_gone_with_none(self, make):
        session = make(rule="hebb", network="around")
        session.step(2)
        x = pixels(session).flatten(1).double().numpy()
        spread, axes = np.linalg.eigh(np.cov(x.T))

        def expected(epsilon):
            return axes @ np.diag((spread.clip(0) + epsilon) ** -0.5) @ axes.T

        session.edit(zca="images")
        np.testing.assert_allclose(
            session.model().whiten.matrix.numpy(), expected(1e-3), rtol=1e-2, atol=1e-2
        )
        session.edit(zca_epsilon=0.5)
        np.testing.assert_allclose(
            session.model().whiten.matrix.numpy(), expected(0.5), rtol=1e-4, atol=1e-4
        )
        seen = (pixels(session, "validation").flatten(1).double().numpy() - x.mean(0)) @ expected(
            0.5
        )
        answers = np.maximum(seen @ session.weights().double().numpy().T, 0)
        np.testing.assert_allclose(on(session).numpy(), answers, rtol=1e-3, atol=1e-3)
        session.step(2)
        session.edit(zca="none")
        assert session.model().whiten.matrix is None
        session.edit(zca="images")
        session.restart()
        assert session.model().whiten.matrix is None and session.values()["zca"] == "none"

    def test_that_of_the_recipe_comes_back_with_a_restart(self, make):
        session = make(rule={"rule": "hebb", "zca": "images"}, network="around")
        first = session.model().whiten.matrix
        session.edit(zca="none")
        session.restart()
        assert torch.equal(session.model().whiten.matrix, first)

    def test_it_knows_the_training_images_alone(self, make, dataset):
        blank = Images(torch.zeros(30, 1, 6, 6, dtype=torch.uint8), dataset.validation.labels)
        other = Dataset("other", dataset.train, blank, blank, dataset.classes)
        one = make(rule={"rule": "hebb", "zca": "images"}, network="around")
        two = make(rule={"rule": "hebb", "zca": "images"}, network="around", dataset=other)
        assert torch.equal(one.model().whiten.matrix, two.model().whiten.matrix)

    def test_frames_share_it_and_never_see_it_change(self, make):
        """A matrix of whole images is megabytes; it is replaced, not written over."""
        session = make(rule={"rule": "hebb", "zca": "images"}, network="around")
        session.step()
        one, two = session.frame(), session.frame()
        assert one.tensors["whiten.matrix"] is not None
        held = session._loop.run.model.whiten.matrix
        for frame in (one, two):
            assert frame.tensors["whiten.matrix"].data_ptr() == held.data_ptr()
        assert one.tensors["hidden.weight"].data_ptr() != two.tensors["hidden.weight"].data_ptr()
        assert session.model().whiten.matrix.data_ptr() != held.data_ptr(), "a person's own copy"
        before = one.tensors["whiten.matrix"].clone()
        session.edit(zca_epsilon=0.9)
        session.step()
        session.restart(seed=9)
        session.step()
        assert torch.equal(one.tensors["whiten.matrix"], before)

    def test_a_restart_to_what_a_network_came_with_writes_over_no_frame(self, make):
        def build(image_shape, classes):
            network = networks.create("around", image_shape, classes)
            network.whiten.fit(torch.rand(60, *image_shape, generator=torch.Generator()))
            return network

        networks.register("came-whitened", build)
        try:
            session = make(rule="hebb", network="came-whitened")
            own = session.model().whiten.matrix
            session.edit(zca="images")
            frame = session.frame()
            before = frame.tensors["whiten.matrix"].clone()
            assert not torch.equal(before, own)
            session.restart()
            assert torch.equal(session.model().whiten.matrix, own)
            assert torch.equal(frame.tensors["whiten.matrix"], before)
        finally:
            networks.unregister("came-whitened")

    def test_patches_that_are_whitened_anew_are_read_anew(self, make):
        session = make(rule={"rule": "hard-wta", "similarity": "dot"}, network="patchy")
        session.step(2)
        session.edit(zca="patches")
        reader = session._loop.recorder.reader.anew()
        assert int(reader.read(session.frame()).activations.wins.sum()) > 0
        session.edit(zca_epsilon=1.0)
        fresh = reader.anew().read(session.frame())
        assert torch.equal(reader.read(session.frame()).activations.wins, fresh.activations.wins)

    def test_a_network_whose_images_are_too_large_is_refused_and_goes_on(self, make, monkeypatch):
        monkeypatch.setattr(whitening, "_LARGEST", 20)
        session = make(rule="hebb", network="around")
        session.step()
        edit = session.edit(zca="images", n=2.0)
        assert not edit.wait(5) and "1 to 20 numbers" in edit.cancelled
        assert (session.values()["zca"], session.values()["n"]) == ("none", 1.0)
        assert session.model().activation.n == 1.0
        session.step()
