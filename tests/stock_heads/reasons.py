"""Why a model cannot be had with another backbone, in words."""

import re
import traceback
from pathlib import Path

# what no detector or segmentor of images alone is, by the types of modules
FOREIGN = {
    'ByteTrack': 'tracks in videos, with a detector inside',
    'DeepSORT': 'tracks in videos, with a detector inside',
    'OCSORT': 'tracks in videos, with a detector inside',
    'QDTrack': 'tracks in videos, with a detector inside',
    'StrongSORT': 'tracks in videos, with a detector inside',
    'MaskTrackRCNN': 'tracks in videos',
    'Mask2FormerVideo': 'tracks in videos',
    'BaseReID': 'tells persons apart, and detects nothing',
    'ImageClassifier': 'classifies images, and detects nothing',
    'GLIP': 'reads text by a language model (transformers, its weights)',
    'GroundingDINO': 'reads text by a language model (transformers, its '
    'weights)',
    'SoftTeacher': 'a way to train a detector on unlabelled images too',
    'CLRNet': 'finds lanes, whose training data and NMS are others',
    'MultimodalEncoderDecoder': 'reads text by CLIP, whose image encoder it '
    'needs',
    'DepthEstimator': "estimates depth with Stable Diffusion's network",
}

# what takes more of its backbone than maps of a pyramid
BOUND = {
    'CornerHead': 'its head takes the two maps of an hourglass',
    'CentripetalHead': 'its head takes the two maps of an hourglass',
    'DDRHead': 'its head takes the two branches of DDRNet',
    'PIDHead': 'its head takes the three branches of PIDNet',
    'DPTHead': 'its head takes the class token beside each map',
    'Detectron2Wrapper': 'all of it is a model of detectron2',
    'RFP': 'its neck runs a ResNet again on its own output (DetectoRS)',
    'TridentRoIHead': 'its head takes the three branches of TridentNet',
}

# by what errors say
SAID = {
    r'Output size is too small': 'pools over more cells than small images '
    'have',
    r'bound inconsistent with step sign': 'mmdet cannot paste masks of boxes '
    'outside of an image on the CPU, and an untrained head has such',
    r'install sklearn': 'mmdet asks for scikit-learn here',
    r"No module named 'torchvision'": 'mmdet asks for torchvision here',
    r"SSDHead' object has no attribute 'loss_cls'": "mmdet's head of SSD "
    'fails in prediction, with any backbone',
    r"CascadeRPNHead.*'num_classes'": "mmdet's RPN does not build this head",
    r'is not compiled|mmcv .* compiled': 'needs an operator that mmcv has '
    'compiled alone',
}


def beforehand(types: set[str]) -> str | None:
    """Why a model of these modules is not tried; None where it is."""
    known = FOREIGN | BOUND
    return next((why for t, why in known.items() if t in types), None)


def of_error(error: BaseException, lacks: str) -> str:
    """One line about an error of the libraries.

    Args:
        error: What was raised.
        lacks: What is known to be lacking, which an error that says nothing
            of its own comes of.
    """
    text = ' '.join(str(error).split())
    if not text:  # an assertion: what it asserts
        *_, last = traceback.extract_tb(error.__traceback__)
        text = f'{last.line} ({Path(last.filename).name})'
    for pattern, said in SAID.items():
        if re.search(pattern, text):
            return said
    return lacks or f'{type(error).__name__}: {text}'[:200]
