_base_ = [
    '../models/dino-4scale.py',
    '../datasets/coco_detection_ms-crop.py',
    '../schedules/step_12e_dino.py',
    '../det_runtime.py',
]

train_dataloader = dict(
    dataset=dict(filter_cfg=dict(filter_empty_gt=False)),
)
