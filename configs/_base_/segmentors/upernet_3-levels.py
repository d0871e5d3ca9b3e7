# For backbones that end at stride 16.
_base_ = './upernet.py'

model = dict(decode_head=dict(in_index=[0, 1, 2]))
