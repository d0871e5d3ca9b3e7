"""A transformers that is not installed, as where people train.

mmengine imports it for its Adafactor, which takes each process two seconds.
"""

raise ImportError('tests of training leave it out')
