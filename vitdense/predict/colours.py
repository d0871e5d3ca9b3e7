"""A colour for each class."""

import colorsys


def colour_of(label: int) -> tuple[int, int, int]:
    """Red, green and blue of a class; neighbours in number look unlike.

    Args:
        label: The class's number, from 0 on.
    """
    # the first, often the ground, is not red, as what is wrong is
    hue = (0.55 + label * 0.618034) % 1
    value = (0.95, 0.75, 0.6)[label % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.75, value)
    return round(255 * red), round(255 * green), round(255 * blue)
