"""CPU and waiting times that a test gives to a helper, so that the machine's load does not matter."""


class Still:
    """Stands in for a `Background`: what it has computed and waited is what the test says."""

    def __init__(self, computed=0.0, waited=0.0):
        self.computed, self.waited = computed, waited

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def times(self):
        return self.computed, self.waited
