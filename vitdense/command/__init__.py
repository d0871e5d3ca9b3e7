"""The command ``vitdense``: the tools, without a clone."""
