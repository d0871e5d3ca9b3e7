_base_ = [
    '../detectors/mask-rcnn_fpn.py',
    '../datasets/coco_instance_ms-crop.py',
    '../schedules/adamw_3x.py',
    '../det_runtime.py',
]
