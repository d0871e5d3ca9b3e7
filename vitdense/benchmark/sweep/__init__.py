"""Trains backbones under one recipe, and compares them."""
