# For backbones that end at stride 16.
_base_ = './segformer_8xb2-160k_ade20k-512x512.py'

model = dict(decode_head=dict(in_index=[0, 1, 2]))
