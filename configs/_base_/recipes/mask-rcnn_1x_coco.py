_base_ = [
    '../models/mask-rcnn_fpn.py',
    '../datasets/coco_instance.py',
    '../schedules/step_1x.py',
    '../det_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.0002))
