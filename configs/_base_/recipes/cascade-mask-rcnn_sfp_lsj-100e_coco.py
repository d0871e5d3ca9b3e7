_base_ = [
    '../models/cascade-mask-rcnn_sfp.py',
    '../datasets/coco_instance_vitdet.py',
    '../schedules/step_100e_layer-decay.py',
    '../det_runtime.py',
]
