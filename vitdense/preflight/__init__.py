"""From options to a config, and every check before anything is written.

``prepare`` has the order: cheap checks first. ``keys`` looks at the options,
``config`` and ``amp`` apply them, ``data`` and ``coco_file`` look at files,
``model`` at what fits, and ``rehearsal`` builds all that the run will build
and passes one batch through it.
"""
