"""A model's own forward pass, met at each layer that learns: for models that are no sequence."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from hebblab.training.learner import Learner

Meet = Callable[[str, Tensor], None]


def inside(
    model: nn.Module, learners: Mapping[str, Learner], x: Tensor, last: str, meet: Meet
) -> None:
    """Run a model on a batch, up to its last layer that learns.

    Args:
        model: Calls its layers itself.
        learners: By layer name.
        x: The batch.
        last: Name of the layer at which the pass ends.
        meet: Called with a layer's name and its inputs, before it answers.
    """
    answering = False

    def before(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def on_input(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if answering:
                return
            meet(name, inputs[0])
            if name == last:
                raise _LastLayerLearnt

        return on_input

    def after(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
        def on_output(
            _module: nn.Module, inputs: tuple[Tensor, ...], _output: Tensor
        ) -> Tensor | None:
            nonlocal answering
            if answering:
                return None
            answering = True
            try:
                return learners[name].answer(inputs[0])
            finally:
                answering = False

        return on_output

    handles = []
    try:
        for name, learner in learners.items():
            module = learner.view.module
            handles.append(module.register_forward_pre_hook(before(name)))
            # Its module would pass on what its weights answer; its units answer by something else.
            if learner.answers_by_filters:
                handles.append(module.register_forward_hook(after(name)))
        model(x)
    except _LastLayerLearnt:
        pass
    finally:
        for handle in handles:
            handle.remove()


class _LastLayerLearnt(Exception):
    """Ends a forward pass that nobody needs the rest of."""
