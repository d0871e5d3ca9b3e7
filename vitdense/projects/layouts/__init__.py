"""Layouts of data: every file of this folder has one, as ``LAYOUT``."""

from vitdense.projects.layouts.layout import Layout, known_layouts, read

__all__ = ['Layout', 'known_layouts', 'read']
