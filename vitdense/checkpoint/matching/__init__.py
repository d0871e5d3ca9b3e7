"""Matching: which tensor of a file is which of the model."""
