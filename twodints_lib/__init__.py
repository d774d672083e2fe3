"""A thin library under the 2DiNTS course: from labelled microscopy images to separated cells.

The modules in the order the data takes: manifest, images, patches, space, search,
derive, train, predict, instances, metrics, report.
"""

__version__ = "0.1.0"
