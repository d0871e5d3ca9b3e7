"""The generated shapes data set, COCO's figures, loading of images, and
``audit``, which looks for what is wrong in data sets.

``registered`` has what configs can name.
"""
