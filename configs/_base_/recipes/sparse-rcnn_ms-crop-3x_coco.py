_base_ = [
    '../models/sparse-rcnn_fpn.py',
    '../datasets/coco_detection_ms-crop.py',
    '../schedules/step_3x_sparse-rcnn.py',
    '../det_runtime.py',
]
