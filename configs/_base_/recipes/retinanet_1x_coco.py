_base_ = [
    '../detectors/retinanet_fpn.py',
    '../datasets/coco_detection.py',
    '../datasets/coco_detection_tta.py',
    '../schedules/adamw_1x.py',
    '../det_runtime.py',
]
