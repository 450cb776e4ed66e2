"""For the table of layers: pairs of a layer and the shape of a sample that it takes."""

__all__ = ["COMPOSITES"]

COMPOSITES = []
