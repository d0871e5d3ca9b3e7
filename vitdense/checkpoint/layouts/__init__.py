"""The layouts of all families, one module a family, one table a layout."""

from . import cvt, pvt, t2t

LAYOUTS = (*pvt.LAYOUTS, *cvt.LAYOUTS, *t2t.LAYOUTS)
