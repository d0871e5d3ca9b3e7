"""From a folder of somebody's own data to a config that trains on it.

``layouts`` reads what is in the folder, a file for each layout; ``choices``
says what is made of it, and ``project`` writes it down.
"""
