_base_ = [
    '../models/retinanet_fpn.py',
    '../datasets/coco_detection_640.py',
    '../schedules/step_1x.py',
    '../det_runtime.py',
]
