"""PyTorch where it is installed, on one thread: the number of threads changes bits."""

import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
