"""Necks that mmdet and mmseg do not have."""

from vitdense.necks.batch_norm import BatchNormNeck
from vitdense.necks.normed_pooling import NormedPooling
from vitdense.necks.simple_feature_pyramid import SimpleFeaturePyramid

__all__ = ['BatchNormNeck', 'NormedPooling', 'SimpleFeaturePyramid']
