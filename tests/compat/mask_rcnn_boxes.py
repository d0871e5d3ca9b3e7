"""A small Mask R-CNN of mmdet's own parts, for one epoch of four pictures.

Run it in the folder that holds the pictures and ``boxes.json``.
"""

default_scope = 'mmdet'
custom_imports = dict(imports=['vitdense'], allow_failed_imports=False)
rpn = dict(
    assigner=dict(
        type='MaxIoUAssigner',
        pos_iou_thr=0.7,
        neg_iou_thr=0.3,
        min_pos_iou=0.3,
    ),
    sampler=dict(
        type='RandomSampler',
        num=32,
        pos_fraction=0.5,
        add_gt_as_proposals=False,
    ),
    allowed_border=-1,
    pos_weight=-1,
    debug=False,
)
rcnn = dict(
    assigner=dict(
        type='MaxIoUAssigner',
        pos_iou_thr=0.5,
        neg_iou_thr=0.5,
        min_pos_iou=0.5,
    ),
    sampler=dict(type='RandomSampler', num=32, pos_fraction=0.25),
    mask_size=28,
    pos_weight=-1,
    debug=False,
)
proposals = dict(
    nms_pre=100,
    max_per_img=50,
    nms=dict(type='nms', iou_threshold=0.7),
    min_bbox_size=0,
)
coder = dict(
    type='DeltaXYWHBBoxCoder', target_means=[0.0] * 4, target_stds=[1.0] * 4
)
align = dict(type='RoIAlign', sampling_ratio=0)
extractor = dict(
    type='SingleRoIExtractor', out_channels=16, featmap_strides=[4, 8, 16, 32]
)
model = dict(
    type='MaskRCNN',
    data_preprocessor=dict(
        type='DetDataPreprocessor', pad_mask=True, pad_size_divisor=32
    ),
    backbone=dict(type='ResNet', depth=18, base_channels=8),
    neck=dict(
        type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=5
    ),
    rpn_head=dict(
        type='RPNHead',
        in_channels=16,
        feat_channels=16,
        anchor_generator=dict(
            type='AnchorGenerator',
            scales=[8],
            ratios=[0.5, 1.0, 2.0],
            strides=[4, 8, 16, 32, 64],
        ),
        bbox_coder=coder,
    ),
    roi_head=dict(
        type='StandardRoIHead',
        bbox_roi_extractor=dict(
            **extractor, roi_layer=dict(**align, output_size=7)
        ),
        bbox_head=dict(
            type='Shared2FCBBoxHead',
            in_channels=16,
            fc_out_channels=16,
            roi_feat_size=7,
            num_classes=1,
            bbox_coder=coder,
        ),
        mask_roi_extractor=dict(
            **extractor, roi_layer=dict(**align, output_size=14)
        ),
        mask_head=dict(
            type='FCNMaskHead',
            num_convs=1,
            in_channels=16,
            conv_out_channels=16,
            num_classes=1,
        ),
    ),
    train_cfg=dict(rpn=rpn, rpn_proposal=proposals, rcnn=rcnn),
    test_cfg=dict(
        rpn=proposals,
        rcnn=dict(
            score_thr=0.0,
            nms=dict(type='nms', iou_threshold=0.5),
            max_per_img=5,
            mask_thr_binary=0.5,
        ),
    ),
)
resize = dict(type='Resize', scale=(64, 64), keep_ratio=True)
dataset = dict(
    type='CocoDataset',
    ann_file='boxes.json',
    data_prefix=dict(img=''),
    metainfo=dict(classes=('box',)),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
        resize,
        dict(type='PackDetInputs'),
    ],
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler'),
    dataset=dataset,
)
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='DefaultSampler'),
    dataset=dict(
        dataset,
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            resize,
            dict(
                type='PackDetInputs',
                meta_keys=(
                    'img_id',
                    'img_path',
                    'ori_shape',
                    'img_shape',
                    'scale_factor',
                ),
            ),
        ],
    ),
)
val_dataloader = test_dataloader
val_evaluator = dict(
    type='CocoMetric',
    ann_file='boxes.json',
    metric=['bbox', 'segm'],
)
test_evaluator = val_evaluator
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
val_cfg, test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.001))
visualizer = dict(type='DetLocalVisualizer', name='visualizer')
env_cfg = dict(mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
