"""What the driver says of a store that ends by itself."""

import json

import pytest
from parley_dev.cluster import Cluster
from parley_dev.steps import Failure


@pytest.mark.parametrize("store", ["redis", "postgres"])
def test_a_store_that_ended_is_named_with_its_log(tmp_path, store):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / f"{store}.log").write_text("bye bye\n")
    (tmp_path / "cluster.json").write_text(json.dumps({"instances": {}, "stores": {"redis": 1, "postgres": 1}}))
    with pytest.raises(Failure, match=rf"{store}: the process ended; it says:\nstopped\n(.*\n)*bye bye"):
        Cluster(tmp_path).wait_ready(store)
