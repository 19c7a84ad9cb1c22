"""One image for all the tests of this folder."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import engine  # noqa: E402


@pytest.fixture(scope="session")
def image():
    return engine.build("agent-gateway-test")
