"""What a process has for itself, and a checkpoint of the first one lacks."""

from typing import Any

import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    get_rank,
    get_world_size,
)
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import nn

from vitdense.engine.random_state import random_state, set_random_state
from vitdense.engine.sharding import local_part


def bare_model(runner: Any) -> nn.Module:
    """The model of a run, out of what wraps it for several processes."""
    wrapped = is_model_wrapper(runner.model)
    model: nn.Module = runner.model.module if wrapped else runner.model
    return model


def gather_rank_states(runner: Any) -> list[dict[str, Any]]:
    """The states of all processes, by rank; all have to call this.

    Random numbers; of other processes than the first the buffers, because
    the statistics of a BatchNorm differ; and gradients that are accumulated
    but not used yet. Of several optimizers, how often each has accumulated:
    when is the model's affair.
    """
    model = bare_model(runner)
    # mmengine saves once more when an evaluation has found the best score
    kept = getattr(runner.train_loop, 'kept_random', None)
    state: dict[str, Any] = {'random': kept or random_state()}
    if get_rank() > 0:
        state['buffers'] = {
            name: buffer.cpu() for name, buffer in model.named_buffers()
        }
    wrapper = runner.optim_wrapper
    several = isinstance(wrapper, OptimWrapperDict)
    if several:
        state['accumulated'] = {
            name: each._inner_count for name, each in wrapper.items()
        }
    # one optimizer's loss may leave gradients for another's step
    if several or not wrapper.should_update():
        state['gradients'] = {
            name: local_part(parameter.grad).cpu()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None
        }
    gathered: list[dict[str, Any]] = all_gather_object(state)
    return gathered


def load_rank_states(runner: Any, states: list[dict[str, Any]]) -> None:
    """Give this process what it had, if as many take part as did then."""
    if len(states) != get_world_size():
        return
    state, model = states[get_rank()], bare_model(runner)
    buffers = dict(model.named_buffers())
    for name, saved in state.get('buffers', {}).items():
        buffers[name].data.copy_(saved)
    parameters = dict(model.named_parameters())
    for name, saved in state.get('gradients', {}).items():
        parameter = parameters[name]
        parameter.grad = torch.zeros_like(parameter)
        local_part(parameter.grad).copy_(saved)
    for name, count in state.get('accumulated', {}).items():
        runner.optim_wrapper[name]._inner_count = count
    set_random_state(state['random'])


def agreed(found: bool) -> bool:
    """Whether any process found it; all ask at the same time."""
    if get_world_size() == 1:
        return found
    votes = torch.tensor(found, dtype=torch.int32)
    all_reduce(votes, 'max')
    return bool(votes)
