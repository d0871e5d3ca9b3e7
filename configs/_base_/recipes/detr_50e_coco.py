_base_ = [
    '../models/detr.py',
    '../datasets/coco_detection_ms.py',
    '../schedules/step_50e_detr.py',
    '../det_runtime.py',
]
