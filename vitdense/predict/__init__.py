"""Trained models at work on pictures.

``predictor.py`` runs a model, ``results.py`` is what it gives, and
``pictures.py`` what it is given.
"""
