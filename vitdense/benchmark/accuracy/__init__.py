"""Comparing models by accuracy: figures with intervals, and differences.

``detection`` and ``segmentation`` make figures of predictions that are kept
in files, for any weights of the images; ``average_precision`` is COCO's, with
weights. ``resampling`` draws weights, and makes intervals and p-values of the
figures; ``compare`` reads runs and puts all together, ``tables`` shows it.
"""
