_base_ = [
    '../models/mask2former.py',
    '../datasets/coco_instance_lsj-1024.py',
    '../schedules/step_50e_mask2former.py',
    '../det_runtime.py',
]

default_hooks = dict(checkpoint=dict(by_epoch=False, interval=5000))
log_processor = dict(by_epoch=False)
