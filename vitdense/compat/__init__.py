"""All that importing vitdense changes, or reads privately, in other packages.

``import vitdense`` calls ``install`` here; nothing else of vitdense changes
another package. It imports neither torch nor mmcv, so a change of a module
that is not imported yet waits for its import.

Tested are onedl-mmengine 0.10.12, onedl-mmcv 2.3.6, onedl-mmdetection 3.5.1,
onedl-mmsegmentation 1.4.2 and onedl-mmpretrain 1.3.6 ("onedl"), and mmengine
0.10.7, mmcv-lite 2.1.0, mmdet 3.3.0, mmsegmentation 1.2.2 and mmpretrain
1.2.0 ("upstream").

=========================== ============================== ==================
file                        what it changes, and why       in which, how long
=========================== ============================== ==================
mmcv_missing_extension      ``mmcv._ext`` can be imported: both, where mmcv
                            mmdet needs operators that an  came without
                            install without a compiler     operators; until
                            does not bring.                wheels bring them.
mmdet_operator_stubs        Operators that failed to be    onedl; upstream's
                            imported before vitdense are   mmdet ends with an
                            imported once more into mmcv,  ImportError
                            mmdet and mmseg.               instead; as long as
                                                           the file above.
mmengine_checkpoint_reading Checkpoints are read without   both; until
                            running the code they may      mmengine itself
                            hold. onedl falls back to      reads its files by
                            running it; upstream cannot    ``weights_only``
                            read its own files since       alone.
                            torch 2.6.
                            ``last_checkpoint`` may name
                            a file beside it.
mmengine_config_packages    ``_base_ = 'vitdense::...'``   both; until
                            finds our configs: mmengine    mmengine lets a
                            has a fixed table of packages, package enter
                            and upstream looks for an      itself, and finds
                            editable install in the wrong  editable installs.
                            folder. Under onedl mmseg's
                            name of the package is not
                            the one it asks for.
mmengine_default_scope      Nothing; it reads the private  both; until
                            list of default scopes, of     mmengine tells more
                            which mmengine tells only the  than the innermost
                            innermost.                     default scope.
mmdet_coco_scorer           ``CocoMetric`` scores by       both; until mmdet
                            hotcoco where that equals      lets one choose
                            pycocotools to the bit.        the scorer.
mmseg_dm_head               ``DMHead`` reads channels-last both; until mmseg
                            maps, as ours are; it fails at does not ask for
                            a ``.view`` of them.           contiguous ones.
mmpretrain_multimodal       mmpretrain can be imported     both; until its
                            beside transformers 5, without models of images
                            its models of images and text. and text can.
=========================== ============================== ==================
"""

from vitdense.compat import (
    mmcv_missing_extension,
    mmdet_coco_scorer,
    mmdet_operator_stubs,
    mmengine_checkpoint_reading,
    mmengine_config_packages,
    mmpretrain_multimodal,
    mmseg_dm_head,
)


def install() -> None:
    """Make all the changes; once more changes nothing more.

    Raises:
        ImportError: mmdet or mmseg was imported before vitdense, and what it
            lacks since cannot be repaired.
    """
    mmengine_config_packages.install()
    mmcv_missing_extension.install()
    mmdet_operator_stubs.install()  # imports what the line above makes
    mmengine_checkpoint_reading.install()
    mmdet_coco_scorer.install()
    mmseg_dm_head.install()
    mmpretrain_multimodal.install()
