# For plain ViTs: four of their maps, resized to the strides of a pyramid.
_base_ = './upernet_8xb2-160k_ade20k-512x512.py'

model = dict(neck=dict(type='MultiLevelNeck', scales=[4, 2, 1, 0.5]))
