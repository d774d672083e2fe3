"""A thin library under the 2DiNTS course: from labelled microscopy images to separated cells.

The modules in the order the data takes: manifest, images, patches, space, search,
derive, train, predict, instances, metrics, report.
"""

import sys

__version__ = "0.1.0"

# MONAI imports jsonschema, which builds a grammar of international addresses for over a second.
# Without it that one format goes unchecked, which nothing here asks for.
sys.modules.setdefault("rfc3987_syntax", None)
