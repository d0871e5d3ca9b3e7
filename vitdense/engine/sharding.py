"""Weights, gradients and moments in parts, one for each process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from mmengine.device import get_device
from mmengine.dist import (
    broadcast,
    broadcast_object_list,
    get_world_size,
    is_main_process,
)
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.optim import Optimizer

from vitdense.checkpoint.sharded import is_sharded_tensor, write_digests
from vitdense.checkpoint.whole_file import (
    name_folder,
    part_name,
    remove,
)
from vitdense.layers.block import Block
from vitdense.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class FullyShard:
    """Has each process keep a part of a model, by PyTorch's ``fully_shard``.

    For ``model_wrapper_cfg = dict(type='vitdense.FullyShard')``, in place of
    mmengine's ``DistributedDataParallel``. What is built is the model itself,
    whose parameters are in parts from then on: a block of the backbone has
    its own whole while it computes, and all else while the model does.
    Optimizers have to be built afterwards.

    Args:
        module: The model. All processes begin with the first one's weights.
        reshard_after_forward: Whether blocks let go of the others' parts
            before the backward pass, and fetch them again: less memory, more
            communication.

    Source: the API of ``torch.distributed.fsdp.fully_shard``.
    """

    def __new__(  # type: ignore[misc] # what it makes is the model
        cls, module: nn.Module, *, reshard_after_forward: bool = True
    ) -> nn.Module:
        from torch.distributed.fsdp import fully_shard

        for tensor in module.state_dict().values():
            broadcast(tensor)
        mesh = init_device_mesh(get_device(), (get_world_size(),))
        blocks = [each for each in module.modules() if isinstance(each, Block)]
        for each in [*blocks, module]:
            fully_shard(
                each, mesh=mesh, reshard_after_forward=reshard_after_forward
            )
        return module


def is_sharded(model: nn.Module) -> bool:
    """Whether processes have parts of a model's parameters."""
    return any(is_sharded_tensor(each) for each in model.parameters())


def local_part(tensor: Any) -> Tensor:
    """This process's part of a tensor; all of one that is not in parts."""
    return cast('Tensor', getattr(tensor, 'to_local', lambda: tensor)())


def whole_tensor(tensor: Any) -> Tensor:
    """All of a tensor, whose parts all processes give at the same time."""
    return cast('Tensor', getattr(tensor, 'full_tensor', lambda: tensor)())


def in_parts(whole: Any, like: Any) -> Any:
    """This process's part of a tensor, where another one is in parts so."""
    if not is_sharded_tensor(like) or is_sharded_tensor(whole):
        return whole
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(
        whole.to(like.device),
        like.device_mesh,
        like.placements,
        src_data_rank=None,  # each process has read it
    )


def state_in_parts(
    state: dict[str, Tensor], model: nn.Module
) -> dict[str, Tensor]:
    """A model's state as that model has it in this process."""
    own = model.state_dict()
    return {
        name: in_parts(each, own.get(name)) for name, each in state.items()
    }


def take_whole_states(optimizer: Optimizer) -> None:
    """Have an optimizer of parameters in parts load states that are whole."""

    def divide(_: Optimizer, loaded: dict[str, Any]) -> dict[str, Any]:
        parameters = [p for g in optimizer.param_groups for p in g['params']]
        state = {
            index: {
                name: in_parts(value, parameters[index])
                if isinstance(value, Tensor)
                and value.dim() > 0
                and value.shape == parameters[index].shape
                else value
                for name, value in each.items()
            }
            for index, each in loaded['state'].items()
        }
        return {**loaded, 'state': state}

    optimizer.register_load_state_dict_pre_hook(divide)


def save_together(
    path: Path, tensors: dict[str, Any], write_rest: Callable[[Path], None]
) -> None:
    """Write a checkpoint of ``vitdense.checkpoint.sharded``; all call this.

    Args:
        path: The folder to write; one that has the name is replaced when the
            new one is whole.
        tensors: Those in parts, by their place.
        write_rest: Writes what the first process alone has into a folder;
            only that process calls it.

    Raises:
        OSError: In all processes, if any of them cannot write.
    """
    # imported late: every start would take as much longer
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.state_dict_saver import save

    agreed: list[Any] = [part_name()]
    broadcast_object_list(agreed)
    part = path.with_name(agreed[0])

    def finish() -> None:
        write_rest(part)
        write_digests(part)
        name_folder(part, path)

    try:
        save(tensors, checkpoint_id=part)
        _first_alone(finish)
    except CheckpointException as error:
        first: Any = next(iter(error.failures.values()))[0]
        number = getattr(first, 'errno', None)
        raise OSError(number, str(first)) from error
    finally:
        if is_main_process():
            remove(part)


def _first_alone(act: Callable[[], Any]) -> None:
    """Do something in the first process.

    Raises:
        OSError: In all processes, if it does there.
    """
    failed: list[Any] = [None]
    if is_main_process():
        try:
            act()
        except OSError as error:
            failed = [error]
    broadcast_object_list(failed)
    if failed[0] is not None:
        raise failed[0]
