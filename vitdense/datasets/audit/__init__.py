"""Looks for what is wrong in data sets, and writes cleaned copies.

``kinds`` names all that can be found. ``structure`` looks at the lists of an
annotation file, ``annotations`` with ``masks`` at each annotation,
``pictures`` and ``label_maps`` at files of pixels, ``sharing`` at images that
training and validation share; ``check`` runs them all, ``parallel`` over
processes, into the ``report``. ``mend`` has the cures, ``copies`` writes them.
"""
