_base_ = [
    '../models/fcos_fpn.py',
    '../datasets/coco_detection.py',
    '../schedules/step_1x.py',
    '../det_runtime.py',
]
