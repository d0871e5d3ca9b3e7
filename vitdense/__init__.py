"""Hierarchical vision transformers for detection and segmentation."""

__version__ = '0.1.0'
