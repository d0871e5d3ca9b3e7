_base_ = [
    '../models/mask-rcnn_fpn.py',
    '../datasets/coco_instance_ms-crop.py',
    '../schedules/step_3x.py',
    '../det_runtime.py',
]
