"""Classification, which needs mmpretrain: an extra of vitdense."""


def check_installed(config: str) -> None:
    """See that mmpretrain is there, and what it needs.

    Args:
        config: What messages call the config that needs it.

    Raises:
        ValueError: If a package is missing.
    """
    try:
        import mmpretrain.models  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f'{config}: classification needs {error.name}, which is not '
            'installed; vitdense has it as the extra pretrain: pip install '
            '-e .[pretrain], in its folder'
        ) from None
