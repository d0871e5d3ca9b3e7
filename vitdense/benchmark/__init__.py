"""Comparing models: by name, ours and those of other libraries.

``names`` reads what a user writes, ``build`` makes it a model, ``cost``
measures time, memory, parameters and FLOPs.
"""
