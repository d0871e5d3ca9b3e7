_base_ = [
    '../models/mask-rcnn_fpn.py',
    '../datasets/coco_instance_lsj-1024.py',
    '../schedules/step_100e_vitdet.py',
    '../det_runtime.py',
]
