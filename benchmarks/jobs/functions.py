"""Transform functions of the benchmark projects."""

from odibi import transform


@transform
def only_dear(context, current=None, least=0.0):
    """Orders of at least `least` in price."""
    return current[current["price"] >= least]
