"""Trained models at work on pictures.

``predictor.py`` runs a model (``building.py``, ``fitness.py``), on large
pictures in tiles (``tiling.py``, ``merging.py``), and ``results.py`` is what
it gives. ``job.py`` runs it on many ``pictures.py`` and ``videos.py``, in the
order of ``sources.py``, which are drawn (``drawing.py``) and written
(``formats.py``) into a ``folder.py``.
"""
