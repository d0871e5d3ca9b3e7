"""The default scope that a config chose, beneath one that is set for a part.

``DefaultScope.get_current_instance`` tells only the innermost scope. The ones
beneath it stand in no public place, in neither stack, hence the private
member.
"""

from mmengine.registry import DefaultScope


def innermost_scope_but(scope: str) -> str | None:
    """The innermost default scope that is not ``scope``, if there is one."""
    for instance in reversed(DefaultScope._instance_dict.values()):
        if instance.scope_name != scope:
            return str(instance.scope_name)
    return None
