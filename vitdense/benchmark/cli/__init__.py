"""Options of ``tools/benchmark.py``, and what is done with them."""
