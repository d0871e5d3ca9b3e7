"""The layouts of all families, one module a family, one table a layout."""

from . import cvt, pvt

LAYOUTS = (*pvt.LAYOUTS, *cvt.LAYOUTS)
