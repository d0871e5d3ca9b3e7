"""What a model costs: time, memory, parameters, FLOPs, and how they grow.

``measure`` compares models, each run by ``worker_process`` in a process of
its own that ``worker`` holds on to; ``workload`` is what runs there.
"""
