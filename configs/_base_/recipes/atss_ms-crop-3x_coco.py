_base_ = [
    '../models/atss_fpn.py',
    '../datasets/coco_detection_ms-crop.py',
    '../datasets/coco_detection_tta.py',
    '../schedules/step_3x.py',
    '../det_runtime.py',
]
